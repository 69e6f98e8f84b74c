"""Deadlines fire when they are due, once, whatever happened meanwhile; one that fails stops no other."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from gate.clock import SteadyClock
from gate.domain.refusal import Refused
from gate.domain.request import Choice, Status
from gate.metrics import Metrics
from gate.usecases import deadline
from gate.usecases.commands import Done, FireDeadline
from gate.usecases.ports import Deps
from gate.workers.ticker import Pace, Ticker
from gate.workers.wakeups import LocalWakeups
from tests.fakes.world import PEOPLE, POLICY, World


class Recorder:
    """Fires for real, and remembers whom; fails for the ids it is told to."""

    def __init__(self) -> None:
        self.fired: list[str] = []
        self.refused: list[str] = []
        self.failing: set[str] = set()
        self.pulse = asyncio.Event()

    async def __call__(self, deps: Deps, cmd: FireDeadline) -> Done | Refused:
        if cmd.action_id in self.failing:
            self.pulse.set()
            raise RuntimeError("a row that nobody can read")
        result = await deadline.fire(deps, cmd)
        (self.fired if isinstance(result, Done) else self.refused).append(cmd.action_id)
        self.pulse.set()
        return result


@pytest.fixture
def fire() -> Recorder:
    return Recorder()


@pytest.fixture
def ticker(gate: World, metrics: Metrics, fire: Recorder) -> Ticker:
    return Ticker(gate.deps, metrics, fire=fire, together=None)


async def test_nothing_fires_early(gate: World, ticker: Ticker, fire: Recorder):
    """INV-31: the last microsecond before the due time is before it."""
    record = (await gate.propose()).record
    assert record.deadline is not None
    gate.clock.at = record.deadline.due_at - timedelta(microseconds=1)
    assert await ticker.tick() == 0
    gate.clock.at = record.deadline.due_at
    assert await ticker.tick() == 1
    assert fire.fired == [record.id]


async def test_everything_that_passed_while_down_fires_once_on_return(
    gate: World, ticker: Ticker, fire: Recorder
):
    """INV-25: after a day away each request goes through its steps and ends, and a second look does nothing."""
    records = [(await gate.propose(payload={"amount": 1000 + n, "order": str(n)})).record for n in range(5)]
    gate.clock.pass_(days=1)
    await ticker.tick()
    for record in records:
        assert (await gate.load(record.id)).status is Status.EXPIRED
        story = await gate.story(record.id)
        assert story.count("approval.expired") == 1
        assert story.count("approval.escalated") <= 1
    before = list(fire.fired)
    assert await ticker.tick() == 0
    assert fire.fired == before


async def test_two_tickers_on_return_act_once(gate: World, metrics: Metrics):
    """INV-25, INV-28: two replicas that find the same overdue deadlines leave one result."""
    records = [(await gate.propose(payload={"amount": 1000 + n, "order": str(n)})).record for n in range(4)]
    gate.clock.pass_(days=1)
    await asyncio.gather(Ticker(gate.deps, metrics).tick(), Ticker(gate.deps, Metrics()).tick())
    for record in records:
        assert (await gate.story(record.id)).count("approval.expired") == 1


async def test_a_deadline_after_the_decision_does_nothing(gate: World, ticker: Ticker, fire: Recorder):
    """INV-27."""
    record = (await gate.propose()).record
    await gate.vote(record, "ana")
    gate.clock.pass_(days=1)
    assert await ticker.tick() == 0
    assert fire.fired == fire.refused == []
    assert (await gate.load(record.id)).status is Status.APPROVED


async def test_a_deadline_read_before_the_decision_is_refused_after_it(gate: World):
    """INV-27, INV-28: the guard is in the deciding transaction, not in the reading."""
    record = (await gate.propose()).record
    assert record.deadline is not None
    await gate.vote(record, "ana", Choice.REJECT, comment="no")
    gate.clock.pass_(days=1)
    result = await deadline.fire(gate.deps, FireDeadline(action_id=record.id, seq=record.deadline.seq))
    assert isinstance(result, Refused)
    assert (await gate.load(record.id)).status is Status.REJECTED


async def test_one_that_fails_stops_no_other_and_is_tried_again(
    gate: World, metrics: Metrics, fire: Recorder
):
    """Even where the failing ones are the earliest and fill a whole batch."""
    ticker = Ticker(gate.deps, metrics, fire=fire, together=None, pace=Pace(batch=2, at_once=2))
    records = [(await gate.propose(payload={"amount": 1000 + n, "order": str(n)})).record for n in range(6)]
    fire.failing = {record.id for record in records[:3]}
    gate.clock.pass_(days=1)
    await ticker.tick()
    after = [(await gate.load(record.id)).status for record in records]
    assert after == [Status.PENDING] * 3 + [Status.EXPIRED] * 3
    assert metrics.deadlines.labels(result="failed")._value.get() == 3
    assert await ticker.tick() == 0, "not before its time to try again"
    fire.failing.clear()
    gate.clock.pass_(seconds=1)
    await ticker.tick()
    assert {(await gate.load(record.id)).status for record in records} == {Status.EXPIRED}


async def test_trying_again_backs_off(gate: World, ticker: Ticker, fire: Recorder):
    record = (await gate.propose()).record
    fire.failing = {record.id}
    gate.clock.pass_(days=1)
    attempts = 0
    for _ in range(300):
        fire.pulse.clear()
        await ticker.tick()
        attempts += fire.pulse.is_set()
        gate.clock.pass_(seconds=1)
    assert attempts == 10  # at 0, 1, 3, 7, 15, 31, 63 and then every 60 seconds


async def test_a_deadline_that_does_its_work_and_stays_does_not_spin(gate: World, metrics: Metrics):
    """Whatever a faulty rule leaves behind, a tick ends."""
    calls: Counter[str] = Counter()
    record = (await gate.propose()).record

    async def leaves_it(deps: Deps, cmd: FireDeadline) -> Done | Refused:
        calls[cmd.action_id] += 1
        return Done(record=record)

    gate.clock.pass_(days=1)
    assert await Ticker(gate.deps, metrics, fire=leaves_it, together=None).tick() == 1
    assert calls == {record.id: 1}


async def test_lateness_is_counted(gate: World, ticker: Ticker, metrics: Metrics):
    """INV-26: how late each deadline was acted on is on record and in the metrics."""
    record = (await gate.propose()).record
    assert record.deadline is not None
    gate.clock.at = record.deadline.due_at + timedelta(seconds=40)
    await ticker.tick()
    assert metrics.deadline_lateness._sum.get() == pytest.approx(40)
    async with gate.store.reading() as tx:
        (event,) = [r for r in await tx.audit.of_action(record.id) if r.kind == "approval.escalated"]
    assert event.detail["late_ms"] == 40_000


# -- running, on real time -----------------------------------------------------------------------------


class RealTime:
    """Implements `ports.Clock`: starts where the test's clock stands and then runs."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._at = time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._at)


