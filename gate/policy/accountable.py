"""What an evidence contract makes of a verdict: nothing goes on, to people or out, that could never be wholly on
record."""

from __future__ import annotations

from dataclasses import replace

from gate.domain.action import Subject
from gate.domain.completeness import EvidenceContract, named, unsaid
from gate.domain.verdict import Decision, OnTimeout, Verdict

CONTRACT = "evidence_contract"
"""The rule id in a verdict that the contract decided."""

_REFUSED_ALREADY = (Decision.DENY, Decision.THROTTLE)


def accountable(contract: EvidenceContract, verdict: Verdict, subject: Subject) -> Verdict:
    """The verdict, or a denial that names what the agent left out; total, and never more permissive.

    Where a person has to be on record as approver, no timer approves.
    """
    if not contract.reject or verdict.decision in _REFUSED_ALREADY:
        return verdict
    lacking = unsaid(contract, subject.proposal, verdict.effective)
    if lacking:
        return replace(
            verdict,
            decision=Decision.DENY,
            rule=CONTRACT,
            reason=f"The record would be incomplete: the agent did not send {named(lacking)}",
            trigger=f"{', '.join(lacking)} missing",
            constraints={},
            remediations=(),
            plan=None,
        )
    plan = verdict.plan
    if plan is not None and plan.on_timeout is OnTimeout.ALLOW and "approver_id" in contract.required:
        return replace(verdict, plan=replace(plan, on_timeout=OnTimeout.DENY))
    return verdict
