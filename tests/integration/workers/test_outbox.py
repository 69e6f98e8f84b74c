"""Messages leave in order, each delivered or visibly dead, and no trouble of one is a trouble of others."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gate.metrics import Metrics
from gate.usecases.ports import OUTBOX, Delivered, Delivery, Message, RetryLater, Undeliverable
from gate.workers.outbox import LONGEST_BACK_OFF_SEC, OutboxWorker, Terms, back_off_sec
from tests.fakes.world import World


class Channel:
    """Implements `ports.DeliveryChannel`: remembers what arrived and answers as it is told, by message id."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        self.answers: dict[str, list[Delivery | Exception]] = defaultdict(list)
        self.arrived = asyncio.Condition()
        self.hold: asyncio.Event | None = None
        self.under_way = self.most_under_way = 0

    async def deliver(self, message: Message) -> Delivery:
        async with self.arrived:
            self.seen.append(message)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            self.arrived.notify_all()
        try:
            if self.hold is not None:
                await self.hold.wait()
        finally:
            self.under_way -= 1
        answers = self.answers[message.id]
        answer = answers.pop(0) if answers else Delivered()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def until(self, enough: Callable[[list[Message]], bool]) -> None:
        async with asyncio.timeout(60), self.arrived:
            await self.arrived.wait_for(lambda: enough(self.seen))

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.seen]


@pytest.fixture
def channel() -> Channel:
    return Channel()


async def put(gate: World, *ids: str, action: str = "act_1", channel: str = "slack") -> None:
    now = gate.clock.now()
    async with gate.store.writing() as tx:
        for each in ids:
            await tx.outbox.add(
                Message(
                    id=each,
                    action_id=action,
                    channel=channel,
                    kind="card",
                    body={},
                    created_at=now,
                    due_at=now,
                )
            )
    gate.deps.wakeups.notify(OUTBOX)


async def rows(gate: World) -> dict[str, Message]:
    async with gate.store.reading() as tx:
        return {message.id: message for message in await tx.outbox.rows(dead_only=False, limit=100)}


@asynccontextmanager
async def working(
    gate: World, metrics: Metrics, channel: Channel, *, poll_sec: float = 3600, **terms: Any
) -> AsyncIterator[OutboxWorker]:
    worker = OutboxWorker(
        store=gate.store,
        clock=gate.clock,
        wakeups=gate.deps.wakeups,
        metrics=metrics,
        channels={"slack": Terms(channel=channel, **terms)},
        poll_sec=poll_sec,
        chance=random.Random(1),  # noqa: S311 - jitter
    )
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


async def settled(gate: World, done: Callable[[dict[str, Message]], bool]) -> dict[str, Message]:
    """The outbox once it looks as wanted; each look gives the worker a turn."""
    async with asyncio.timeout(60):
        found = await rows(gate)
        while not done(found):
            found = await rows(gate)
    return found


async def test_a_message_leaves_at_once_and_its_row_with_it(gate: World, metrics: Metrics, channel: Channel):
    """INV-34: `OUTBOX` wakes the worker; its poll of an hour would come far too late."""
    async with working(gate, metrics, channel):
        await put(gate, "msg_1")
        await channel.until(lambda seen: len(seen) == 1)
        await settled(gate, lambda found: not found)


async def test_messages_of_one_action_arrive_in_order_one_at_a_time(
    gate: World, metrics: Metrics, channel: Channel
):
    """INV-35."""
    await put(gate, "msg_3", "msg_1", "msg_2")
    async with working(gate, metrics, channel):
        await settled(gate, lambda found: not found)
    assert channel.ids == ["msg_1", "msg_2", "msg_3"]
    assert channel.most_under_way == 1


async def test_a_poison_message_holds_up_nobody_elses(gate: World, metrics: Metrics, channel: Channel):
    """INV-35: it delays what follows it in its own action, and nothing else, however it fails."""
    poison = ["msg_a1", "msg_b1", "msg_c1"]
    for each in poison:
        channel.answers[each] = [RuntimeError("poison"), TimeoutError(), RetryLater(error="no")] * 50
        await put(gate, each, each.replace("1", "2"), action=f"act_{each}")
    for number in range(20):
        await put(gate, f"msg_z{number:02}", action=f"act_{number}")
    async with working(gate, metrics, channel, at_once=2):
        found = await settled(gate, lambda found: len(found) == 6 and all(found[p].attempts for p in poison))
    assert set(found) == {*poison, "msg_a2", "msg_b2", "msg_c2"}
    assert not {"msg_a2", "msg_b2", "msg_c2"} & set(channel.ids)


