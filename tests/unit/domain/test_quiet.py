"""Quiet hours: when they are over, what can wait for that, and what never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.people import Directory, QuietHours
from gate.domain.quiet import held_until, quiet_until, waits_for
from gate.domain.request import ActionRecord
from gate.domain.risk import Risk
from gate.domain.timeouts import fire
from gate.domain.transitions import Change, Intent
from gate.domain.verdict import LadderStep, OnTimeout
from tests.fakes.records import directory, person, plan, submitted, verdict

BERLIN = "Europe/Berlin"
NIGHT = QuietHours(start=20 * 60, end=7 * 60 + 30, tz=BERLIN)
EVENING = datetime(2026, 11, 2, 21, 0, tzinfo=UTC)  # 22:00 in Berlin
MORNING = datetime(2026, 11, 3, 6, 30, tzinfo=UTC)
ASKED = Intent(channel="slack", kind="dm", body={"person": "ana", "why": "asked"})


def quiet_directory(hours: QuietHours = NIGHT) -> Directory:
    return directory(people={n: person(n, quiet=hours) for n in ("ana", "bo", "cho", "dee", "own")})


def waiting(
    *, risk: Risk = Risk.MEDIUM, sla_at: datetime = MORNING + timedelta(hours=4), **changes: object
) -> ActionRecord:
    record = submitted(verdict_=verdict(risk=risk)).record
    return replace(record, sla_at=sla_at, **changes)


@pytest.mark.parametrize(
    ("local", "until"),
    [
        ("2026-11-02T19:59:59", None),
        ("2026-11-02T20:00:00", "2026-11-03T07:30:00"),
        ("2026-11-03T00:00:00", "2026-11-03T07:30:00"),
        ("2026-11-03T07:29:59", "2026-11-03T07:30:00"),
        ("2026-11-03T07:30:00", None),
    ],
)
def test_quiet_hours_end_in_the_morning(local: str, until: str | None) -> None:
    zone = ZoneInfo(BERLIN)
    found = quiet_until(NIGHT, datetime.fromisoformat(local).replace(tzinfo=zone))
    assert (found and found.astimezone(zone).replace(tzinfo=None).isoformat()) == until


def test_hours_belong_to_the_day_they_begin_on() -> None:
    """Friday's night goes on into Saturday; Sunday's was never quiet."""
    weekdays = replace(NIGHT, days=frozenset(range(5)))
    assert quiet_until(weekdays, datetime(2026, 11, 7, 5, 0, tzinfo=UTC)) is not None
    assert quiet_until(weekdays, datetime(2026, 11, 8, 22, 0, tzinfo=UTC)) is None
    weekend = QuietHours(start=0, end=1440, tz="UTC", days=frozenset({5, 6}))
    assert quiet_until(weekend, datetime(2026, 11, 7, 5, 0, tzinfo=UTC)) == datetime(2026, 11, 9, tzinfo=UTC)


def on_the_wall(hours: QuietHours, at: datetime) -> bool:
    """The oracle: the clock's face as text, and the day's name."""
    local = at.astimezone(ZoneInfo(hours.tz))
    shows = f"{local:%H:%M}"
    begin, end = (f"{m // 60:02}:{m % 60:02}" for m in (hours.start, hours.end))
    today, yesterday = local.weekday() in hours.days, (local.weekday() - 1) % 7 in hours.days
    if begin < end:
        return today and begin <= shows < end
    return (today and shows >= begin) or (yesterday and shows < end)


@given(
    start=st.integers(0, 1_439),
    length=st.integers(1, 1_439),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    tz=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]),
    # around the days on which clocks change, half-hour ones too
    day=st.sampled_from(["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2026-10-03"]),
    minute=st.integers(0, 2 * 1_440),
)
def test_inv_31_quiet_hours_follow_the_clock_on_the_wall(
    start: int, length: int, days: frozenset[int], tz: str, day: str, minute: int
) -> None:
    """Daylight saving neither cuts them short nor draws them out: quiet until then, and no longer."""
    hours = QuietHours(start=start, end=(start + length) % 1_440, tz=tz, days=days)
    now = datetime.fromisoformat(f"{day}T00:00:17+00:00") + timedelta(minutes=minute)
    until = quiet_until(hours, now)
    assert on_the_wall(hours, now) is (until is not None)
    if until is not None:
        assert not on_the_wall(hours, until)
        assert on_the_wall(hours, until - timedelta(seconds=1))
        assert all(on_the_wall(hours, now + (until - now) * part / 9) for part in range(9))


def test_what_can_wait_is_held_until_they_are_over() -> None:
    assert waits_for(waiting(), "ana", quiet_directory(), EVENING) == MORNING
    assert waits_for(waiting(risk=Risk.LOW), "ana", quiet_directory(), EVENING) == MORNING
    assert held_until(ASKED, waiting(), quiet_directory(), EVENING) == MORNING
    mail = replace(ASKED, channel="email", kind="call")
    assert held_until(mail, waiting(), quiet_directory(), EVENING) == MORNING
    assert waits_for(waiting(), "ana", directory(), EVENING) is None
    assert waits_for(waiting(), "nobody", quiet_directory(), EVENING) is None


@pytest.mark.parametrize("risk", [Risk.HIGH, Risk.CRITICAL])
def test_high_and_critical_risk_never_wait(risk: Risk) -> None:
    assert held_until(ASKED, waiting(risk=risk), quiet_directory(), EVENING) is None


@pytest.mark.parametrize(
    ("room", "held"),
    [(timedelta(hours=1), True), (timedelta(minutes=59, seconds=59), False), (-timedelta(hours=3), False)],
)
def test_an_hour_must_be_left_to_decide(room: timedelta, held: bool) -> None:
    record = waiting(sla_at=MORNING + room)
    assert (held_until(ASKED, record, quiet_directory(), EVENING) is not None) is held


def test_breaches_holds_pages_and_everything_else_go_at_once() -> None:
    people = quiet_directory()
    assert held_until(ASKED, waiting(breached=True), people, EVENING) is None
    assert held_until(ASKED, waiting(held=True), people, EVENING) is None
    page = Intent(channel="pagerduty", kind="trigger", body={"seq": 1})
    others = [
        replace(ASKED, body={"person": "ana", "why": why}) for why in ("outcome", "break_glass", "review")
    ]
    thread = Intent(channel="slack", kind="thread", body={"event": "approval.escalated", "person": "ana"})
    assert all(held_until(each, waiting(), people, EVENING) is None for each in (page, thread, *others))


def night(**changes: object) -> tuple[Change, ActionRecord]:
    """A request of the evening whose only step comes by night."""
    steps = (LadderStep(after_sec=60, to=("assignees", "oncall:primary")),)
    made = submitted(verdict_=verdict(risk=Risk.MEDIUM, plan_=plan(ladder=steps, sla_sec=86_400, **changes)))
    record = made.record
    assert record.deadline is not None
    shifted = replace(record, created_at=EVENING, sla_at=EVENING + timedelta(days=1))
    return made, replace(shifted, deadline=replace(record.deadline, due_at=EVENING))


def fired(record: ActionRecord, people: Directory) -> Change:
    assert record.deadline is not None
    change = fire(record, seq=record.deadline.seq, now=EVENING, directory=people, repage_sec=600)
    assert isinstance(change, Change)
    return change


def test_reminders_wait_and_whoever_is_on_call_is_called() -> None:
    """INV-38"""
    _, record = night()
    people = quiet_directory()
    change = fired(record, people)
    calls = {
        i.body["person"]: held_until(i, change.record, people, EVENING)
        for i in change.intents
        if i.kind == "dm"
    }
    assert calls == {"ana": MORNING, "bo": MORNING, "dee": None}


def test_inv_24_no_deadline_moves_for_anybodys_quiet_hours() -> None:
    _, record = night()
    change, loud = fired(record, quiet_directory()), fired(record, directory())
    assert change.record.deadline == loud.record.deadline
    assert change.record == loud.record
    assert change.audit == loud.audit


def test_a_breach_that_holds_by_night_tells_everybody_at_once() -> None:
    _, record = night(on_timeout=OnTimeout.HOLD)
    people = quiet_directory()
    step = fired(record, people).record
    assert step.deadline is not None
    due = step.deadline.due_at
    breach = fire(step, seq=step.deadline.seq, now=max(due, EVENING), directory=people, repage_sec=600)
    assert isinstance(breach, Change)
    assert breach.record.held
    assert {held_until(i, breach.record, people, EVENING) for i in breach.intents if i.kind == "dm"} == {None}
