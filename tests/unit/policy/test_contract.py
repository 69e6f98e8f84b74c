"""The evidence contract of a set: what it asks for is read strictly, and what it denies can be told."""

from __future__ import annotations

from typing import Any

import pytest

from gate.domain.verdict import Decision, OnTimeout
from tests.unit.policy.building import judged, policy, problems

ALLOW = {"id": "all", "match": {"topics": ["*"]}, "decision": "allow"}
ASK = {
    "id": "ask",
    "match": {"topics": ["*"]},
    "decision": "require_approval",
    "risk": "low",
    "approval": {"groups": ["finance"], "sla": "1h", "on_timeout": "allow"},
}


def contract(*names: str, rule: dict[str, Any] = ALLOW, **more: Any) -> dict[str, Any]:
    return {"rules": [rule], "evidence_contract": {"required_fields": list(names), **more}}


@pytest.mark.parametrize("rule", [ALLOW, ASK], ids=["allowed", "asked"])
def test_what_could_never_be_on_record_completely_is_denied_with_what_is_missing(rule: dict[str, Any]):
    """An incomplete record blocks the decision, whoever would have made it."""
    found = judged(policy(contract("confidence", "retrieval_sources", "job_hash", rule=rule)))
    assert (found.decision, found.rule) == (Decision.DENY, "evidence_contract")
    assert found.plan is None
    assert "the confidence (confidence) and the retrieval sources (sources)" in found.reason


def test_a_complete_proposal_goes_on_as_the_rules_say():
    assert judged(policy(contract("confidence")), confidence=0.9).rule == "all"


def test_a_contract_that_only_measures_denies_nothing():
    held = policy(contract("confidence", reject_if_incomplete=False))
    assert judged(held).decision is Decision.ALLOW
    assert held.contract is not None


def test_no_timer_approves_where_a_person_has_to_be_on_record():
    """INV-09: neither does a low-risk release by timer, which has nobody to name."""
    loose = {"low_risk_timeout": "allow", "rules": [ASK]}
    free, bound = policy(loose), policy({**loose, "evidence_contract": {"required_fields": ["approver_id"]}})
    plans = [judged(held).plan for held in (free, bound)]
    assert [plan and plan.on_timeout for plan in plans] == [OnTimeout.ALLOW, OnTimeout.DENY]


def test_a_denial_stays_a_denial_of_its_own_rule():
    deny = {"id": "no", "match": {"topics": ["*"]}, "decision": "deny", "reason": "never"}
    assert judged(policy(contract("confidence", rule=deny))).rule == "no"


def test_a_field_that_nothing_answers_to_is_refused_with_the_nearest():
    (line,) = problems(contract("promt_version"))
    assert "nothing on record is called 'promt_version' (did you mean 'prompt_version'?)" in line


def test_a_contract_speaks_for_the_whole_set():
    (line,) = problems({"scope": {"topics": ["a.*"]}, **contract("job_hash")})
    assert "evidence_contract speaks for the whole set" in line
