"""What lint finds: legal, but likely a mistake."""

from __future__ import annotations

from typing import Any

import pytest

from gate.policy.cases import parse_cases, run_cases
from gate.policy.documents import Document, PolicyError
from gate.policy.lint import CODES, lint
from tests.unit.policy.building import people, policy

ANY: dict[str, Any] = {"topics": ["*"]}


def ask(name: str = "r", match: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"id": name, "match": ANY if match is None else match, "decision": "require_approval", **more}


def found(document: dict[str, Any]) -> list[tuple[str, str]]:
    findings = lint(policy(document), people(), ())
    assert {finding.code for finding in findings} <= set(CODES)
    return [(finding.rule, finding.code) for finding in findings if finding.code != "untested"]


@pytest.mark.parametrize(
    ("earlier", "later", "unreachable"),
    [
        pytest.param(ANY, {"topics": "a.b"}, True, id="behind everything"),
        pytest.param({"topics": "job.*"}, {"topics": ["job.a", "job.*.c"]}, True, id="behind a prefix"),
        pytest.param({"topics": "job.*"}, {"topics": ["job.a", "tool.b"]}, False, id="one topic is outside"),
        pytest.param({"topics": "job.*"}, {}, False, id="the later one is wider"),
        pytest.param({"topics": "a", "risk_tags": "x"}, {"topics": "a"}, False, id="the earlier asks more"),
        pytest.param(
            {"topics": "a", "risk_tags": "x"}, {"topics": "a", "risk_tags": "x"}, True, id="the same"
        ),
        pytest.param(
            {"topics": "a", "risk_tags": "x"}, {"topics": "a", "risk_tags": "y"}, False, id="another tag"
        ),
        pytest.param({"tools": "s.*"}, {"topics": "a"}, False, id="the earlier asks for a tool"),
        pytest.param({"topics": "*.c"}, {"topics": "a.*.c"}, False, id="hard to tell, so not said"),
    ],
)
def test_a_rule_behind_one_that_always_matches_is_found(
    earlier: dict[str, Any], later: dict[str, Any], unreachable: bool
) -> None:
    codes = found({"rules": [ask("a", earlier), ask("b", later)]})
    assert (("b", "unreachable") in codes) is unreachable


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(
            {"scope": {"topics": ["job.a.*"]}, "rules": [ask(match={"topics": "job.b.c"})]},
            ("r", "outside_scope"),
            id="scope",
        ),
        pytest.param(
            {"rules": [ask(approval={"sla": "1h", "on_timeout": "allow"})]},
            ("r", "allow_on_timeout"),
            id="allow on timeout",
        ),
        pytest.param(
            {"rules": [ask(risk="critical", approval={"sla": "1h", "quorum": 1})]},
            ("r", "quorum_raised"),
            id="quorum",
        ),
        pytest.param(
            {"rules": [ask(approval={"sla": "1h", "assignees": ["ana"]})]},
            ("r", "single_assignee"),
            id="single assignee",
        ),
        pytest.param({"rules": [ask(risk="high")]}, ("r", "group_only"), id="high risk to a group only"),
        pytest.param(
            {
                "rules": [
                    ask(risk="critical", approval={"sla": "1h", "groups": ["finance"], "escalation": []})
                ]
            },
            ("r", "no_escalation"),
            id="critical without escalation",
        ),
        pytest.param(
            {"rules": [{"id": "r", "match": ANY, "decision": "allow"}]},
            ("r", "matches_everything"),
            id="allows everything",
        ),
        pytest.param(
            {
                "rules": [
                    {"id": "r", "match": {"amount_usd_above": 1, "on_missing": "match"}, "decision": "allow"}
                ]
            },
            ("r", "allows_unknown"),
            id="allows the unknown",
        ),
    ],
)
def test_likely_mistakes_are_found(document: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in found(document)


def test_a_rule_no_case_reaches_is_found() -> None:
    held = policy({"rules": [ask("a", {"topics": "x"}), ask("b", {"topics": "y"})]})
    text = (
        "version: v1\ncases:\n- {name: n, action: {topic: x}, expect: {decision: deny, rule: a, quorum: 3}}"
    )
    cases = parse_cases(Document(name="c.yaml", text=text))
    assert [(f.rule, f.code) for f in lint(held, people(), cases)] == [("b", "untested")]
    (result,) = run_cases(held, cases)
    assert result.wrong == ("decision is require_approval, expected deny", "quorum is 1, expected 3")


def test_a_case_file_is_read_strictly() -> None:
    with pytest.raises(PolicyError) as refused:
        parse_cases(
            Document(
                name="c.yaml",
                text="version: v1\ncases:\n- {name: n, action: {topc: x}, expect: {decision: deny}}",
            )
        )
    assert "c.yaml:3: unknown key 'topc' in cases[0].action (did you mean 'topic'?)" in str(refused.value)
