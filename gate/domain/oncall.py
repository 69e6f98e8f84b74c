"""Who is on call at an instant, from a rota alone; it asks no outside schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gate.domain.people import Rota, Rotation

_ORIGIN = date(2024, 1, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Duty:
    """Who has a rota (a person id, None where nobody does), until when, and who comes next."""

    person: str | None
    until: datetime | None
    next_person: str | None = None


def on_call(rota: Rota, now: datetime) -> Duty:
    """The duty in force at `now`; the last override that covers it beats the rotation."""
    regular = _turn(rota.rotation, now) if rota.rotation is not None else Duty(person=None, until=None)
    for override in reversed(rota.overrides):
        if override.start <= now < override.end:
            return Duty(person=override.person, until=override.end, next_person=regular.person)
    begins = [
        o for o in rota.overrides if now < o.start and (regular.until is None or o.start < regular.until)
    ]
    if begins:
        first = min(begins, key=lambda o: o.start)
        return Duty(person=regular.person, until=first.start, next_person=first.person)
    return regular


def _turn(rotation: Rotation, now: datetime) -> Duty:
    """The rotation's own turn. Turns begin at the local wall-clock hand-off, so daylight saving shifts no one."""
    zone = ZoneInfo(rotation.tz)
    anchor = _ORIGIN - timedelta(days=(_ORIGIN.weekday() - rotation.weekday) % 7)
    at = time(rotation.hour, rotation.minute)

    def begin(turn: int) -> datetime:
        day = anchor + timedelta(days=turn * rotation.every_days)
        return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)

    turn = (now.astimezone(zone).date() - anchor).days // rotation.every_days
    while begin(turn) > now:
        turn -= 1
    while begin(turn + 1) <= now:
        turn += 1
    people = rotation.people
    return Duty(
        person=people[turn % len(people)],
        until=begin(turn + 1),
        next_person=people[(turn + 1) % len(people)],
    )
