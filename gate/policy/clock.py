"""Windows of the week in a time zone, `mon-fri 09:00-18:00`; what happens inside them is the rules' business."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gate.domain.action import Subject
from gate.domain.verdict import Effective
from gate.policy.conditions import Condition
from gate.policy.documents import did_you_mean
from gate.policy.facts import Outcome, Scratch
from gate.policy.grammar import TimeMatch

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def weekdays(items: list[str]) -> frozenset[int]:
    """`[mon-fri, sun]` as weekday numbers, Monday 0; a range may wrap. Raises `ValueError`."""
    found: set[int] = set()
    for item in items:
        first, dash, last = item.lower().replace(" ", "").partition("-")
        for day in (first, last) if dash else (first,):
            if day not in DAYS:
                raise ValueError(f"unknown day '{day}'{did_you_mean(day, DAYS)}; write mon, tue … or mon-fri")
        start = DAYS.index(first)
        length = (DAYS.index(last) - start) % 7 if dash else 0
        found.update((start + step) % 7 for step in range(length + 1))
    return frozenset(found)


def time_zone(name: str) -> ZoneInfo:
    """A zone of the IANA database. Raises `ValueError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ValueError(f"unknown time zone '{name}'; write one as in Europe/Berlin") from None


def minutes(text: str) -> int:
    """`09:30` as minutes of the day."""
    return int(text[:2]) * 60 + int(text[3:])


def time_window(given: TimeMatch) -> Condition:
    """Holds inside the window. Hours that wrap midnight belong to the day they begin on. Raises `ValueError`."""
    days = weekdays(given.days) if given.days is not None else frozenset(range(7))
    start, _, end = (given.hours or "00:00-24:00").partition("-")
    opens, closes = minutes(start), minutes(end)
    if opens == closes:
        raise ValueError("the hours begin and end at the same minute; leave hours out for the whole day")
    zone = time_zone(given.tz)
    said = " ".join(part for part in (",".join(given.days or []), given.hours or "", given.tz) if part)

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        local = now.astimezone(zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if opens < closes:
            return day in days and opens <= minute < closes
        return (day in days and minute >= opens) or ((day - 1) % 7 in days and minute < closes)

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        local = now.astimezone(zone)
        inside = "is inside" if test(e, s, now, x) else "is outside"
        return f"{DAYS[local.weekday()]} {local:%H:%M} {inside} {said}"

    return Condition(key="time", test=test, words=words)
