"""Rotations against a simple oracle, across daylight saving."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gate.domain.oncall import on_call
from gate.domain.people import Override, Rota, Rotation

WEEKLY = Rotation(people=("ana", "bo"), every_days=7, weekday=0, hour=9, minute=0, tz="Europe/Berlin")


@given(
    days=st.integers(0, 1500),
    minute=st.integers(0, 1439),
    every=st.integers(1, 14),
    size=st.integers(1, 4),
    tz=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_a_turn_is_found_by_walking_hand_offs_one_by_one(days, minute, every, size, tz):
    """INV-31: daylight saving shifts no hand-off."""
    people = tuple(f"p{i}" for i in range(size))
    rotation = Rotation(people=people, every_days=every, weekday=2, hour=2, minute=30, tz=tz)
    now = datetime(2024, 1, 4, tzinfo=UTC) + timedelta(days=days, minutes=minute)
    day, turn = date(2023, 12, 27), 0
    while True:
        following = day + timedelta(days=every)
        change = datetime.combine(following, time(2, 30), tzinfo=ZoneInfo(tz)).astimezone(UTC)
        if change > now:
            break
        day, turn = following, turn + 1
    duty = on_call(Rota(name="r", rotation=rotation), now)
    assert (duty.person, duty.until) == (people[turn % size], change)


def test_an_override_beats_the_rotation_while_it_lasts():
    start = datetime(2026, 12, 24, tzinfo=UTC)
    rota = Rota(
        name="r",
        rotation=WEEKLY,
        overrides=(Override(person="cho", start=start, end=start + timedelta(days=3)),),
    )
    assert on_call(rota, start).person == "cho"
    assert on_call(rota, start + timedelta(days=3)).person in ("ana", "bo")
    before = on_call(rota, start - timedelta(hours=1))
    assert before.person in ("ana", "bo")
    assert (before.until, before.next_person) == (start, "cho")


def test_a_rota_without_anybody_says_so():
    assert on_call(Rota(name="r"), datetime(2026, 1, 1, tzinfo=UTC)).person is None
