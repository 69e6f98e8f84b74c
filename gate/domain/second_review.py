"""The sampled blind second review: which requests it takes, what stays hidden meanwhile, and what came of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from gate.domain.care import Care
from gate.domain.eligibility import could_decide, enough, risk_of
from gate.domain.people import Directory
from gate.domain.request import ActionRecord, Choice, Status
from gate.domain.verdict import ApprovalPlan

AGREED = "agreed"
"""Two people approved it, neither knowing of the other."""
DISAGREED = "disagreed"
"""Somebody approved it, and somebody else, who did not know, said no."""

UNFINISHED = "unfinished"
"""It ended before two people had said what they think."""


def drawn(action_id: str, rate: float) -> bool:
    """Whether the draw takes this action: by its id alone, so that nothing an agent sends has a say in it, and
    anybody can do the draw again."""
    lot = int.from_bytes(hashlib.sha256(action_id.encode()).digest()[:8])
    return lot < rate * 2**64


def sampled(record: ActionRecord, directory: Directory, care: Care) -> ApprovalPlan | None:
    """The plan of a new request, with a second review where it is drawn: only where one person would be enough, and
    only where two could decide without waiting for a step of the ladder."""
    plan = record.plan
    if plan is None or plan.people_needed != 1 or not drawn(record.id, care.second_review_rate):
        return plan
    return _where_two_are(replace(plan, second_review=True), record, directory)


def carried_over(plan: ApprovalPlan, record: ActionRecord, directory: Directory) -> ApprovalPlan:
    """The plan of an edited request: no second review where its new people are too few for one."""
    return _where_two_are(plan, record, directory) if plan.second_review else plan


def needless(plan: ApprovalPlan) -> ApprovalPlan:
    """Where policy itself asks for a second person by now, that one is the second reviewer: never fewer people than
    before, and nothing is hidden any more."""
    return replace(plan, second_review=plan.second_review and plan.people_needed == 1)


def _where_two_are(plan: ApprovalPlan, record: ActionRecord, directory: Directory) -> ApprovalPlan:
    now = replace(record, plan=replace(plan, ladder=()))
    there = could_decide(now, directory)
    return plan if enough(plan, there, directory, risk_of(record)) else replace(plan, second_review=False)


def blind(record: ActionRecord) -> bool:
    """Whether nobody may see now who has approved, nor that anybody has."""
    return record.status is Status.PENDING and record.plan is not None and record.plan.second_review


def veiled(record: ActionRecord) -> ActionRecord:
    """The record as people and agents see it: while it is blind, as if nobody had voted."""
    return replace(record, votes=()) if blind(record) else record


def shown_revision(record: ActionRecord) -> int:
    """The revision as whoever follows a request may know it: a hidden vote does not count until it is told. It never
    goes down."""
    return record.revision - (len(record.votes) if blind(record) else 0)


def result(record: ActionRecord) -> str | None:
    """`agreed` or `disagreed` once two people have said what they think; None otherwise."""
    if record.plan is None or not record.plan.second_review or not record.status.terminal:
        return None
    approvers = _approvers(record)
    rejected = {
        vote.person
        for vote in record.votes
        if vote.version == record.version.number and vote.choice is Choice.REJECT
    }
    if record.status is Status.APPROVED and len(approvers) > 1:
        return AGREED
    return DISAGREED if rejected and approvers - rejected else None


def _approvers(record: ActionRecord) -> frozenset[str]:
    return frozenset(
        vote.person
        for vote in record.votes
        if vote.version == record.version.number and vote.choice is Choice.APPROVE
    )
