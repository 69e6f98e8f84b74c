"""An agent's word can only raise scrutiny: what it claims lets nothing pass (threat 1)."""

from __future__ import annotations

from typing import Any

import pytest

from gate.domain.verdict import Decision
from gate.policy.explain import explain
from tests.unit.policy.building import NOW, judged, policy, subject

LOOKUP = {"match": {"topics": ["job.*.look"]}, "risk_tags": ["read"]}


def rules(match: dict[str, Any], *more: dict[str, Any], **document: Any) -> Any:
    return policy(
        {
            "classify": [LOOKUP],
            "rules": [{"id": "pass", "match": match, "decision": "allow"}, *more],
            **document,
        }
    )


@pytest.mark.parametrize(
    "match",
    [
        pytest.param({"risk_tags": ["read"]}, id="any"),
        pytest.param({"risk_tags": ["read", "peek"]}, id="any of several"),
        pytest.param({"risk_tags_all": ["read"]}, id="all"),
        pytest.param({"any": [{"risk_tags": ["read"]}]}, id="nested"),
        pytest.param({"not": {"risk_tags_none": ["read"]}}, id="not none"),
        pytest.param({"not": {"not": {"risk_tags": ["read"]}}}, id="not not"),
        pytest.param({"not": {"all": [{"not": {"risk_tags": ["read"]}}]}}, id="not all not"),
    ],
)
def test_claiming_a_tag_that_policy_derives_lets_nothing_pass(match: dict[str, Any]) -> None:
    told = rules(match)
    assert judged(told, topic="job.crm.look").decision is Decision.ALLOW
    assert judged(told, topic="job.crm.look", risk_tags=["read"]).decision is Decision.ALLOW
    assert judged(told, topic="job.crm.wipe", risk_tags=["read"]).decision is Decision.REQUIRE_APPROVAL


def test_a_claimed_tag_still_tightens_wherever_it_can() -> None:
    told = rules({"topics": ["job.*"], "not": {"risk_tags": ["read"]}})
    assert judged(told, topic="job.crm.wipe").decision is Decision.ALLOW
    assert judged(told, topic="job.crm.wipe", risk_tags=["read"]).decision is Decision.REQUIRE_APPROVAL
    none = rules({"topics": ["job.*"], "risk_tags_none": ["read"]})
    assert judged(none, topic="job.crm.wipe").decision is Decision.ALLOW
    assert judged(none, topic="job.crm.wipe", risk_tags=["read"]).decision is Decision.REQUIRE_APPROVAL
    asks = policy(
        {"classify": [LOOKUP], "rules": [{"id": "r", "match": {"risk_tags": ["read"]}, "decision": "deny"}]}
    )
    assert judged(asks, topic="job.crm.wipe", risk_tags=["read"]).decision is Decision.DENY


def test_a_tag_that_no_document_derives_acts_as_a_rule_reads() -> None:
    """The published guides allow calls tagged `egress` within constraints, and nothing there derives the tag."""
    told = rules({"risk_tags": ["egress"]})
    assert judged(told, topic="job.crm.call", risk_tags=["egress"]).decision is Decision.ALLOW


def test_what_another_document_derives_is_not_to_be_claimed_either() -> None:
    told = policy(
        {"rules": [{"id": "pass", "match": {"risk_tags": ["read"]}, "decision": "allow"}]},
        {"scope": {"topics": ["other.*"]}, "classify": [LOOKUP]},
    )
    assert judged(told, topic="job.crm.wipe", risk_tags=["read"]).decision is Decision.REQUIRE_APPROVAL


def test_explain_says_that_a_tag_is_only_claimed() -> None:
    told = rules({"risk_tags": ["read"]})
    said = explain(told, subject(topic="job.crm.wipe", risk_tags=["read"]), NOW)
    assert "by the agent's word only" in repr(said)


@pytest.mark.parametrize("amount", [-1, -1e300, -0.01])
def test_a_fact_below_nothing_is_not_known(amount: float) -> None:
    """Else it would pass below every limit, and make room for more in a sum over a window (threat 24)."""
    told = policy(
        {
            "classify": [{"match": {"topics": ["*"]}, "facts": {"amount_usd": "payload.amount"}}],
            "rules": [
                {"id": "small", "match": {"not": {"amount_usd_above": 100}}, "decision": "allow"},
                {"id": "rest", "match": {"amount_usd_above": 100}, "decision": "deny"},
            ],
        }
    )
    assert judged(told, payload={"amount": 50}).rule == "small"
    verdict = judged(told, payload={"amount": amount})
    assert verdict.rule == "rest"
    assert verdict.effective.amount_usd is None
    claimed = judged(told, payload={"amount": amount}, amount_usd=5.0)
    assert claimed.rule == "rest"
    assert "amount_usd" not in claimed.effective.verified