async def test_what_can_never_arrive_is_a_dead_letter_and_out_of_the_way(
    gate: World, metrics: Metrics, channel: Channel
):
    """INV-34: visible, with its reason; the next message of the action goes out."""
    channel.answers["msg_1"] = [Undeliverable(error="channel_not_found")]
    async with working(gate, metrics, channel):
        await put(gate, "msg_1", "msg_2")
        found = await settled(gate, lambda found: set(found) == {"msg_1"} and found["msg_1"].dead)
    assert found["msg_1"].last_error == "channel_not_found"
    assert channel.ids == ["msg_1", "msg_2"]
    assert metrics.deliveries.labels(channel="slack", result="dead")._value.get() == 1


async def test_a_dead_letter_can_be_sent_again(gate: World, metrics: Metrics, channel: Channel):
    """INV-34."""
    channel.answers["msg_1"] = [Undeliverable(error="gone")]
    async with working(gate, metrics, channel):
        await put(gate, "msg_1")
        await settled(gate, lambda found: found["msg_1"].dead)
        async with gate.store.writing() as tx:
            assert await tx.outbox.revive("msg_1", now=gate.clock.now())
        gate.deps.wakeups.notify(OUTBOX)
        await settled(gate, lambda found: not found)
    assert channel.ids == ["msg_1", "msg_1"]


async def test_attempts_that_count_end_in_a_dead_letter(gate: World, metrics: Metrics, channel: Channel):
    channel.answers["msg_1"] = [RetryLater(error="no", after_sec=0)] * 10
    async with working(gate, metrics, channel, give_up_attempts=3):
        await put(gate, "msg_1")
        found = await settled(gate, lambda found: found["msg_1"].dead)
    assert len(channel.seen) == 3
    assert found["msg_1"].attempts == 3


async def test_an_outage_never_makes_dead_letters(gate: World, metrics: Metrics, channel: Channel):
    """What does not count leaves the attempts as they are, however often and however long."""
    channel.answers["msg_1"] = [RetryLater(error="down", after_sec=0, counts=False)] * 30
    async with working(gate, metrics, channel, give_up_attempts=3, give_up_sec=1):
        await put(gate, "msg_1")
        await settled(gate, lambda found: not found)
    assert len(channel.seen) == 31
    assert {message.attempts for message in channel.seen} == {0}


async def test_three_days_of_failures_end_in_a_dead_letter(gate: World, metrics: Metrics, channel: Channel):
    channel.answers["msg_1"] = [RetryLater(error="http_500")] * 5
    async with working(gate, metrics, channel, give_up_sec=3 * 86_400):
        await put(gate, "msg_1")
        await settled(gate, lambda found: found["msg_1"].attempts == 1)
        gate.clock.pass_(days=2, hours=23)
        gate.deps.wakeups.notify(OUTBOX)
        await settled(gate, lambda found: found["msg_1"].attempts == 2)
        assert not (await rows(gate))["msg_1"].dead
        gate.clock.pass_(hours=1)
        gate.deps.wakeups.notify(OUTBOX)
        found = await settled(gate, lambda found: found["msg_1"].dead)
    assert found["msg_1"].last_error == "http_500"


async def test_a_retry_waits_as_long_as_it_was_told(gate: World, metrics: Metrics, channel: Channel):
    channel.answers["msg_1"] = [RetryLater(error="ratelimited", after_sec=30)]
    async with working(gate, metrics, channel):
        await put(gate, "msg_1")
        found = await settled(gate, lambda found: found["msg_1"].last_error == "ratelimited")
        assert (found["msg_1"].due_at - gate.clock.now()).total_seconds() == 30
        gate.clock.pass_(seconds=29)
        gate.deps.wakeups.notify(OUTBOX)
        await put(gate, "msg_2", action="act_2")
        await channel.until(lambda seen: len(seen) == 2)
        assert channel.ids == ["msg_1", "msg_2"]
        gate.clock.pass_(seconds=1)
        gate.deps.wakeups.notify(OUTBOX)
        await settled(gate, lambda found: not found)


