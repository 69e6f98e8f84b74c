"""Ids: sortable by time, strictly growing in one process, never repeated."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from gate.ids import TimeSortedIds


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 2, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


def test_an_id_is_its_prefix_and_a_uuid7():
    clock = Clock()
    found = TimeSortedIds(clock).new("act")
    assert re.fullmatch(r"act_[0-9a-hjkmnp-tv-z]{26}", found)
    number = 0
    for letter in found.removeprefix("act_"):
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    assert number >> 80 == int(clock.at.timestamp() * 1000)
    assert (number >> 76) & 15 == 7
    assert (number >> 62) & 3 == 2


def test_ids_of_one_moment_grow_and_differ():
    ids = TimeSortedIds(Clock())
    made = [ids.new("msg") for _ in range(50_000)]
    assert made == sorted(set(made))


def test_ids_grow_when_the_clock_goes_back():
    clock = Clock()
    ids = TimeSortedIds(clock)
    first = ids.new("act")
    clock.at -= timedelta(hours=1)
    second = ids.new("act")
    clock.at += timedelta(hours=2)
    assert first < second < ids.new("act")


def test_two_processes_do_not_meet():
    one, other = TimeSortedIds(Clock()), TimeSortedIds(Clock())
    assert not {one.new("act") for _ in range(1000)} & {other.new("act") for _ in range(1000)}
