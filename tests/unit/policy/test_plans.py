"""Whom a rule asks, how many must agree, by when and what then: as written, and where nothing is written."""

from __future__ import annotations

from typing import Any

import pytest

from gate.domain.people import Directory
from gate.domain.risk import Risk
from gate.domain.verdict import ApprovalPlan, Editable, GrantTerms, LadderStep, OnTimeout
from tests.unit.policy.building import PEOPLE, judged, one_rule, people, policy, problems

ANY: dict[str, Any] = {"topics": ["*"]}


def plan_of(held: Any, **action: Any) -> ApprovalPlan:
    plan = judged(held, **action).plan
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    ("risk", "sla", "quorum", "on_timeout"),
    [
        pytest.param(Risk.CRITICAL, 1_800, 2, OnTimeout.HOLD, id="critical"),
        pytest.param(Risk.HIGH, 7_200, 1, OnTimeout.DENY, id="high"),
        pytest.param(Risk.MEDIUM, 14_400, 1, OnTimeout.ESCALATE, id="medium"),
        pytest.param(None, 14_400, 1, OnTimeout.ESCALATE, id="unset"),
        pytest.param(Risk.LOW, 28_800, 1, OnTimeout.DENY, id="low"),
    ],
)
def test_a_rule_that_says_nothing_more_is_filled_in_by_risk(
    risk: Risk | None, sla: int, quorum: int, on_timeout: OnTimeout
) -> None:
    """INV-08, INV-09"""
    plan = plan_of(one_rule(ANY), risk=risk)
    assert (plan.sla_sec, plan.quorum, plan.on_timeout) == (sla, quorum, on_timeout)
    assert plan.groups == ("approvers",)
    assert plan.ladder == (
        LadderStep(after_sec=sla // 2, to=("group:approvers",)),
        LadderStep(after_sec=sla * 3 // 4, to=("oncall:primary",)),
    )
    assert plan.editable == Editable(paths=None)
    assert plan.allow == {"approve", "edit", "reject", "reassign"}
    assert plan.channel == "#approvals"


def test_without_a_primary_rota_only_a_reminder_is_filled_in() -> None:
    directory = people(PEOPLE.split("on_call:")[0])
    plan = plan_of(
        policy({"rules": [{"id": "r", "match": ANY, "decision": "require_approval"}]}, directory=directory)
    )
    assert [step.after_sec for step in plan.ladder] == [7_200]


def test_everything_a_rule_says_is_taken() -> None:
    held = one_rule(
        ANY,
        approval={
            "assignees": ["ana@example.com", "bo"],
            "groups": ["security"],
            "quorum": 2,
            "channel": "#risk",
            "sla": "30m",
            "escalation": [
                {"after": "30m", "to": ["oncall:primary"]},
                {
                    "after": "10m",
                    "to": ["assignees", "group:finance", "Ana.Ruiz@example.com"],
                    "via": "slack",
                },
            ],
            "on_timeout": "hold",
            "allow": ["approve", "reject"],
            "editable": {"paths": ["/amount"], "schema": {"type": "object"}},
            "evidence": [
                {"label": "Order", "value": "payload.order", "tone": "blue"},
                {"label": "To", "value": "payload.to"},
                {"label": "Gone", "value": "payload.gone", "tone": "red"},
            ],
            "min_review_sec": 5,
            "grant": {"ttl": "10m", "valid_for": "1h", "audience": "payments"},
        },
    )
    verdict = judged(held, payload={"order": 881, "to": ["a", "b"]})
    plan = verdict.plan
    assert plan is not None
    assert (plan.assignees, plan.groups, plan.quorum, plan.channel) == (
        ("ana", "bo"),
        ("security",),
        2,
        "#risk",
    )
    assert (plan.sla_sec, plan.on_timeout, plan.allow) == (1_800, OnTimeout.HOLD, {"approve", "reject"})
    assert plan.ladder == (
        LadderStep(after_sec=600, to=("assignees", "group:finance", "ana")),
        LadderStep(after_sec=1_800, to=("oncall:primary",)),
    )
    assert plan.editable == Editable(paths=("/amount",), schema={"type": "object"})
    assert [(e.label, e.value, e.tone) for e in plan.evidence] == [
        ("Order", "881", "blue"),
        ("To", "a, b", "slate"),
        ("Gone", "not available: no field 'gone'", "amber"),
    ]
    assert plan.min_review_sec == 5
    assert verdict.grant == GrantTerms(ttl_sec=600, valid_for_sec=3_600, audience="payments")


@pytest.mark.parametrize(
    "action",
    [
        pytest.param({"risk": Risk.CRITICAL}, id="by claim"),
        pytest.param({"payload": {"wipe": True}}, id="by derivation"),
    ],
)
def test_critical_is_never_below_two_however_it_became_critical(action: dict[str, Any]) -> None:
    """INV-08: a quorum of one is raised where the action turns out to be critical."""
    held = policy(
        {
            "classify": [{"match": {"when": "has(payload.wipe)"}, "risk": "critical"}],
            "rules": [
                {
                    "id": "r",
                    "match": ANY,
                    "decision": "require_approval",
                    "approval": {"sla": "1h", "quorum": 1, "assignees": ["ana"]},
                }
            ],
        }
    )
    assert plan_of(held, **action).quorum == 2
    assert plan_of(held, risk=Risk.HIGH).quorum == 1


def test_critical_by_the_rule_itself_takes_two() -> None:
    """INV-08"""
    assert plan_of(one_rule(ANY, risk="critical", approval={"sla": "1h", "quorum": 1})).quorum == 2


def test_distinct_groups_take_one_from_each() -> None:
    plan = plan_of(one_rule(ANY, approval={"sla": "1h", "distinct_groups": ["finance", "security"]}))
    assert (plan.quorum, plan.distinct_groups, plan.channel) == (2, ("finance", "security"), "#finance")


@pytest.mark.parametrize(
    ("risk", "on_timeout"),
    [
        pytest.param(Risk.LOW, OnTimeout.ALLOW, id="low"),
        pytest.param(Risk.MEDIUM, OnTimeout.ESCALATE, id="medium"),
        pytest.param(Risk.HIGH, OnTimeout.DENY, id="high"),
        pytest.param(Risk.CRITICAL, OnTimeout.HOLD, id="critical"),
    ],
)
def test_no_timer_approves_above_low_risk(risk: Risk, on_timeout: OnTimeout) -> None:
    """INV-09: an allow on timeout falls back where the action turns out not to be low."""
    assert (
        plan_of(one_rule(ANY, approval={"sla": "1h", "on_timeout": "allow"}), risk=risk).on_timeout
        is on_timeout
    )


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"match": ANY, "risk": "high"}, id="the rule's risk"),
        pytest.param({"match": ANY, "risk": "medium"}, id="medium"),
        pytest.param({"match": {"risk_at_least": "critical"}}, id="the match"),
    ],
)
def test_an_allow_on_timeout_that_could_never_hold_is_refused_at_load(rule: dict[str, Any]) -> None:
    """INV-09"""
    (line,) = problems(
        {
            "rules": [
                {
                    "id": "r",
                    "decision": "require_approval",
                    "approval": {"sla": "1h", "on_timeout": "allow"},
                    **rule,
                }
            ]
        }
    )
    assert "on_timeout: allow is for low risk only" in line