def running(gate: World, start: datetime) -> Deps:
    return Deps(
        store=gate.store,
        clock=RealTime(start),
        ids=gate.deps.ids,
        signer=gate.signer,
        rules=gate.source,
        wakeups=gate.deps.wakeups,
        limits=gate.deps.limits,
    )


async def test_a_running_ticker_fires_within_a_tenth_of_a_second(
    gate: World, metrics: Metrics, fire: Recorder
):
    """The next deadline's own time wakes it, not only its heartbeat."""
    record = (await gate.propose()).record
    assert record.deadline is not None
    deps = running(gate, record.deadline.due_at - timedelta(seconds=0.3))
    ticker = Ticker(deps, metrics, fire=fire, together=None, pace=Pace(heartbeat_sec=20))
    await ticker.start()
    try:
        async with asyncio.timeout(60):
            await fire.pulse.wait()
    finally:
        await ticker.stop()
    late = (deps.clock.now() - record.deadline.due_at).total_seconds()
    assert fire.fired == [record.id]
    assert 0 <= late < 1.0  # bound for a loaded machine; measured alone: some 10 ms


async def test_a_deadline_armed_meanwhile_is_noticed_at_once(gate: World, metrics: Metrics, fire: Recorder):
    """`DEADLINES` wakes the ticker; a heartbeat of an hour would come far too late."""
    gate.deps.wakeups.notify("nobody")
    ticker = Ticker(
        running(gate, gate.clock.now() + timedelta(minutes=10)),
        metrics,
        fire=fire,
        together=None,
        pace=Pace(heartbeat_sec=3600),
    )
    await ticker.start()
    try:
        record = (await gate.propose()).record  # by the gate's clock its first step is due just now
        async with asyncio.timeout(60):
            await fire.pulse.wait()
        assert fire.fired == [record.id]
    finally:
        await ticker.stop()


