"""Waits that end by what happens on another replica: at once while it is heard, by looking while it is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import psycopg
import pytest

from gate.store.radio import CHANNEL, PostgresRadio
from gate.usecases.ports import AGENTS, DEADLINES, OUTBOX, RECORD
from gate.workers.shared_wakeups import Pace, SharedWakeups

QUICK = Pace(beat_sec=0.05, silent_sec=5.0, fallback_sec=0.05, again_sec=0.02)


class Said(PostgresRadio):
    """A radio that keeps what was said on it."""

    def __init__(self, url: str, **channel: str) -> None:
        super().__init__(url, **channel)
        self.texts: list[str] = []
        self.failed = 0
        self._spoke = asyncio.Event()

    async def say(self, texts: Sequence[str]) -> None:
        try:
            await super().say(texts)
            self.texts += texts
        except Exception:
            self.failed += 1
            raise
        finally:
            self._spoke.set()

    async def until(self, look: Callable[[], bool]) -> None:
        """Looks after everything that was said, or could not be said, here."""
        async with asyncio.timeout(60):
            while not look():
                self._spoke.clear()
                await self._spoke.wait()


class Replica:
    """One process's wake-ups on the database."""

    def __init__(self, url: str, pace: Pace = QUICK, *, channel: str = CHANNEL, name: str = "") -> None:
        self.radio = Said(url, channel=channel)
        self._heard = asyncio.Condition()
        self.wakeups = SharedWakeups(self.radio, name=name, pace=pace, told=self._tell)

    def _tell(self, hears: bool) -> None:
        self._changed = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self._heard:
            self._heard.notify_all()

    async def hears(self, *, so: bool = True) -> None:
        async with asyncio.timeout(60), self._heard:
            await self._heard.wait_for(lambda: self.wakeups.hears is so)


@asynccontextmanager
async def running(*replicas: Replica) -> AsyncIterator[None]:
    for each in replicas:
        await each.wakeups.start()
    try:
        yield
    finally:
        for each in replicas:
            await each.wakeups.stop()


async def test_a_wait_on_one_replica_ends_by_what_the_other_commits(postgres_url: str):
    one, other = Replica(postgres_url), Replica(postgres_url)
    async with running(one, other):
        await one.hears()
        await other.hears()
        async with one.wakeups.subscription("act_1") as waiter, one.wakeups.subscription("act_2") as second:
            began = time.monotonic()
            other.wakeups.notify("act_1")
            assert await waiter.wait(60)
            assert time.monotonic() - began < 30
            other.wakeups.notify("act_2")
            assert await second.wait(60)


async def test_while_the_others_are_heard_a_wait_looks_at_nothing(postgres_url: str):
    """It sleeps past many of its fallbacks, and through news of other actions."""
    one, other = Replica(postgres_url), Replica(postgres_url)
    async with running(one, other):
        await one.hears()
        async with one.wakeups.subscription("act_1") as waiter:
            sleeping = asyncio.create_task(waiter.wait(60))
            beats = len(one.radio.texts)
            other.wakeups.notify("act_2")
            await one.radio.until(lambda: len(one.radio.texts) > beats + 10)
            assert not sleeping.done()
            sleeping.cancel()


async def test_only_what_somebody_elsewhere_may_wait_for_is_said(postgres_url: str):
    one = Replica(postgres_url, name="one")
    async with running(one):
        await one.hears()
        for topic in (DEADLINES, OUTBOX, RECORD, AGENTS):
            one.wakeups.notify(topic)
    said = {key for text in one.radio.texts for key in text.split()[1:]}
    assert said == {AGENTS, "-"}


async def test_what_gathers_is_said_together(postgres_url: str):
    """A burst of changes costs a few statements, not one each."""
    one = Replica(postgres_url)
    async with running(one):
        await one.hears()
        before = len(one.radio.texts)
        for n in range(1_000):
            one.wakeups.notify(f"act_{n:026d}")
        await one.radio.until(lambda: f"act_{999:026d}" in " ".join(one.radio.texts))
        assert len(one.radio.texts) - before < 20
        assert all(len(text) < 8_000 for text in one.radio.texts)


