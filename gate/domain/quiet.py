"""Quiet hours: when somebody is not to be disturbed, and which requests can wait until they are over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from gate.domain.eligibility import risk_of
from gate.domain.oncall import on_call
from gate.domain.people import Directory, QuietHours
from gate.domain.request import ActionRecord
from gate.domain.risk import Risk
from gate.domain.transitions import Intent
from gate.domain.verdict import ApprovalPlan

ROOM = timedelta(hours=1)
"""What has to be left to decide once quiet hours are over, or the request does not wait for their end."""

_MINUTE = timedelta(minutes=1)
_CALLS = frozenset({("slack", "dm"), ("email", "call")})
_ASKS = frozenset({"asked", "also", "escalated"})


def quiet_until(hours: QuietHours | None, now: datetime) -> datetime | None:
    """The next instant at which the clock on the wall is outside quiet hours; None where it is already.

    The wall decides, so quiet hours that would end in an hour which daylight saving leaves out end when the clock
    jumps over it, and an hour that comes twice is as quiet the second time.
    """
    return None if hours is None else _end(hours, now.astimezone(UTC).replace(second=0, microsecond=0))


def waits_for(record: ActionRecord, person_id: str, directory: Directory, now: datetime) -> datetime | None:
    """Until when this person is left in peace about a request, None where they are not: outside their quiet hours,
    at high or critical risk, past the deadline that decides, or where less than an hour would be left before it."""
    person = directory.people.get(person_id)
    until = quiet_until(person.quiet, now) if person is not None else None
    if until is None or risk_of(record) > Risk.MEDIUM or record.breached or record.held:
        return None
    if record.sla_at is None or record.sla_at - until < ROOM:
        return None
    return until


def can_be_held(intent: Intent) -> bool:
    """Whether it is an ask or a reminder to one person, which quiet hours may keep back; nothing else is."""
    body = intent.body
    calls = (intent.channel, intent.kind) in _CALLS and body.get("why") in _ASKS
    return calls and isinstance(body.get("person"), str)


def held_until(intent: Intent, record: ActionRecord, directory: Directory, now: datetime) -> datetime | None:
    """Until when a message about `record` (as the transition left it) is kept back; None where it goes at once.

    Only asks and reminders to one person are; who is called because they are on call is called.
    """
    if not can_be_held(intent):
        return None
    person = str(intent.body["person"])
    if intent.body["why"] == "escalated" and _on_duty(person, record, directory, now):
        return None
    return waits_for(record, person, directory, now)


def _on_duty(person: str, record: ActionRecord, directory: Directory, now: datetime) -> bool:
    """Whether the ladder step that fired last calls this person because a rota has them."""
    plan = record.plan or ApprovalPlan()
    fired = plan.ladder[: record.escalation_step]
    names = [t.removeprefix("oncall:") for t in fired[-1].to if t.startswith("oncall:")] if fired else []
    rotas = [directory.rotas[name] for name in names if name in directory.rotas]
    return any(on_call(rota, now).person == person for rota in rotas)


def _quiet(hours: QuietHours, at: datetime) -> bool:
    """Hours that wrap midnight belong to the day they begin on."""
    local = at.astimezone(ZoneInfo(hours.tz))
    minute, day = local.hour * 60 + local.minute, local.weekday()
    if hours.start < hours.end:
        return day in hours.days and hours.start <= minute < hours.end
    return (day in hours.days and minute >= hours.start) or (
        (day - 1) % 7 in hours.days and minute < hours.end
    )


@lru_cache(maxsize=4_096)  # people share their hours, and a minute has many questions
def _end(hours: QuietHours, minute: datetime) -> datetime | None:
    end = minute
    while _quiet(hours, end):
        end += _MINUTE
    return end if end > minute else None