async def test_a_machine_clock_that_goes_back_does_not_stall_it(
    gate: World, metrics: Metrics, fire: Recorder, monkeypatch: pytest.MonkeyPatch
):
    """Threat 28: APScheduler reads the machine's clock, and would sleep for the hour that it went back."""
    from apscheduler.schedulers import base

    shift = timedelta()

    class Machine(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + shift

    monkeypatch.setattr(base, "datetime", Machine)
    record = (await gate.propose()).record
    assert record.deadline is not None
    ticker = Ticker(
        running(gate, record.deadline.due_at - timedelta(seconds=0.4)),
        metrics,
        fire=fire,
        together=None,
        pace=Pace(heartbeat_sec=0.2),
    )
    await ticker.start()
    try:
        await asyncio.to_thread(lambda: None)
        shift = timedelta(hours=-1)
        monkeypatch.setattr("gate.workers.ticker.datetime", Machine)
        async with asyncio.timeout(60):
            await fire.pulse.wait()
        assert fire.fired == [record.id]
    finally:
        await ticker.stop()


async def test_stopping_finishes_what_was_begun(gate: World, metrics: Metrics):
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(deps: Deps, cmd: FireDeadline) -> Done | Refused:
        begun.set()
        await may_end.wait()
        result = await deadline.fire(deps, cmd)
        ended.set()
        return result

    record = (await gate.propose()).record
    gate.clock.pass_(minutes=10)
    ticker = Ticker(gate.deps, metrics, fire=slow, together=None)
    await ticker.start()
    await begun.wait()
    stopping = asyncio.create_task(ticker.stop())
    await asyncio.sleep(0)
    may_end.set()
    await stopping
    assert ended.is_set()
    assert "approval.escalated" in await gate.story(record.id)


async def test_a_store_that_goes_away_is_waited_for(gate: World, metrics: Metrics, fire: Recorder):
    """INV-52: with the database back, deadlines act again without a restart."""
    record = (await gate.propose()).record
    gate.clock.pass_(days=1)
    ticker = Ticker(gate.deps, metrics, fire=fire, together=None, pace=Pace(heartbeat_sec=0.05))
    await gate.store.close()
    await ticker.start()
    try:
        assert fire.fired == []
        await gate.store.start()
        async with asyncio.timeout(60):
            while (await gate.load(record.id)).status is not Status.EXPIRED:
                fire.pulse.clear()
                await fire.pulse.wait()
    finally:
        await ticker.stop()


async def test_wakeups_between_subscribing_and_waiting_are_seen():
    wakeups = LocalWakeups()
    async with wakeups.subscription("act_1") as waiter:
        wakeups.notify("act_1")
        assert await waiter.wait(30)
        assert not await waiter.wait(0.01)
    assert wakeups.parked == 0


async def test_where_replicas_share_a_store_a_wait_ends_without_being_notified():
    wakeups = LocalWakeups(fallback_sec=0.01)
    async with wakeups.subscription("act_1") as waiter:
        assert await waiter.wait(30)
        assert not await waiter.wait(0.001)


def test_the_gates_clock_is_in_utc():
    assert SteadyClock().now().tzinfo is UTC


async def test_a_hole_in_a_ladder_is_an_alarm(gate: World, metrics: Metrics):
    """INV-30: counted and on record; the approvers are asked in place of the empty rota."""
    done = await gate.propose()
    gate.source.load(POLICY, PEOPLE.replace("rotation: {people: [bo]", "rotation: {people: [own]"))
    gate.clock.pass_(minutes=10)
    assert await Ticker(gate.deps, metrics).tick() == 1
    assert metrics.nobody_reached._value.get() == 1
    record = await gate.load(done.record.id)
    assert record.called == ("cho",)
    async with gate.store.reading() as tx:
        last = (await tx.audit.of_action(record.id))[-1]
        calls = [m.body["person"] for m in await tx.outbox.rows(dead_only=False, limit=50) if m.kind == "dm"]
    assert last.detail["nobody_reached"] is True
    assert calls[-1] == "cho"
