"""What a document may say: unknown keys, wrong values and sections of later work, each with file, line and hint."""

from __future__ import annotations

from typing import Any

import pytest

from gate.policy.compile import compile_set
from gate.policy.documents import Document, PolicyError
from gate.policy.later import LATER
from tests.unit.policy.building import people, policy, problems

RULE = "version: v1\nrules:\n- id: r\n  match: {topics: [a.b]}\n  decision: require_approval\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "version: v1\nruls: []", "d0.yaml:2: unknown key 'ruls' (did you mean 'rules'?)", id="section"
        ),
        pytest.param(
            "version: v1\nrules:\n- id: r\n  match: {topcs: [a]}\n  decision: deny",
            "d0.yaml:4: unknown key 'topcs' in rules[0].match (did you mean 'topics'?)",
            id="match key",
        ),
        pytest.param(
            RULE + "  approval: {sla: 1h, quorm: 2}",
            "d0.yaml:6: unknown key 'quorm' in rules[0].approval (did you mean 'quorum'?)",
            id="approval key",
        ),
        pytest.param(
            "rules: []", "d0.yaml:1: key 'version' is missing; every document says version: v1", id="version"
        ),
        pytest.param("version: v2", "d0.yaml:1: version: 'v2' is not one of v1", id="v2"),
        pytest.param("", "d0.yaml:1: the document is empty", id="empty"),
        pytest.param("- a", "d0.yaml:1: expected a mapping of keys", id="a list"),
        pytest.param(
            RULE.replace("require_approval", "aprove"),
            "d0.yaml:5: rules[0].decision: 'aprove' is not one of allow, allow_with_constraints, deny, throttle or "
            "require_approval",
            id="decision",
        ),
        pytest.param(
            RULE + "  approval: {sla: 0s}",
            "d0.yaml:6: rules[0].approval.sla: a length of time must be more than zero",
            id="zero sla",
        ),
        pytest.param(
            RULE + "  approval: {quorum: 1}",
            "d0.yaml:6: key 'sla' is missing in rules[0].approval",
            id="no sla",
        ),
        pytest.param(
            RULE + "  approval: {sla: 30}",
            "d0.yaml:6: rules[0].approval.sla: write a length of time as in 30m or 1h30m, not 30",
            id="sla without unit",
        ),
        pytest.param(
            RULE + "  approval: {sla: 1h, assignees: [an]}",
            "d0.yaml:6: rule 'r': approval.assignees: unknown person 'an' (did you mean 'ana'?)",
            id="person",
        ),
        pytest.param(
            RULE + "  approval: {sla: 1h, groups: [finanse]}",
            "d0.yaml:6: rule 'r': approval.groups: unknown group 'finanse' (did you mean 'finance'?)",
            id="group",
        ),
        pytest.param(
            RULE + "  approval: {sla: 1h, escalation: [{after: 2h, to: [ana]}]}",
            "d0.yaml:6: rule 'r': approval.escalation: a step after 2h never comes, the sla is 1h",
            id="late step",
        ),
        pytest.param(
            RULE + "  approval: {sla: 1h, escalation: [{after: 5m, to: ['oncall:primry']}]}",
            "d0.yaml:6: rule 'r': approval.escalation: unknown rota 'primry' (did you mean 'primary'?)",
            id="rota",
        ),
        pytest.param(
            RULE + "  approval: {sla: 1h, groups: [finance], route: x}",
            "d0.yaml:6: rule 'r': approval.route: routing has no 'x'",
            id="route",
        ),
        pytest.param(
            RULE.replace("topics: [a.b]", "when: 'paylod.x > 1'"),
            "d0.yaml:4: rule 'r': match.when: unknown name 'paylod' (did you mean 'payload'?)",
            id="when",
        ),
        pytest.param(
            RULE.replace("topics: [a.b]", "time: {days: [mon-fry]}"),
            "d0.yaml:4: rule 'r': match.time: unknown day 'fry' (did you mean 'fri'?); write mon, tue … or mon-fri",
            id="day",
        ),
        pytest.param(
            RULE.replace("topics: [a.b]", "time: {hours: '09:00-18:00', tz: Europe/Berln}"),
            "d0.yaml:4: rule 'r': match.time: unknown time zone 'Europe/Berln'; write one as in Europe/Berlin",
            id="zone",
        ),
        pytest.param(
            "version: v1\ndefault: {decision: allow}",
            "d0.yaml:2: default: a default never allows; write a last rule with topics: ['*'] for what may pass",
            id="an allowing default",
        ),
        pytest.param(
            RULE.replace("require_approval", "deny") + "  approval: {sla: 1h}",
            "d0.yaml:3: rules[0]: approval is given, but the decision is deny; write require_approval",
            id="approval without asking",
        ),
        pytest.param(
            RULE + "- id: r\n  match: {}\n  decision: deny",
            "d0.yaml:6: rule id 'r' is used already at d0.yaml:3",
            id="duplicate id",
        ),
        pytest.param(
            "version: v1\nrouting: {default: nobody}",
            "d0.yaml:2: routing.default: unknown group 'nobody'",
            id="routing",
        ),
        pytest.param(
            RULE + "  constraints: {payload_schema: {type: 7}}",
            "d0.yaml:6: rule 'r': constraints: not a JSON Schema: at 'type': "
            "7 is not valid under any of the given schemas",
            id="payload schema",
        ),
        pytest.param(
            RULE + "  approval: {sla: 1h, editable: {schema: {$ref: 'https://example.com/s'}}}",
            "d0.yaml:6: rule 'r': approval.editable.schema: '$ref' to 'https://example.com/s': only references within "
            "the schema are followed",
            id="remote reference",
        ),
        pytest.param(
            RULE.replace("[a.b]", "yes") + "  retry_after: 5m",
            "d0.yaml:3: rules[0]: retry_after is given, but the decision is require_approval; write throttle",
            id="retry_after",
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_hint(text: str, expected: str) -> None:
    assert expected in problems(text)


def test_every_problem_of_every_document_is_reported_at_once() -> None:
    found = problems("version: v1\na: 1\nb: 2", "version: v1\nc: 3")
    assert [line.split(": ")[0] for line in found] == ["d0.yaml:2", "d0.yaml:3", "d1.yaml:2"]


def test_two_documents_of_one_name_are_refused() -> None:
    with pytest.raises(PolicyError, match="two documents have this name"):
        compile_set(
            [Document(name="a.yaml", text="version: v1"), Document(name="a.yaml", text="version: v1")],
            people(),
        )


def test_the_same_id_in_two_documents_is_refused() -> None:
    rule = {"rules": [{"id": "r", "match": {"topics": "a"}, "decision": "deny"}]}
    assert problems(rule, rule) == ["d1.yaml:3: rule id 'r' is used already at d0.yaml:3"]


VALID_LATER: dict[str, Any] = {
    "autonomy_levels": {"level_0": {"rules": [{"match": {"topics": ["*"]}, "decision": "require_approval"}]}},
    "promotion_criteria": {"min_successful_actions": 50},
    "demotion_triggers": ["policy_violation", {"error_rate_above": 0.05}],
    "audit": {"sampling": {"rate": 0.1, "mandatory": [{"match": {"first_time_action": True}}]}},
    "output": {"rules": [{"action": "REDACT", "fields": ["a"]}]},
    "exceptions": [{"rule": "r", "reason": "x", "approved_by": "ana", "expires_at": "2026-12-01"}],
    "calibration": {"window": "7d"},
    "slos": {"refunds": {"latency": {"p95": "8m"}, "quality": {"audit_completeness": 0.9}}},
}


@pytest.mark.parametrize("section", LATER)
def test_a_section_of_later_work_is_refused_with_exactly_one_line(section: str) -> None:
    (line,) = problems({section: VALID_LATER[section]})
    assert line.startswith(f"d0.yaml:2: section '{section}': this version does not act on it yet")


@pytest.mark.parametrize("section", LATER)
def test_a_section_of_later_work_is_checked_all_the_same(section: str) -> None:
    broken = {"nonsense": 1} if isinstance(VALID_LATER[section], dict) else ["nonsense"]
    found = problems({section: broken})
    assert len(found) >= 2
    assert sum("does not act on it yet" in line for line in found) == 1


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        pytest.param({"match": {"autonomy_level": 2}}, "condition 'autonomy_level'", id="autonomy level"),
        pytest.param(
            {"match": {"labels": {"autonomy_level": "x"}, "autonomy_level": 1}}, "condition", id="not a label"
        ),
        pytest.param({"match": {"any": [{"autonomy_level": 2}]}}, "condition 'autonomy_level'", id="nested"),
    ],
)
def test_parts_of_later_work_are_refused_with_one_line(rule: dict[str, Any], what: str) -> None:
    (line,) = problems({"rules": [{"id": "r", "decision": "require_approval", **rule}]})
    assert f": {what}" in line
    assert "this version does not act on it yet" in line


def test_a_rule_without_an_id_gets_one_from_its_place() -> None:
    held = policy({"rules": [{"match": {"topics": "a"}, "decision": "deny"}]})
    assert [rule.id for rule in held.rules] == ["d0-rule-1"]


def test_the_digest_does_not_depend_on_the_order_of_documents() -> None:
    one, two = (
        Document(name="a.yaml", text="version: v1"),
        Document(name="b.yaml", text="version: v1\nrules: []"),
    )
    assert compile_set([one, two], people()).digest == compile_set([two, one], people()).digest
    assert compile_set([one], people()).digest != compile_set([one, two], people()).digest
    renamed = Document(name="c.yaml", text=one.text)
    assert compile_set([renamed, two], people()).digest != compile_set([one, two], people()).digest
