"""Takes messages from the outbox to their channels, in order per action, until delivered or visibly dead."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from gate.metrics import Metrics
from gate.usecases.ports import (
    OUTBOX,
    Clock,
    Delivered,
    Delivery,
    DeliveryChannel,
    Message,
    Outbox,
    RetryLater,
    Store,
    StoreUnavailable,
    Undeliverable,
    Wakeups,
)
from gate.usecases.transact import together_or_alone

log = structlog.get_logger(__name__)

BACK_OFF_SEC = 1.0
LONGEST_BACK_OFF_SEC = 300.0
"""The cap: five minutes, less jitter."""
_MEASURE_SEC = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """How one channel is served.

    At most `at_once` messages are on their way. Each is claimed for `lease_sec` and given up on in time, so that
    no other replica takes it meanwhile. It becomes a dead letter `give_up_sec` after it was written, or after
    `give_up_attempts` attempts that count; None means never for that reason.
    """

    channel: DeliveryChannel
    at_once: int = 8
    lease_sec: int = 30
    give_up_sec: float | None = None
    give_up_attempts: int | None = None

    @property
    def patience_sec(self) -> float:
        """How long one attempt may take: short of the lease."""
        return self.lease_sec * 0.8


def back_off_sec(attempts: int, spread: float) -> float:
    """How long to wait after `attempts` failures: doubling from a second to five minutes, times 0.5 to 1.

    `spread` is the jitter, from 0 to 1, so that what failed together does not return together.
    """
    full = min(BACK_OFF_SEC * 2 ** min(max(attempts, 0), 30), LONGEST_BACK_OFF_SEC)
    return full * (0.5 + 0.5 * spread)


class OutboxWorker:
    """One line per channel: claim what is due, deliver side by side, record what came of it.

    Claims are heads of the line per action, so order holds per action and channel, and a message that cannot
    be delivered delays its own action only (INV-35). Every message ends delivered or dead (INV-34).
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        wakeups: Wakeups,
        metrics: Metrics,
        channels: Mapping[str, Terms],
        poll_sec: float = 1.0,
        chance: random.Random | None = None,
    ) -> None:
        self._store = store
        self._wakeups = wakeups
        self._metrics = metrics
        self._poll_sec = poll_sec
        chance = chance or random.Random()  # noqa: S311 - jitter
        self._lines = [
            _Line(name=name, terms=terms, store=store, clock=clock, metrics=metrics, chance=chance)
            for name, terms in channels.items()
        ]
        self._running: list[asyncio.Task[None]] = []
        self._helpers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Deliver until `stop`."""
        self._running = [asyncio.create_task(line.run(), name=f"outbox {line.name}") for line in self._lines]
        self._helpers = [
            asyncio.create_task(self._pass_on_news(), name="outbox news"),
            asyncio.create_task(self._measure(), name="outbox depth"),
        ]

    async def stop(self, *, grace_sec: float = 10.0) -> None:
        """Claim no more and wait for what is on its way; what takes longer than the grace is claimed again later,
        by whoever runs then, once its lease is over."""
        for line in self._lines:
            line.close()
        if self._running:
            await asyncio.wait(self._running, timeout=grace_sec)
        for task in (*self._running, *self._helpers):
            task.cancel()
        await asyncio.gather(*self._running, *self._helpers, return_exceptions=True)
        self._running, self._helpers = [], []

    async def _pass_on_news(self) -> None:
        async with self._wakeups.subscription(OUTBOX) as news:
            while True:
                await news.wait(self._poll_sec)
                for line in self._lines:
                    line.nudge()

    async def _measure(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):
                async with self._store.reading() as tx:
                    waiting, dead = await tx.outbox.depth()
                self._metrics.outbox_waiting.set(waiting)
                self._metrics.outbox_dead.set(dead)
            await asyncio.sleep(_MEASURE_SEC)


class _Line:
    """One channel and the deliveries it has under way."""

    def __init__(
        self, *, name: str, terms: Terms, store: Store, clock: Clock, metrics: Metrics, chance: random.Random
    ) -> None:
        self.name = name
        self._terms = terms
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._chance = chance
        self._under_way: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._closed = False

    def nudge(self) -> None:
        """There may be something to claim."""
        self._news.set()

    def close(self) -> None:
        """Claim nothing more; `run` returns when nothing is under way."""
        self._closed = True
        self._news.set()

    async def run(self) -> None:
        """Claim and deliver until closed. When cancelled, what is under way is cancelled too."""
        try:
            while not self._closed:
                self._news.clear()
                free = self._terms.at_once - len(self._under_way)
                claimed = await self._claim(free) if free > 0 else ()
                for message in claimed:
                    task = asyncio.create_task(self._carry(message), name=f"deliver {message.id}")
                    self._under_way.add(task)
                    task.add_done_callback(self._landed)
                if len(claimed) < free or free <= 0:
                    await self._news.wait()
            await asyncio.gather(*self._under_way)
        finally:
            for task in self._under_way:
                task.cancel()

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._news.set()  # room for another one, and the next message of the same action is at the head now

    async def _claim(self, room: int) -> tuple[Message, ...]:
        try:
            # Mostly there is nothing, and writers should not wait for a transaction that finds that out.
            if not await self._store.now.outbox.any_due(self.name, self._clock.now()):
                return ()
            async with self._store.writing() as tx:
                return await tx.outbox.claim(
                    self.name, self._clock.now(), lease_sec=self._terms.lease_sec, limit=room
                )
        except StoreUnavailable:
            log.warning("outbox.store_unavailable", channel=self.name)
        except Exception as error:
            log.error("outbox.claim_failed", channel=self.name, error=type(error).__name__)
        return ()

    async def _carry(self, message: Message) -> None:
        """Deliver one message and record the result. Where the record fails, the lease runs out and the message
        goes out again: adapters are written so that a duplicate is harmless."""
        try:
            async with asyncio.timeout(self._terms.patience_sec):
                result: Delivery = await self._terms.channel.deliver(message)
        except TimeoutError:
            result = RetryLater(error="timed_out")
        except Exception as error:
            log.error("outbox.crashed", channel=self.name, message=message.id, error=type(error).__name__)
            result = RetryLater(error=f"crashed: {type(error).__name__}")
        try:
            await self._record(message, result)
        except Exception as error:
            log.error(
                "outbox.record_failed", channel=self.name, message=message.id, error=type(error).__name__
            )

    async def _record(self, message: Message, result: Delivery) -> None:
        now = self._clock.now()
        seen = {"channel": self.name, "message": message.id, "action": message.action_id}
        match result:
            case Delivered():
                await self._put_down(lambda kept: kept.delivered(message.id, lease=message.leased_until))
                self._count("delivered")
                late = max((now - message.begins).total_seconds(), 0.0)
                self._metrics.delivery_lateness.labels(channel=self.name).observe(late)
            case RetryLater() if not self._gives_up(message, result):
                wait = result.after_sec
                if wait is None:
                    wait = back_off_sec(message.attempts, self._chance.random())
                again = now + timedelta(seconds=wait)
                await self._put_down(
                    lambda kept: kept.retry(
                        message.id,
                        at=again,
                        error=result.error,
                        counts=result.counts,
                        lease=message.leased_until,
                    )
                )
                self._count("retried")
                log.info("outbox.retry", **seen, attempts=message.attempts, after_sec=round(wait, 1))
                asyncio.get_running_loop().call_later(wait, self.nudge)
            case RetryLater(error=error) | Undeliverable(error=error):
                async with self._store.writing() as tx:
                    await tx.outbox.bury(message.id, error=error, lease=message.leased_until)
                self._count("dead")
                log.error("outbox.dead_letter", **seen, attempts=message.attempts, error=error)

    async def _put_down(self, what: Callable[[Outbox], Awaitable[None]]) -> None:
        """Store a result."""
        await together_or_alone(self._store, f"outbox {self.name}", lambda tx: what(tx.outbox))

    def _gives_up(self, message: Message, result: RetryLater) -> bool:
        if not result.counts:
            return False
        attempts, age = self._terms.give_up_attempts, self._terms.give_up_sec
        if attempts is not None and message.attempts + 1 >= attempts:
            return True
        return age is not None and (self._clock.now() - message.begins).total_seconds() >= age

    def _count(self, result: str) -> None:
        self._metrics.deliveries.labels(channel=self.name, result=result).inc()
