"""What is owed once a release is used: a report of what came of it, in time; and what happens where there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from gate.domain.action import Agent, Json
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Deadline, DeadlineKind, Outcome, Result
from gate.domain.transitions import CARD, Change, Intent, move, thread

USUAL = timedelta(hours=1)
"""Time for the report where neither the rule nor its constraints say anything."""
SPARE = timedelta(minutes=5)
"""Time for the report beyond the longest run the constraints allow."""
LONGEST = timedelta(days=30)
"""What a constraint can ask for at most: a promise that lasts for ever is none."""


def report_within(record: ActionRecord) -> timedelta:
    """How soon after the redemption the outcome has to be reported: as the rule's grant says, else `max_runtime_sec`
    and a little more, else an hour."""
    terms = record.verdict.grant
    if terms.report_within_sec is not None:
        return min(timedelta(seconds=terms.report_within_sec), LONGEST)
    longest = record.verdict.constraints.get("max_runtime_sec")
    if isinstance(longest, bool) or not isinstance(longest, int | float) or longest <= 0:
        return USUAL
    return timedelta(seconds=min(float(longest), LONGEST.total_seconds())) + SPARE


def next_duty(record: ActionRecord) -> Deadline | None:
    """The one deadline of a released action: the report, or the review of an emergency, whichever comes first; None
    where nothing is owed. Its number is beyond every earlier one, because each arming is a revision of its own."""
    report_at = record.report_by if record.unreported else None
    review_at = record.emergency.call_next_at if record.emergency is not None and record.in_review else None
    due = [at for at in (report_at, review_at) if at is not None]
    if not due:
        return None
    kind = DeadlineKind.REPORT if review_at is None else DeadlineKind.REVIEW
    return Deadline(kind=kind, due_at=min(due), seq=record.revision + 1)


def is_report(record: ActionRecord, deadline: Deadline) -> bool:
    """Whether it is the report that is due; where both are, it goes first."""
    return record.unreported and record.report_by is not None and record.report_by <= deadline.due_at


def unreported(record: ActionRecord, deadline: Deadline, *, now: datetime) -> Change | Refused:
    """Nobody said in time what came of it: the outcome is unknown, whoever owns the agent is told, and nothing is
    issued again. A report that comes later still settles it (INV-22)."""
    if not record.unreported:
        return Refused(code="not_pending", sentence="The outcome is known; the timer does nothing.")
    outcome = Outcome(
        result=Result.UNKNOWN,
        at=now,
        reporter="timer",
        detail="Nobody reported in time what came of it; look whether it was done.",
    )
    change = move(
        record,
        "outcome.overdue",
        actor="timer",
        now=now,
        detail={
            "deadline": deadline.kind.value,
            "seq": deadline.seq,
            "late_ms": int((now - deadline.due_at).total_seconds() * 1000),
            "result": outcome.result.value,
        },
        outcome=outcome,
        deadline=next_duty(replace(record, outcome=outcome)),
    )
    told = told_if_seen(record, "outcome.overdue", now)
    return replace(change, intents=(*told, _tell_owner(record)))


def report(
    record: ActionRecord,
    *,
    reporter: Agent,
    result: Result,
    detail: str | None,
    defect: bool,
    incident: bool,
    now: datetime,
) -> Change | Refused:
    """Note what came of it. The result stands once told, `unknown` excepted; defect and incident may follow. One that
    comes after its time settles it all the same, and the record says how late it was (INV-22)."""
    if not record.status.released:
        return Refused(
            code="not_approved", sentence=f"The action is {record.status.value}; it has no outcome."
        )
    if record.redeemed_jti is None:
        return Refused(
            code="not_approved", sentence="No grant was redeemed, so nothing can have been executed."
        )
    before = record.outcome
    if before is not None:
        adds = (defect and not before.defect) or (incident and not before.incident)
        settles = before.result is Result.UNKNOWN and result is not Result.UNKNOWN
        if not settles and (result is not before.result or not adds):
            return Refused(
                code="outcome_reported", sentence=f"The outcome is already known: {before.result.value}."
            )
    outcome = Outcome(
        result=result,
        at=now,
        reporter=reporter.id,
        detail=detail if detail is not None or before is None else before.detail,
        defect=defect or (before is not None and before.defect),
        incident=incident or (before is not None and before.incident),
    )
    noted: dict[str, Json] = {
        "result": result.value,
        "defect": outcome.defect,
        "incident": outcome.incident,
    }
    if record.report_by is not None and now > record.report_by:
        noted["late_ms"] = int((now - record.report_by).total_seconds() * 1000)
    left = record.report_by if result is Result.UNKNOWN else None
    change = move(
        record,
        "outcome.reported",
        actor=f"agent:{reporter.id}",
        now=now,
        detail=noted,
        outcome=outcome,
        report_by=left,
        deadline=next_duty(replace(record, outcome=outcome, report_by=left)),
    )
    intents = told_if_seen(record, "outcome.reported", now)
    if record.plan is not None and (result is not Result.SUCCEEDED or defect or incident):
        intents = (*intents, _tell_owner(record))
    return replace(change, intents=intents)


def _tell_owner(record: ActionRecord) -> Intent:
    return Intent(channel="slack", kind="dm", body={"person": record.agent.owner, "why": "outcome"})


def told_if_seen(
    record: ActionRecord, event: str, now: datetime, *, person: str | None = None
) -> tuple[Intent, ...]:
    """What the card and its thread show of it; only actions that people were asked about have a card."""
    if record.plan is None:
        return ()
    return CARD, thread(event, now, person)
