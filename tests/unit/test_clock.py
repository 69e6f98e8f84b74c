"""The process's clock: unmoved by steps of the machine's, never going back (threat 28)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from gate.clock import SteadyClock

START = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)


class Machine:
    """A wall clock that can be set, and the time that really passes."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.offset = timedelta()

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.passed) + self.offset

    def elapsed(self) -> float:
        return 1000 + self.passed


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> SteadyClock:
    return SteadyClock(machine.wall, machine.elapsed)


def test_time_passes(machine: Machine, clock: SteadyClock):
    machine.passed = 90
    assert clock.now() == START + timedelta(seconds=90)


@pytest.mark.parametrize("hours", [1, -1, 24 * 365, -24 * 365])
def test_a_step_of_the_wall_clock_moves_nothing(machine: Machine, clock: SteadyClock, hours: int):
    """INV-31: an hour that did not pass fires no deadline of that hour."""
    machine.offset = timedelta(hours=hours)
    machine.passed = 5
    assert clock.now() == START + timedelta(seconds=5)
    assert clock.stepped_sec == pytest.approx(hours * 3600)


def test_a_step_that_is_taken_back_is_forgotten(machine: Machine, clock: SteadyClock):
    machine.offset = timedelta(hours=1)
    clock.now()
    machine.offset = timedelta()
    clock.now()
    assert clock.stepped_sec == 0


def test_daylight_saving_is_none_of_its_business(machine: Machine, clock: SteadyClock):
    """INV-31: everything is in UTC; the hour that Europe skips passes like any other."""
    readings = []
    for minute in range(130):
        machine.passed = 60.0 * minute
        readings.append(clock.now())
    assert {b - a for a, b in itertools.pairwise(readings)} == {timedelta(minutes=1)}


def test_a_slewed_wall_clock_is_followed(machine: Machine, clock: SteadyClock):
    for _ in range(3600):
        machine.passed += 1
        machine.offset += timedelta(microseconds=500)
        clock.now()
    assert clock.now() == machine.wall()
    assert clock.stepped_sec == 0


def test_it_never_goes_back(machine: Machine, clock: SteadyClock):
    machine.offset = timedelta(milliseconds=900)
    before = clock.now()
    machine.offset = timedelta()
    assert clock.now() == before
    machine.passed = 2
    assert clock.now() == machine.wall()


def test_a_process_that_was_frozen_finds_the_time_that_passed(machine: Machine, clock: SteadyClock):
    machine.passed = 7200
    assert clock.now() == START + timedelta(hours=2)
    assert clock.stepped_sec == 0


def test_readings_of_the_database_rule_from_then_on(machine: Machine, clock: SteadyClock):
    """INV-31: a replica an hour ahead means the same time as its neighbours."""
    machine.offset = timedelta(hours=1)
    ahead = SteadyClock(machine.wall, machine.elapsed)
    ahead.anchor(START)
    machine.passed = 30
    assert ahead.now() == START + timedelta(seconds=30)
    assert ahead.stepped_sec == 0
