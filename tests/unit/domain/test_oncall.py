"""Rotations against a simple oracle, across daylight saving."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
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
    tz=st.sampled_from(
        [
            "Europe/Berlin",
            "America/New_York",
            "Australia/Lord_Howe",
            "America/Santiago",
            "Asia/Kathmandu",
            "UTC",
        ]
    ),
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


@pytest.mark.parametrize(
    ("tz", "change"),
    [
        pytest.param("Europe/Berlin", "2026-03-28T01:30", id="the day before spring forward"),
        pytest.param(
            "Europe/Berlin", "2026-03-29T01:30", id="02:30 does not exist: it is 03:30 by the clock"
        ),
        pytest.param("Europe/Berlin", "2026-03-30T00:30", id="the day after"),
        pytest.param("Europe/Berlin", "2026-10-25T00:30", id="02:30 comes twice: the first counts"),
        pytest.param("Europe/Berlin", "2026-10-26T01:30", id="the day after fall back"),
        pytest.param("America/New_York", "2026-03-08T07:30", id="New York springs forward"),
        pytest.param("America/New_York", "2026-11-01T07:30", id="New York falls back: 02:30 comes once"),
        pytest.param("America/New_York", "2027-01-01T07:30", id="the new year"),
        pytest.param("Europe/Berlin", "2028-02-29T01:30", id="the leap day"),
        pytest.param("Europe/Berlin", "2028-03-01T01:30", id="the day after it"),
        pytest.param("Australia/Lord_Howe", "2026-10-03T15:30", id="half an hour forward"),
        pytest.param("Australia/Lord_Howe", "2026-04-04T16:00", id="half an hour back"),
        pytest.param("Asia/Kathmandu", "2026-06-01T20:45", id="a quarter past the hour"),
    ],
)
def test_a_hand_off_comes_when_the_local_clock_says_so(tz: str, change: str):
    """INV-31: instants written down by hand for a hand-off at 02:30 every day, where calendars are odd."""
    rota = Rota(
        name="r",
        rotation=Rotation(people=("ana", "bo"), every_days=1, weekday=0, hour=2, minute=30, tz=tz),
    )
    at = datetime.fromisoformat(change).replace(tzinfo=UTC)
    before, after = on_call(rota, at - timedelta(microseconds=1)), on_call(rota, at)
    assert before.until == at
    assert {before.person, after.person} == {"ana", "bo"}


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
