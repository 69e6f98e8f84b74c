"""The one armed deadline: what fires, when, how often, and what it may never do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, DeadlineKind, Status
from gate.domain.review import approve
from gate.domain.risk import Risk
from gate.domain.timeouts import fire
from gate.domain.transitions import Change
from gate.domain.verdict import LadderStep, OnTimeout
from tests.fakes.records import NOW, REPAGE, directory, later, pending, plan, verdict


def at_due(record: ActionRecord, people: Directory | None = None, late: float = 0) -> Change:
    assert record.deadline is not None
    result = fire(
        record,
        seq=record.deadline.seq,
        now=record.deadline.due_at + timedelta(seconds=late),
        directory=people or directory(),
        repage_sec=REPAGE,
    )
    assert isinstance(result, Change)
    return result


def run_out(record: ActionRecord, limit: int = 20) -> list[Change]:
    changes = []
    while record.deadline is not None and len(changes) < limit:
        changes.append(at_due(record))
        record = changes[-1].record
    return changes


def kinds(changes: list[Change]) -> list[str]:
    return [c.audit.kind for c in changes]


def timing(on_timeout: OnTimeout, risk: Risk = Risk.HIGH) -> ActionRecord:
    quorum = 2 if risk is Risk.CRITICAL else 1
    return pending(verdict_=verdict(risk=risk, plan_=plan(on_timeout=on_timeout, quorum=quorum)))


def test_the_ladder_is_climbed_and_then_the_request_ends():
    """INV-24, INV-29: there is always exactly one armed deadline, until the end."""
    changes = run_out(timing(OnTimeout.DENY))
    assert kinds(changes) == ["approval.escalated", "approval.escalated", "approval.expired"]
    assert all(c.record.deadline is not None for c in changes[:-1])
    assert changes[-1].record.status is Status.EXPIRED
    assert changes[-1].record.deadline is None


def test_escalate_gives_the_approvers_the_same_time_again_and_then_denies():
    """INV-29"""
    changes = run_out(timing(OnTimeout.ESCALATE))
    assert kinds(changes)[-2:] == ["approval.sla_breach", "approval.expired"]
    breach, end = changes[-2].record, changes[-1].record
    assert "cho" in breach.asked
    assert end.decided_at == NOW + timedelta(seconds=3600)


def test_hold_keeps_paging_until_a_person_decides():
    """INV-29: a held request never just stops."""
    changes = run_out(timing(OnTimeout.HOLD, Risk.CRITICAL), limit=6)
    assert kinds(changes)[2:] == ["approval.sla_breach", *["approval.repaged"] * 3]
    assert changes[-1].record.held
    assert changes[-1].record.status is Status.PENDING


@pytest.mark.parametrize("risk", [Risk.MEDIUM, Risk.HIGH, Risk.CRITICAL])
def test_no_timer_releases_anything_above_low_risk(risk):
    """INV-09: whatever the plan says."""
    changes = run_out(timing(OnTimeout.ALLOW, risk), limit=8)
    assert all(c.record.status is not Status.APPROVED for c in changes)


def test_low_risk_may_be_released_by_the_timer_where_the_plan_says_so():
    record = run_out(timing(OnTimeout.ALLOW, Risk.LOW))[-1].record
    assert record.status is Status.APPROVED
    assert record.decided_by == "timer"
    assert record.votes == ()


def test_a_deadline_fires_once():
    """INV-25, INV-27: the same timer again, or one after the decision, does nothing."""
    record = timing(OnTimeout.DENY)
    assert record.deadline is not None
    seq = record.deadline.seq
    after = at_due(record).record
    again = fire(after, seq=seq, now=later(90_000), directory=directory(), repage_sec=REPAGE)
    assert isinstance(again, Refused)
    assert again.code == "not_due"
    decided = approve(record, person="ana", version=1, comment=None, directory=directory(), now=later(1))
    assert isinstance(decided, Change)
    too_late = fire(decided.record, seq=seq, now=later(90_000), directory=directory(), repage_sec=REPAGE)
    assert isinstance(too_late, Refused)
    assert too_late.code == "not_pending"


def test_a_deadline_never_fires_early():
    """INV-31"""
    record = timing(OnTimeout.DENY)
    assert record.deadline is not None
    early = record.deadline.due_at - timedelta(microseconds=1)
    refused = fire(record, seq=record.deadline.seq, now=early, directory=directory(), repage_sec=REPAGE)
    assert isinstance(refused, Refused)
    assert refused.code == "not_due"


def test_lateness_is_on_the_record():
    """INV-26"""
    change = at_due(timing(OnTimeout.DENY), late=3600)
    assert change.audit.detail["late_ms"] == 3_600_000


def test_whoever_a_step_calls_may_decide_from_then_on():
    """INV-38 in part: the ladder brings the decision to others."""
    record = timing(OnTimeout.DENY)
    before = approve(record, person="dee", version=1, comment=None, directory=directory(), now=later(1))
    assert isinstance(before, Refused)
    on_call = at_due(at_due(record).record).record
    after = approve(on_call, person="dee", version=1, comment=None, directory=directory(), now=later(2))
    assert isinstance(after, Change)
    assert after.record.status is Status.APPROVED


def test_an_empty_rota_moves_on_and_says_so():
    change = at_due(at_due(timing(OnTimeout.DENY)).record, people=directory(rotas={}))
    assert change.audit.detail["nobody_reached"] is True
    assert change.record.deadline is not None
    assert change.record.deadline.kind is DeadlineKind.SLA


def test_a_step_at_the_very_sla_goes_first():
    ladder = (LadderStep(after_sec=1800, to=("oncall:primary",)),)
    record = pending(verdict_=verdict(plan_=plan(ladder=ladder, on_timeout=OnTimeout.DENY)))
    assert kinds(run_out(record)) == ["approval.escalated", "approval.expired"]


def test_steps_after_the_sla_are_climbed_while_held():
    ladder = (LadderStep(after_sec=2400, to=("group:security",)),)
    record = pending(verdict_=verdict(plan_=plan(ladder=ladder, on_timeout=OnTimeout.HOLD)))
    assert kinds(run_out(record, limit=3)) == [
        "approval.sla_breach",
        "approval.escalated",
        "approval.repaged",
    ]