def test_low_risk_is_allowed_on_timeout_only_where_the_set_says_so() -> None:
    rules = {"rules": [{"id": "r", "match": ANY, "decision": "require_approval"}]}
    assert (
        plan_of(policy({**rules, "low_risk_timeout": "allow"}), risk=Risk.LOW).on_timeout is OnTimeout.ALLOW
    )
    assert (
        plan_of(policy({**rules, "low_risk_timeout": "allow"}), risk=Risk.MEDIUM).on_timeout
        is OnTimeout.ESCALATE
    )
    both = policy({**rules, "low_risk_timeout": "allow"}, {"low_risk_timeout": "deny"})
    assert plan_of(both, risk=Risk.LOW).on_timeout is OnTimeout.DENY


ROUTING = {
    "routing": {
        "default": "approvers",
        "legal_actions": "finance",
        "financial_actions": "finance",
        "security_actions": "security",
    }
}


@pytest.mark.parametrize(
    ("action", "group"),
    [
        pytest.param({}, "approvers", id="default"),
        pytest.param({"risk_tags": ["financial"]}, "finance", id="financial"),
        pytest.param({"risk_tags": ["refund"]}, "finance", id="a synonym"),
        pytest.param({"amount_usd": 5.0}, "finance", id="an amount"),
        pytest.param({"amount_usd": 0.0}, "approvers", id="no amount"),
        pytest.param({"risk_tags": ["secrets", "financial"]}, "security", id="security first"),
        pytest.param({"risk_tags": ["legal"]}, "finance", id="a word of one's own"),
    ],
)
def test_routing_finds_the_group_by_tags_and_amounts(action: dict[str, Any], group: str) -> None:
    held = policy({**ROUTING, "rules": [{"id": "r", "match": ANY, "decision": "require_approval"}]})
    assert plan_of(held, **action).groups == (group,)


