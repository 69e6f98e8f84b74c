"""Brings the newest checkpoint to each place outside the database, at that place's pace, until it is there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

import structlog

from gate.metrics import Metrics
from gate.usecases.ports import (
    CHECKPOINT,
    Clock,
    NotPublished,
    Place,
    SealedCheckpoint,
    Store,
    StoreUnavailable,
    Wakeups,
)
from gate.workers.ending import ended, stopped_within

log = structlog.get_logger(__name__)

LEASE_SEC = 60.0
"""How long a replica that was about a place is waited for; an attempt is given up before."""
PATIENCE_SEC = 45.0
FIRST_RETRY_SEC = 2.0
LONGEST_RETRY_SEC = 300.0


class Publisher:
    """One line per place. Only the newest checkpoint counts, for it covers all before; decisions never wait for this.

    How far a place got is kept in the database, so a restart goes on from there, and of several replicas one is about
    it at a time.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        wakeups: Wakeups,
        metrics: Metrics,
        places: Sequence[Place],
        look_sec: float = 30.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wakeups = wakeups
        self._metrics = metrics
        self._places = tuple(places)
        self._look_sec = look_sec
        self._failures = {place.name: 0 for place in places}
        self._problems: dict[str, str] = {}
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def problem(self) -> str | None:
        """What keeps checkpoints from where they belong, as a sentence; None where they are."""
        return "; ".join(self._problems.values()) or None

    async def start(self) -> None:
        """Publish until `stop`."""
        self._tasks = [
            asyncio.create_task(self._keep(place), name=f"publish to {place.name}") for place in self._places
        ]

    async def stop(self, *, grace_sec: float = 1.0) -> None:
        """What is on its way may arrive; the rest is published after the next start."""
        self._stop.set()
        await ended(*self._tasks, grace_sec=grace_sec)

    async def look(self, place: Place) -> float | None:
        """Publish what is new and due. Returns the seconds until it may be due again, None where there is no news.

        Raises StoreUnavailable.
        """
        async with self._store.reading() as tx:
            newest = await tx.tree.latest()
            last = await tx.publications.last(place.name)
        if newest is None or (last is not None and newest.size <= last.size):
            self._is_well(place)  # perhaps thanks to another replica
            return None
        now = self._clock.now()
        if last is not None:
            due = max(last.at + timedelta(seconds=place.every_sec), last.not_before or now)
            if due > now and last.at <= now:
                return min((due - now).total_seconds(), place.every_sec)
        async with self._store.writing() as tx:
            until = now + timedelta(seconds=LEASE_SEC)
            if not await tx.publications.claim(place.name, now=now, until=until):
                return FIRST_RETRY_SEC  # another replica is about it
        return await self._attempt(place, newest)

    async def _attempt(self, place: Place, newest: SealedCheckpoint) -> float | None:
        try:
            async with asyncio.timeout(PATIENCE_SEC):
                await place.publish(newest)
        except (NotPublished, StoreUnavailable, TimeoutError, OSError) as error:
            return await self._failed(place, str(error) if isinstance(error, NotPublished) else "no answer")
        async with self._store.writing() as tx:
            await tx.publications.done(place.name, size=newest.size, at=self._clock.now())
        self._is_well(place)
        log.debug("record.published", place=_kind(place), size=newest.size)
        self._metrics.published.labels(_kind(place), "done").inc()
        self._metrics.published_size.labels(_kind(place)).set(newest.size)
        return place.every_sec

    def _is_well(self, place: Place) -> None:
        self._failures[place.name] = 0
        if self._problems.pop(place.name, None) is not None:
            log.info("record.published_again", place=place.name)

    async def _failed(self, place: Place, why: str) -> float:
        self._metrics.published.labels(_kind(place), "failed").inc()
        self._failures[place.name] += 1
        pause = min(FIRST_RETRY_SEC * 2 ** min(self._failures[place.name] - 1, 30), LONGEST_RETRY_SEC)
        told = f"Checkpoints do not reach the {_kind(place)}: {why}"
        if self._problems.get(place.name) != told:
            log.error("record.not_published", place=place.name, why=why)
        self._problems[place.name] = told
        with contextlib.suppress(StoreUnavailable):
            async with self._store.writing() as tx:
                again = self._clock.now() + timedelta(seconds=pause)
                await tx.publications.postpone(place.name, until=again)
        return pause

    async def _keep(self, place: Place) -> None:
        async with self._wakeups.subscription(CHECKPOINT) as signed:
            while not self._stop.is_set():
                try:
                    left = await self.look(place)
                except StoreUnavailable:
                    left = FIRST_RETRY_SEC
                except Exception:
                    log.exception("record.publishing_failed", place=place.name)
                    self._problems[place.name] = f"Checkpoints do not reach the {_kind(place)}: see the log"
                    left = FIRST_RETRY_SEC
                if left is not None:
                    await stopped_within(self._stop, left)
                else:
                    await self._news(signed.wait(self._look_sec))

    async def _news(self, wait: Coroutine[Any, Any, bool]) -> None:
        news, stop = asyncio.create_task(wait), asyncio.create_task(self._stop.wait())
        await asyncio.wait({news, stop}, return_when=asyncio.FIRST_COMPLETED)
        await ended(news, stop)


def _kind(place: Place) -> str:
    return place.name.partition(":")[0]