async def test_no_more_are_under_way_than_allowed(gate: World, metrics: Metrics, channel: Channel):
    channel.hold = asyncio.Event()
    for number in range(10):
        await put(gate, f"msg_{number}", action=f"act_{number}")
    async with working(gate, metrics, channel, at_once=3):
        await channel.until(lambda seen: len(seen) == 3)
        channel.hold.set()
        await settled(gate, lambda found: not found)
    assert channel.most_under_way == 3


async def test_stopping_waits_for_what_is_on_its_way(gate: World, metrics: Metrics, channel: Channel):
    channel.hold = asyncio.Event()
    async with working(gate, metrics, channel) as worker:
        await put(gate, "msg_1", "msg_2")
        await channel.until(lambda seen: len(seen) == 1)
        stopping = asyncio.create_task(worker.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        channel.hold.set()
        await stopping
    assert set(await rows(gate)) == {"msg_2"}
    assert channel.ids == ["msg_1"]


async def test_what_takes_too_long_at_the_stop_goes_out_again_later(
    gate: World, metrics: Metrics, channel: Channel
):
    """INV-34: its lease ends, and whoever runs then takes it, with the same id."""
    channel.hold = asyncio.Event()
    async with working(gate, metrics, channel, lease_sec=30) as worker:
        await put(gate, "msg_1")
        await channel.until(lambda seen: len(seen) == 1)
        await worker.stop(grace_sec=0.01)
    assert set(await rows(gate)) == {"msg_1"}
    channel.hold = None
    async with working(gate, metrics, channel):
        await put(gate, "msg_2", action="act_2")
        await settled(gate, lambda found: set(found) == {"msg_1"})
        gate.clock.pass_(seconds=30)
        gate.deps.wakeups.notify(OUTBOX)
        await settled(gate, lambda found: not found)
    assert channel.ids == ["msg_1", "msg_2", "msg_1"]


async def test_an_attempt_ends_before_its_lease(gate: World, metrics: Metrics, channel: Channel):
    """So that no other replica delivers the same message meanwhile."""
    channel.hold = asyncio.Event()
    async with working(gate, metrics, channel, lease_sec=0.05):
        await put(gate, "msg_1")
        found = await settled(gate, lambda found: found["msg_1"].attempts == 1)
    assert found["msg_1"].last_error == "timed_out"


async def test_two_workers_deliver_each_message_once(gate: World, metrics: Metrics, channel: Channel):
    """INV-35 over two replicas of the worker."""
    for number in range(30):
        await put(gate, f"msg_{number:02}a", f"msg_{number:02}b", action=f"act_{number}")
    async with working(gate, metrics, channel), working(gate, Metrics(), channel):
        await settled(gate, lambda found: not found)
    assert sorted(channel.ids) == sorted(set(channel.ids))
    for number in range(30):
        first, second = (channel.ids.index(f"msg_{number:02}{letter}") for letter in "ab")
        assert first < second


async def test_a_store_that_goes_away_is_waited_for(gate: World, metrics: Metrics, channel: Channel):
    await put(gate, "msg_1")
    await gate.store.close()
    async with working(gate, metrics, channel, poll_sec=0.02):
        assert channel.seen == []
        await gate.store.start()
        await channel.until(lambda seen: len(seen) == 1)
        await settled(gate, lambda found: not found)


async def test_the_gauges_tell_depth_and_dead(gate: World, metrics: Metrics, channel: Channel):
    channel.hold = asyncio.Event()
    await put(gate, "msg_1")
    await put(gate, "msg_2", action="act_2")
    async with gate.store.writing() as tx:
        await tx.outbox.bury("msg_2", error="gone")
    async with working(gate, metrics, channel):
        await channel.until(lambda seen: len(seen) == 1)
        async with asyncio.timeout(60):
            while metrics.outbox_dead._value.get() != 1:
                await rows(gate)  # gives the worker a turn
        assert metrics.outbox_waiting._value.get() == 1
        channel.hold.set()


@pytest.mark.parametrize(
    ("attempts", "least", "most"), [(0, 0.5, 1), (3, 4, 8), (9, 150, 300), (10_000, 150, 300)]
)
def test_back_off_doubles_to_a_cap_with_jitter(attempts: int, least: float, most: float):
    assert back_off_sec(attempts, 0) == least
    assert back_off_sec(attempts, 1) == most
    assert most <= LONGEST_BACK_OFF_SEC