async def test_too_much_to_say_makes_everybody_look(postgres_url: str):
    one, other = Replica(postgres_url), Replica(postgres_url, Pace(beat_sec=0.05, most=10))
    async with running(one, other):
        await one.hears()
        async with one.wakeups.subscription("act_0") as waiter:
            for n in range(11):
                other.wakeups.notify(f"act_{n}")
            assert await waiter.wait(60)


async def _end_listeners(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE 'LISTEN%%' AND datname = current_database()"
        )


async def test_a_lost_connection_wakes_whoever_waits_and_is_made_again(postgres_url: str):
    """What was committed meanwhile was not heard, so everybody looks."""
    one = Replica(postgres_url)
    async with running(one):
        await one.hears()
        async with one.wakeups.subscription("act_1") as waiter:
            sleeping = asyncio.create_task(waiter.wait(60))
            await asyncio.sleep(0)
            await _end_listeners(postgres_url)
            assert await sleeping
            await one.hears()
            while await waiter.wait(0.01):
                pass  # the news of the connection's return
            one.wakeups.notify("act_1")
            assert await waiter.wait(60)


async def test_without_a_connection_every_wait_looks_each_second():
    """INV-53: nothing waits for news that cannot come, however long the database or its LISTEN is away."""
    deaf = SharedWakeups(PostgresRadio("postgresql://nobody@127.0.0.1:1/none"), pace=QUICK)
    await deaf.start()
    async with deaf.subscription("act_1") as waiter:
        assert not deaf.hears
        assert await waiter.wait(60)
        assert await waiter.wait(60)
    await deaf.stop()


async def test_a_process_that_does_not_hear_itself_is_deaf(postgres_url: str):
    """As behind a pool that hands LISTEN to a session of its own: the connection stands, and brings nothing."""

    class Elsewhere(PostgresRadio):
        async def say(self, texts: Sequence[str]) -> None:
            await other_channel.say(texts)

    other_channel = PostgresRadio(postgres_url, channel="somewhere_else")
    deaf = SharedWakeups(Elsewhere(postgres_url), pace=Pace(beat_sec=0.05, silent_sec=0.3, fallback_sec=0.05))
    await deaf.start()
    async with deaf.subscription("act_1") as waiter:
        assert await waiter.wait(60)
        assert not deaf.hears
    await deaf.stop()
    await other_channel.close()


@pytest.mark.parametrize("says_goodbye", [True, False], ids=["stops", "dies"])
async def test_a_process_that_fell_silent_makes_everybody_look_once(postgres_url: str, says_goodbye: bool):
    """INV-53: killed between its commit and its news, it leaves waits that nobody else would ever end."""
    pace = Pace(beat_sec=0.05, silent_sec=1.0)
    one, other = Replica(postgres_url, pace), Replica(postgres_url, pace, name="other")
    async with running(one):
        await one.hears()
        async with one.wakeups.subscription("act_1") as waiter:
            await other.wakeups.start()
            await other.hears()
            await one.radio.until(lambda: "other" in one.wakeups._others)
            while await waiter.wait(0.01):
                pass
            if says_goodbye:
                await other.wakeups.stop()
                await one.radio.until(lambda: "other" not in one.wakeups._others)
                beats = len(one.radio.texts)
                await one.radio.until(lambda: len(one.radio.texts) > beats + 2)
                assert not await waiter.wait(0.0)
            else:
                for task in other.wakeups._tasks:
                    task.cancel()
                assert await waiter.wait(60)
                await other.radio.close()


async def test_what_could_not_be_said_is_said_later(postgres_url: str):
    """The database restarts between a commit and its news."""
    one, other = Replica(postgres_url), Replica(postgres_url)
    async with running(one, other):
        await one.hears()
        await other.hears()
        async with one.wakeups.subscription("act_1") as waiter:
            lost = other.radio._saying
            other.radio._saying = PostgresRadio("postgresql://nobody@127.0.0.1:1/none")._saying
            await lost.close()
            other.wakeups.notify("act_1")
            await other.radio.until(lambda: other.radio.failed > 0)
            other.radio._saying = lost
            assert await waiter.wait(60)
