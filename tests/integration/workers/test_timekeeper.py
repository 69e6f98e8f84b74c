"""Replicas follow the database's clock, however wrong their own is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from gate.clock import SteadyClock
from gate.store.postgres import database_time
from gate.usecases.ports import StoreUnavailable
from gate.workers.timekeeper import Timekeeper

TRUE = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class Machine:
    """A machine whose clock is `ahead` of the true one."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead
        self.passed = 0.0

    def wall(self) -> datetime:
        return TRUE + self.ahead + timedelta(seconds=self.passed)

    def elapsed(self) -> float:
        return self.passed

    async def database(self) -> datetime:
        return TRUE + timedelta(seconds=self.passed)


@pytest.mark.parametrize("hours", [1, -1])
async def test_replicas_with_different_clocks_mean_the_same_time(hours: int):
    """INV-31: a replica that is an hour ahead fires nothing early, one behind nothing an hour late."""
    machine = Machine(timedelta(hours=hours))
    clock = SteadyClock(machine.wall, machine.elapsed)
    keeper = Timekeeper(clock, machine.database)
    await keeper.start()
    machine.passed = 42
    assert clock.now() == TRUE + timedelta(seconds=42)
    await keeper.stop()


async def test_while_the_database_is_away_time_goes_on():
    machine = Machine(timedelta())
    clock = SteadyClock(machine.wall, machine.elapsed)
    asked = asyncio.Event()
    away = False

    async def read() -> datetime:
        if away:
            asked.set()
            raise StoreUnavailable("gone")
        return await machine.database()

    keeper = Timekeeper(clock, read, every_sec=0.001)
    await keeper.start()
    away = True
    async with asyncio.timeout(60):
        await asked.wait()
    machine.passed = 5
    assert clock.now() == TRUE + timedelta(seconds=5)
    asked.clear()
    async with asyncio.timeout(60):
        await asked.wait()  # it goes on asking
    await keeper.stop()


async def test_postgresql_tells_its_time(postgres_url: str):
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        before = row[0]
        told = await database_time(postgres_url)
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
    assert before <= told <= row[0]


async def test_a_database_that_is_not_there_is_unavailable():
    with pytest.raises(StoreUnavailable):
        await database_time("postgresql://nobody@127.0.0.1:1/nothing")