def test_a_route_may_be_named() -> None:
    approval = {"sla": "1h", "route": "security_actions"}
    held = policy(
        {
            **ROUTING,
            "rules": [{"id": "r", "match": ANY, "decision": "require_approval", "approval": approval}],
        }
    )
    assert plan_of(held, risk_tags=["financial"]).groups == ("security",)


def test_a_table_without_default_falls_to_the_approvers() -> None:
    held = policy({"routing": {"security_actions": "security"}, "rules": []})
    assert plan_of(held).groups == ("approvers",)


def test_two_documents_may_not_route_one_kind_to_different_groups() -> None:
    (line,) = problems({"routing": {"default": "finance"}}, {"routing": {"default": "security"}})
    assert "another document routes this to 'finance'" in line


NO_APPROVERS = PEOPLE.replace("  approvers: {members: [cho, dee]}\n", "")


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"rules": [{"id": "r", "match": ANY, "decision": "require_approval"}]}, id="asks them"),
        pytest.param(
            {
                "rules": [
                    {
                        "id": "r",
                        "match": ANY,
                        "decision": "require_approval",
                        "approval": {"sla": "1h", "groups": ["finance"], "on_timeout": "escalate"},
                    }
                ]
            },
            id="escalates to them",
        ),
        pytest.param(
            {"rules": [{"id": "r", "match": ANY, "decision": "deny"}]}, id="by the built-in default"
        ),
    ],
)
def test_a_set_that_needs_approvers_and_finds_none_is_refused(document: dict[str, Any]) -> None:
    found = problems(document, directory=people(NO_APPROVERS))
    assert any("group 'approvers'" in line for line in found)


def test_a_set_that_never_needs_approvers_loads_without() -> None:
    document = {
        "default": {"decision": "deny"},
        "rules": [
            {
                "id": "r",
                "match": {"topics": "a"},
                "decision": "require_approval",
                "approval": {"sla": "1h", "groups": ["finance"], "on_timeout": "deny"},
            }
        ],
    }
    assert problems(document, directory=people(NO_APPROVERS)) == []


def test_a_quorum_nobody_could_reach_is_refused() -> None:
    (line,) = problems(
        {
            "rules": [
                {
                    "id": "r",
                    "match": ANY,
                    "decision": "require_approval",
                    "approval": {"sla": "1h", "quorum": 5, "groups": ["finance"]},
                }
            ]
        }
    )
    assert "needs 5 people, but those asked and the approvers are 4" in line


def test_what_classify_lets_reviewers_edit_holds_where_the_rule_says_nothing() -> None:
    held = policy(
        {
            "classify": [
                {"match": ANY, "editable": {"paths": ["/amount", "/note"]}},
                {
                    "match": {"risk_tags": "x"},
                    "editable": {"paths": ["/note/text", "/other"], "schema": {"type": "object"}},
                },
            ],
            "rules": [{"id": "r", "match": ANY, "decision": "require_approval"}],
        }
    )
    assert plan_of(held).editable.paths == ("/amount", "/note")
    assert plan_of(held, risk_tags=["x"]).editable == Editable(
        paths=("/note/text",), schema={"type": "object"}
    )


def test_a_directory_without_anybody_refuses_a_set_that_asks() -> None:
    assert problems(
        {"rules": [{"id": "r", "match": ANY, "decision": "require_approval"}]}, directory=Directory()
    )
