"""What is owed after a redemption: a report in time; where there is none the outcome is unknown, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gate.domain.action import Agent
from gate.domain.emergency import Emergency, Finding
from gate.domain.refusal import Refused
from gate.domain.release import collectable, minting, redeem
from gate.domain.reporting import LONGEST, SPARE, USUAL, report, report_within
from gate.domain.request import ActionRecord, DeadlineKind, Grant, Result, Status
from gate.domain.supervision import close_review
from gate.domain.timeouts import fire
from gate.domain.transitions import Change
from gate.domain.verdict import GrantTerms
from tests.fakes.records import NOW, REPAGE, directory, later, pending, verdict

EXECUTOR = Agent(id="agt_x", name="runner", team="ops", owner="own", scopes=frozenset({"execute"}))


def released(**changes: Any) -> ActionRecord:
    base = {"status": Status.APPROVED, "deadline": None, "decided_at": later(60), "decided_by": "ana"}
    return replace(pending(), **(base | changes))


def used(record: ActionRecord | None = None, *, at: float = 70) -> ActionRecord:
    record = record or released()
    made = minting(record, jti="grt_1", issuer="signoff", leaf=b"\x01" * 32, now=later(61))
    grant = Grant(
        jti="grt_1",
        action=record.id,
        version=1,
        payload_sha256=record.version.payload_sha256,
        audience=made.audience,
        issued_at=made.issued_at,
        expires_at=made.expires_at,
        token="t",
    )
    change = redeem(record, grant, executor=EXECUTOR, payload_sha256=grant.payload_sha256, now=later(at))
    assert isinstance(change, Change), change
    return change.record


def passes(record: ActionRecord, *, late: float = 0) -> Change:
    """Its armed deadline comes."""
    due = record.deadline
    assert due is not None
    at = due.due_at + timedelta(seconds=late)
    change = fire(record, seq=due.seq, now=at, directory=directory(), repage_sec=REPAGE)
    assert isinstance(change, Change), change
    return change


def told(record: ActionRecord, result: Result, at: float) -> Change | Refused:
    return report(
        record,
        reporter=EXECUTOR,
        result=result,
        detail=None,
        defect=False,
        incident=False,
        now=later(at),
    )


def in_emergency(**changes: Any) -> ActionRecord:
    emergency = Emergency(
        person="ana",
        reason="The site is down",
        at=later(60),
        until=later(660),
        supervisors=("cho",),
        review_due_at=later(7_200),
    )
    return released(emergency=replace(emergency, **changes))


@pytest.mark.parametrize(
    ("terms", "constraints", "within"),
    [
        pytest.param(GrantTerms(), {}, USUAL, id="nothing said"),
        pytest.param(
            GrantTerms(), {"max_runtime_sec": 30}, timedelta(seconds=30) + SPARE, id="a longest run"
        ),
        pytest.param(GrantTerms(), {"max_runtime_sec": 0.5}, timedelta(seconds=0.5) + SPARE, id="a fraction"),
        pytest.param(GrantTerms(), {"max_runtime_sec": "30"}, USUAL, id="no number"),
        pytest.param(GrantTerms(), {"max_runtime_sec": True}, USUAL, id="a truth value"),
        pytest.param(GrantTerms(), {"max_runtime_sec": 1e300}, LONGEST + SPARE, id="for ever"),
        pytest.param(
            GrantTerms(report_within_sec=90),
            {"max_runtime_sec": 30},
            timedelta(seconds=90),
            id="the rule's own",
        ),
    ],
)
def test_how_soon_a_report_is_due(terms: GrantTerms, constraints: dict[str, Any], within: timedelta):
    record = released(verdict=replace(verdict(), grant=terms, constraints=constraints))
    assert report_within(record) == within
    assert used(record).deadline is not None
    assert used(record).report_by == later(70) + within


def test_a_used_release_nobody_reports_on_becomes_unknown_once_and_the_owner_is_told():
    """INV-22, INV-25, INV-26: what died half-way is unknown by itself, and nothing is issued again."""
    record = used()
    due = record.deadline
    assert due is not None
    assert due.kind is DeadlineKind.REPORT
    early = fire(
        record,
        seq=due.seq,
        now=due.due_at - timedelta(microseconds=1),
        directory=directory(),
        repage_sec=REPAGE,
    )
    assert isinstance(early, Refused)
    change = passes(record, late=2)
    after = change.record
    assert after.outcome is not None
    assert (after.outcome.result, after.outcome.reporter) == (Result.UNKNOWN, "timer")
    assert (after.deadline, after.status) == (None, record.status)
    assert (change.audit.kind, change.audit.actor) == ("outcome.overdue", "timer")
    assert change.audit.detail["late_ms"] == 2_000
    messages = [(i.channel, i.kind, i.body.get("person") or i.body.get("event")) for i in change.intents]
    assert messages == [
        ("slack", "card", None),
        ("slack", "thread", "outcome.overdue"),
        ("slack", "dm", "own"),
    ]
    again = fire(after, seq=due.seq, now=later(9_999), directory=directory(), repage_sec=REPAGE)
    assert isinstance(again, Refused)
    refused = collectable(after, later(80))
    assert refused is not None
    assert refused.code == "grant_redeemed"


def test_a_report_in_time_disarms_the_deadline():
    """INV-22, INV-27"""
    record = used()
    change = told(record, Result.SUCCEEDED, 80)
    assert isinstance(change, Change)
    assert (change.record.deadline, change.record.report_by) == (None, None)
    assert "late_ms" not in change.audit.detail
    assert record.deadline is not None
    late = fire(
        change.record,
        seq=record.deadline.seq,
        now=later(99_999),
        directory=directory(),
        repage_sec=REPAGE,
    )
    assert isinstance(late, Refused)


def test_a_late_report_still_settles_it_and_says_how_late_it_was():
    """INV-22: what became unknown is known again, and the record shows that it came late."""
    unknown = passes(used()).record
    change = told(unknown, Result.SUCCEEDED, 70 + 3_600 + 5)
    assert isinstance(change, Change)
    assert change.record.outcome is not None
    assert change.record.outcome.result is Result.SUCCEEDED
    assert change.audit.detail["late_ms"] == 5_000
    assert (change.record.report_by, change.record.deadline) == (None, None)
    stands = told(change.record, Result.FAILED, 9_999)
    assert isinstance(stands, Refused)


def test_what_policy_let_through_alone_is_told_to_the_owner_too():
    """INV-22: there is no card to bring up to date, and somebody has to look all the same."""
    change = passes(used(released(plan=None)))
    assert [(i.kind, i.body["person"]) for i in change.intents] == [("dm", "own")]


def test_of_two_duties_the_first_is_armed_and_the_other_follows():
    """INV-17, INV-22, INV-24: the report is not forgotten over the review, nor the review over the report."""
    record = used(in_emergency())
    assert record.deadline is not None
    assert record.deadline.due_at == record.report_by
    first = passes(record)
    assert first.audit.kind == "outcome.overdue"
    unknown = first.record
    assert unknown.deadline is not None
    assert (unknown.deadline.kind, unknown.deadline.due_at) == (DeadlineKind.REVIEW, later(7_200))
    assert unknown.deadline.seq > record.deadline.seq

    soon = used(in_emergency(review_due_at=later(100)))
    assert soon.deadline is not None
    assert soon.deadline.kind is DeadlineKind.REVIEW
    called = passes(soon).record
    assert called.emergency is not None
    assert called.emergency.call_at == later(100 + REPAGE)
    assert called.deadline is not None
    assert called.deadline.due_at == min(later(100 + REPAGE), later(70) + USUAL)
    closed = close_review(
        called,
        person="cho",
        finding=Finding.JUSTIFIED,
        comment="Looked at",
        rules=None,
        directory=directory(),
        now=later(110),
    )
    assert isinstance(closed, Change)
    assert closed.record.deadline is not None
    assert (closed.record.deadline.kind, closed.record.deadline.due_at) == (
        DeadlineKind.REPORT,
        later(70) + USUAL,
    )


def test_the_number_of_a_report_s_deadline_is_beyond_every_earlier_one():
    """INV-25: a timer read before the decision does not fire after the redemption."""
    record = pending()
    assert record.deadline is not None
    after = used(
        replace(record, status=Status.APPROVED, deadline=None, decided_at=NOW, revision=record.revision + 1)
    )
    assert after.deadline is not None
    assert after.deadline.seq > record.deadline.seq
