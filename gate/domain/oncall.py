"""Who is on call at an instant, from a rota alone; it asks no outside schedule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from gate.domain.people import Rota, Rotation

_ORIGIN = date(2024, 1, 1)

SCHEDULE_TRUSTED = timedelta(hours=4)
"""How old an outside schedule, as read last, may be; its shifts are known days ahead, so it ages slowly."""


class Trouble(Enum):
    """Why nobody could be taken from a rota's outside schedule."""

    NEVER_READ = "never_read"
    """It has not been read since it was named in people.yaml."""
    OUTDATED = "outdated"
    """It was read too long ago."""
    EMPTY = "empty"
    """It has nobody on duty now."""
    UNKNOWN_PERSON = "unknown_person"
    """It names somebody whom people.yaml does not have, or who is not active there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Duty:
    """Who has a rota (a person id, None where nobody does), until when, and who comes next.

    `trouble` says why the outside schedule of a rota could not be followed; somebody may have the duty all the
    same, by an override or by the rotation that stands in.
    """

    person: str | None
    until: datetime | None
    next_person: str | None = None
    trouble: Trouble | None = None


def on_call(rota: Rota, now: datetime) -> Duty:
    """The duty in force at `now`: the last override that covers it, else the outside schedule while that is of
    use, else the rotation."""
    if rota.schedule is None:
        return _with_overrides(rota, _local(rota, now), now)
    regular = _scheduled(rota, now)
    if regular.person is None:
        regular = replace(_local(rota, now), trouble=regular.trouble)
    return _with_overrides(rota, regular, now)


def everyone_of(rota: Rota) -> tuple[str, ...]:
    """Whoever may have the rota some day, as far as is known, each once."""
    people = [o.person for o in rota.overrides]
    people += [s.person for s in rota.shifts if s.person is not None]
    people += rota.rotation.people if rota.rotation is not None else ()
    return tuple(dict.fromkeys(people))


def _local(rota: Rota, now: datetime) -> Duty:
    return _turn(rota.rotation, now) if rota.rotation is not None else Duty(person=None, until=None)


def _scheduled(rota: Rota, now: datetime) -> Duty:
    """What the schedule says, where it was read lately and names somebody known."""
    if rota.read_at is None:
        return Duty(person=None, until=None, trouble=Trouble.NEVER_READ)
    if now - rota.read_at > SCHEDULE_TRUSTED:
        return Duty(person=None, until=None, trouble=Trouble.OUTDATED)
    here = [shift for shift in rota.shifts if shift.covers(now)]
    known = next((shift for shift in here if shift.person is not None), None)
    if known is None:
        return Duty(person=None, until=None, trouble=Trouble.UNKNOWN_PERSON if here else Trouble.EMPTY)
    after = [s for s in rota.shifts if s.start is not None and s.start > now and s.person != known.person]
    upcoming = min(after, key=lambda s: s.start or now, default=None)
    return Duty(person=known.person, until=known.end, next_person=upcoming.person if upcoming else None)


def _with_overrides(rota: Rota, regular: Duty, now: datetime) -> Duty:
    for override in reversed(rota.overrides):
        if override.start <= now < override.end:
            return replace(regular, person=override.person, until=override.end, next_person=regular.person)
    begins = [
        o for o in rota.overrides if now < o.start and (regular.until is None or o.start < regular.until)
    ]
    if begins:
        first = min(begins, key=lambda o: o.start)
        return replace(regular, until=first.start, next_person=first.person)
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
