"""Acts on deadlines that have come, through the same use-case as everyone; what a deadline does is decided there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.job import Job
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from gate.domain.refusal import Refused
from gate.metrics import Metrics
from gate.usecases import deadline
from gate.usecases.commands import Done, FireDeadline
from gate.usecases.ports import DEADLINES, Deps, Due, StoreUnavailable
from gate.workers.ending import ended

log = structlog.get_logger(__name__)

Fire = Callable[[Deps, FireDeadline], Awaitable[Done | Refused]]
Together = Callable[[Deps, Sequence[FireDeadline]], Awaitable[dict[str, Done | Refused]]]

_Key = tuple[str, int]
"""An armed deadline: its action and its number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How the ticker works, in seconds and counts.

    It looks at least every `heartbeat_sec`, and within `shortest_sec` of the next deadline's time
    (`troubled_sec` while there are deadlines that cannot be acted on). Up to `batch` are acted on in one
    transaction; where one of them cannot be, each for itself, `at_once` side by side. An action that cannot be
    acted on is tried again after `retry_sec`, doubling up to `longest_retry_sec`.
    """

    heartbeat_sec: float = 1.0
    shortest_sec: float = 0.005
    troubled_sec: float = 0.1
    at_once: int = 8
    batch: int = 250
    retry_sec: float = 1.0
    longest_retry_sec: float = 60.0


@dataclass(slots=True)
class _Trouble:
    """A deadline that could not be acted on, and when to try it again."""

    seq: int
    again_at: datetime
    wait_sec: float


def _key(due: Due) -> _Key:
    return due.action_id, due.seq


def _command(due: Due) -> FireDeadline:
    return FireDeadline(action_id=due.action_id, seq=due.seq)


class Ticker:
    """Fires deadlines when they are due, each once, the late ones on return.

    Deadlines live in the store and are judged by the gate's clock; APScheduler only decides when to look,
    with one job that never overlaps itself and coalesces what it missed. Looking costs one indexed read, so
    the work is in proportion to what is due.
    """

    def __init__(
        self,
        deps: Deps,
        metrics: Metrics,
        *,
        pace: Pace | None = None,
        fire: Fire = deadline.fire,
        together: Together | None = deadline.fire_together,
    ) -> None:
        self._deps = deps
        self._metrics = metrics
        self._pace = pace or Pace()
        self._fire = fire
        self._together = together
        self._troubles: dict[str, _Trouble] = {}
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._job: Job | None = None
        self._watch: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self._looked_at = 0.0
        self._store_was_gone = False

    async def start(self) -> None:
        """Look at once, and go on looking until `stop`."""
        self._looked_at = asyncio.get_running_loop().time()
        self._scheduler.start()
        self._job = self._scheduler.add_job(
            self._look,
            IntervalTrigger(seconds=self._pace.heartbeat_sec, timezone=UTC),  # pyright: ignore[reportArgumentType] - fractions work
            next_run_time=datetime.now(UTC),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
        self._watch = asyncio.create_task(self._watch_for_changes(), name="ticker watch")

    async def stop(self) -> None:
        """Finish what was begun and look no more."""
        await ended(self._watch)
        if self._scheduler.running:
            if self._job is not None:
                self._job.remove()
            async with self._looking:
                self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # APScheduler shuts down in the loop's next turn
        self._job = None

    async def tick(self) -> int:
        """Act on everything that is due now, the earliest first; how many deadlines did their work.

        One that fails is left for later and stops no other (its neighbours are read past it).
        Raises StoreUnavailable where the store cannot be read.
        """
        done: set[_Key] = set()
        elsewhere: set[_Key] = set()  # in the hands of another replica, or of somebody who decides just now
        while due := await self._due(self._deps.clock.now(), but=elsewhere):
            for each in due:
                if _key(each) in done:  # it did its work and is still there: never spin on it
                    self._postpone(each)
            fresh = [each for each in due if _key(each) not in done]
            done |= await self._fire_batch(fresh, elsewhere)
        if elsewhere:
            left = await self._due(self._deps.clock.now())
            done |= await self._fire_each([each for each in left if _key(each) in elsewhere])
        return len(done)

    async def _due(self, now: datetime, but: AbstractSet[_Key] = frozenset()) -> list[Due]:
        limit = self._pace.batch + len(self._troubles) + len(but)
        async with self._deps.store.reading() as tx:
            found = await tx.deadlines.due(now, limit=limit)
        known = {each.action_id: each.seq for each in found}
        if len(found) < limit:  # whatever is not due any more is no trouble any more
            self._troubles = {a: t for a, t in self._troubles.items() if known.get(a) == t.seq}
        fresh = [each for each in found if _key(each) not in but and not self._is_waiting(each, now)]
        return fresh[: self._pace.batch]

    def _is_waiting(self, due: Due, now: datetime) -> bool:
        trouble = self._troubles.get(due.action_id)
        return trouble is not None and trouble.seq == due.seq and trouble.again_at > now

    async def _fire_batch(self, batch: Sequence[Due], elsewhere: set[_Key]) -> set[_Key]:
        """Those that did their work: in one transaction, or one by one where anything is wrong with one of them."""
        if self._together is None or len(batch) < 2:
            return await self._fire_each(batch)
        try:
            results = await self._together(self._deps, [_command(each) for each in batch])
        except Exception as error:
            log.info("deadline.one_by_one", count=len(batch), error=type(error).__name__)
            return await self._fire_each(batch)
        elsewhere |= {_key(each) for each in batch if each.action_id not in results}
        told = [each for each in batch if each.action_id in results]
        return {_key(each) for each in told if self._note(each, results[each.action_id])}

    async def _fire_each(self, batch: Sequence[Due]) -> set[_Key]:
        room = asyncio.Semaphore(self._pace.at_once)
        worked = await asyncio.gather(*(self._fire_one(each, room) for each in batch))
        return {_key(each) for each, ok in zip(batch, worked, strict=True) if ok}

    async def _fire_one(self, due: Due, room: asyncio.Semaphore) -> bool:
        async with room:
            try:
                result = await self._fire(self._deps, _command(due))
            except Exception as error:
                self._postpone(due)
                self._metrics.deadlines.labels(result="failed").inc()
                log.error("deadline.failed", action=due.action_id, seq=due.seq, error=type(error).__name__)
                return False
        return self._note(due, result)

    def _note(self, due: Due, result: Done | Refused) -> bool:
        """Count and log what a deadline did; whether it did its work."""
        if isinstance(result, Refused):
            # Normally somebody else was quicker and the row is gone; should it come up again, it waits.
            self._postpone(due)
            self._metrics.deadlines.labels(result="refused").inc()
            log.info("deadline.refused", action=due.action_id, seq=due.seq, code=result.code)
            return False
        self._troubles.pop(due.action_id, None)
        late = max((self._deps.clock.now() - due.due_at).total_seconds(), 0.0)
        self._metrics.deadlines.labels(result="done").inc()
        self._metrics.deadline_lateness.observe(late)
        if result.unreached:
            for missed in result.unreached:
                self._metrics.ladder_misses.labels(why=missed.rpartition(" ")[2]).inc()
            log.error("ladder.unreached", action=due.action_id, targets=list(result.unreached))
        if result.nobody_reached:
            self._metrics.nobody_reached.inc()
            log.error("ladder.nobody_reached", action=due.action_id, step=result.record.escalation_step)
        log.info("deadline.fired", action=due.action_id, seq=due.seq, late_sec=round(late, 3))
        return True

    def _postpone(self, due: Due) -> None:
        before = self._troubles.get(due.action_id)
        wait = self._pace.retry_sec
        if before is not None and before.seq == due.seq:
            wait = min(before.wait_sec * 2, self._pace.longest_retry_sec)
        again_at = self._deps.clock.now() + timedelta(seconds=wait)
        self._troubles[due.action_id] = _Trouble(due.seq, again_at, wait)

    async def _look(self) -> None:
        """The job: act on what is due, then aim at the next deadline."""
        async with self._looking:
            try:
                await self.tick()
                await self._aim()
            except StoreUnavailable:
                if not self._store_was_gone:
                    log.warning("ticker.store_unavailable")
                self._store_was_gone = True
            except Exception as error:
                log.error("ticker.failed", error=type(error).__name__)
            else:
                if self._store_was_gone:
                    log.info("ticker.store_returned")
                self._store_was_gone = False
            self._looked_at = asyncio.get_running_loop().time()

    async def _aim(self) -> None:
        """Move the job's next run to the next deadline's time where that comes before the heartbeat.

        A deadline in trouble keeps its past time; aiming at it would spin, so looks are then a little apart.
        """
        next_at = await self._deps.store.now.deadlines.next_at()
        if next_at is None or self._job is None:
            return
        left = (next_at - self._deps.clock.now()).total_seconds()
        if left < self._pace.heartbeat_sec:
            self._run_in(max(left, self._pace.troubled_sec if self._troubles else self._pace.shortest_sec))

    def _run_in(self, seconds: float) -> None:
        if self._job is not None and self._scheduler.running:
            # The scheduler reads the machine's clock, not the gate's; only the distance is meant.
            self._job.modify(next_run_time=datetime.now(UTC) + timedelta(seconds=seconds))

    async def _watch_for_changes(self) -> None:
        """Aim anew when deadlines change; and look at all when the scheduler has not, for example because the
        machine's clock went back an hour and its next run seems an hour away."""
        loop = asyncio.get_running_loop()
        async with self._deps.wakeups.subscription(DEADLINES) as changes:
            while True:
                await changes.wait(self._pace.heartbeat_sec)
                overdue = loop.time() - self._looked_at > 2 * self._pace.heartbeat_sec
                if overdue and not self._looking.locked():
                    self._run_in(0)
                    continue
                try:
                    async with self._looking:
                        await self._aim()
                except StoreUnavailable:
                    continue  # the next look says so
                except Exception as error:
                    log.error("ticker.failed", error=type(error).__name__)
