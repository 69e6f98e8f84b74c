"""The one armed deadline: what fires, when, how often, and what it may never do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gate.domain.handing_on import cancel, reassign
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, DeadlineKind, Status
from gate.domain.risk import Risk
from gate.domain.timeouts import fire
from gate.domain.transitions import Change
from gate.domain.verdict import LadderStep, OnTimeout
from gate.domain.voting import approve, reject
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
    """INV-30: at the ladder's end the approvers stand in for the empty rota."""
    change = at_due(at_due(timing(OnTimeout.DENY)).record, people=directory(rotas={}))
    assert change.audit.detail["nobody_reached"] is True
    assert change.audit.detail["called"] == ["cho"]
    assert sent(change, "slack", "dm") == ["cho"]
    assert change.record.deadline is not None
    assert change.record.deadline.kind is DeadlineKind.SLA


def test_after_an_empty_rota_the_next_step_does_not_wait():
    """INV-30: the time nobody could use is not waited for."""
    ladder = (
        LadderStep(after_sec=600, to=("oncall:gone",), via=("email",)),
        LadderStep(after_sec=1200, to=("group:security",), via=("email", "pagerduty")),
    )
    empty = at_due(pending(verdict_=verdict(plan_=plan(ladder=ladder))))
    assert empty.audit.detail["nobody_reached"] is True
    assert sent(empty, "email", "call") == ["cho"]
    assert sent(empty, "slack", "dm") == ["cho"]
    assert empty.record.deadline is not None
    assert empty.record.deadline.due_at == empty.audit.at == later(600)
    following = at_due(empty.record)
    assert sent(following, "email", "call") == ["bo", "dee"]
    assert following.audit.at == later(600)
    assert following.record.deadline is not None
    assert following.record.deadline.due_at == later(1800)


def sent(change: Change, channel: str, kind: str) -> list[Any]:
    """Whom the messages of one kind are for; None for those that are for nobody in particular."""
    return [i.body.get("person") for i in change.intents if (i.channel, i.kind) == (channel, kind)]


@pytest.mark.parametrize("way", ["slack", "email", "pagerduty"])
def test_a_step_calls_by_the_ways_it_names_and_by_no_other(way: str):
    """INV-38: each person called gets a message of their own; a page is one for the action."""
    record = pending(
        verdict_=verdict(plan_=plan(ladder=(LadderStep(after_sec=9, to=("assignees",), via=(way,)),)))
    )
    change = at_due(record)
    both = ["ana", "bo"]
    assert sent(change, "slack", "dm") == (both if way == "slack" else [])
    assert sent(change, "email", "call") == (both if way == "email" else [])
    assert sent(change, "pagerduty", "trigger") == ([None] if way == "pagerduty" else [])
    (line,) = (i for i in change.intents if i.kind == "thread")
    assert line.body["mention"] == (both if way == "slack" else [])
    assert change.audit.detail["via"] == [way]


def paging(on_timeout: OnTimeout = OnTimeout.DENY, risk: Risk = Risk.HIGH) -> ActionRecord:
    ladder = (
        LadderStep(after_sec=600, to=("assignees",)),
        LadderStep(after_sec=1200, to=("oncall:primary",), via=("slack", "pagerduty")),
    )
    quorum = 2 if risk is Risk.CRITICAL else 1
    return pending(
        verdict_=verdict(risk=risk, plan_=plan(ladder=ladder, on_timeout=on_timeout, quorum=quorum))
    )


def test_a_page_is_resolved_by_whatever_ends_the_request():
    """INV-29: also by time, by the agent, by a no; and not where nobody was paged."""
    early = at_due(paging()).record
    late = at_due(early).record
    assert (early.paged, late.paged) == (False, True)
    person = {"person": "ana", "version": 1, "comment": "no", "directory": directory(), "now": later(1300)}
    for record, resolved in ((early, []), (late, [None])):
        ends = [
            approve(record, **person),
            reject(record, category="unsafe", **person),
            cancel(record, reason=None, now=later(1300)),
        ]
        for change in ends:
            assert isinstance(change, Change)
            assert change.record.status.terminal
            assert sent(change, "pagerduty", "resolve") == resolved
    assert sent(at_due(late), "pagerduty", "resolve") == [None]


def test_a_held_request_pages_by_its_ladders_ways_until_a_person_decides():
    """INV-29: everyone asked is told, and PagerDuty too where the ladder uses it."""
    changes = run_out(paging(OnTimeout.HOLD, Risk.CRITICAL), limit=5)
    assert kinds(changes)[2:] == ["approval.sla_breach", "approval.repaged", "approval.repaged"]
    for change in changes[2:]:
        assert sent(change, "pagerduty", "trigger") == [None]
        assert {"ana", "bo", "dee"} <= set(sent(change, "slack", "dm"))
    quiet = run_out(timing(OnTimeout.HOLD, Risk.CRITICAL), limit=5)
    assert all(sent(change, "pagerduty", "trigger") == [] for change in quiet)


def test_the_agent_hears_what_its_request_waits_through_where_it_named_an_address():
    record = timing(OnTimeout.HOLD, Risk.CRITICAL)
    heard = replace(record, proposal=replace(record.proposal, callback_url="https://hooks.example.com/x"))

    def told(change: Change) -> list[Any]:
        return [i.body["event"] for i in change.intents if i.channel == "webhook"]

    assert [told(change) for change in run_out(heard, limit=4)] == [
        ["approval.escalated"],
        ["approval.escalated"],
        ["approval.sla_breach"],
        [],
    ]
    assert not any(told(change) for change in run_out(record, limit=4))
    handed = reassign(
        heard, person="ana", to=("dee",), reason="knows it", directory=directory(), now=later(1)
    )
    assert isinstance(handed, Change)
    assert told(handed) == ["approval.reassigned"]


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
