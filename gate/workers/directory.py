"""Keeps groups and rotas that live elsewhere up to date; how old they may be, and who counts, is the domain's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from gate.domain.people import Directory
from gate.metrics import Metrics
from gate.usecases.filling import Known, filled, sources
from gate.usecases.ports import (
    Clock,
    Listing,
    ListSource,
    ListUnavailable,
    Rules,
    RulesSource,
    Store,
    StoreUnavailable,
)
from gate.workers.ending import ended

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """In seconds: each list is read every `every_sec`, sooner or later by the share `jitter`; after a failure again
    after `retry_sec`, doubling up to `longest_retry_sec`; and whether one is due is looked at every `look_sec`."""

    every_sec: float = 240.0
    jitter: float = 0.15
    retry_sec: float = 10.0
    longest_retry_sec: float = 120.0
    look_sec: float = 2.0


class LiveRules:
    """Implements `ports.RulesSource`: the rules in force with the lists read last, judged by their age now."""

    def __init__(self, inner: RulesSource, *, store: Store, clock: Clock) -> None:
        self._inner = inner
        self._store = store
        self._clock = clock
        self._known = Known()
        self._filled: tuple[Directory, Known, Directory] | None = None

    @property
    def known(self) -> Known:
        """What other systems said, as of the last `load`."""
        return self._known

    @property
    def current(self) -> Rules:
        """Without lists kept elsewhere these are the inner rules themselves."""
        rules = self._inner.current
        if not sources(rules.directory):
            return rules
        kept = self._filled
        if kept is None or kept[0] is not rules.directory or kept[1] is not self._known:
            kept = self._filled = (rules.directory, self._known, filled(rules.directory, self._known))
        return Rules(policy=rules.policy, directory=replace(kept[2], as_of=self._clock.now()))

    async def load(self) -> None:
        """Take what the store has. Raises StoreUnavailable."""
        async with self._store.reading() as tx:
            known = Known(listings=await tx.listings.all(), pins=await tx.pins.all())
        if known != self._known:
            self._known = known


@dataclass(slots=True)
class _Turn:
    """When a list is read next, and what came of the last attempt."""

    due_at: datetime
    wait_sec: float
    problem: str | None = None


class DirectoryKeeper:
    """Reads each list when it is due and stores it; `by_kind` holds who reads `usergroup` and `schedule` lists."""

    def __init__(
        self,
        rules: LiveRules,
        *,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        by_kind: Mapping[str, ListSource],
        pace: Pace | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._rules = rules
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._by_kind = by_kind
        self._pace = pace or Pace()
        self._chance = chance
        self._turns: dict[str, _Turn] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        """Which lists could not be read the last time; None where all could."""
        found = [f"{source}: {turn.problem}" for source, turn in sorted(self._turns.items()) if turn.problem]
        return "; ".join(found) or None

    async def start(self) -> None:
        """Take what the store has, and keep it up to date until `stop`. Raises StoreUnavailable."""
        await self._rules.load()
        self._task = asyncio.create_task(self._keep(), name="directory keeper")

    async def stop(self) -> None:
        """Read no more."""
        await ended(self._task)

    async def look(self) -> int:
        """Read every list that is due, whatever became of the others; how many were read.

        Raises StoreUnavailable where nothing can be kept.
        """
        wanted = sources(self._rules.current.directory)
        read_at = {listing.source: listing.read_at for listing in self._rules.known.listings}
        self._turns = {s: self._turns.get(s) or self._first(read_at.get(s)) for s in wanted}
        now = self._clock.now()
        due = [source for source, turn in self._turns.items() if turn.due_at <= now]
        read = sum([await self._read(source) for source in due])
        if wanted:
            await self._rules.load()  # also what other replicas read, and people pinned meanwhile
        return read

    def _first(self, read_at: datetime | None) -> _Turn:
        due_at = self._clock.now() if read_at is None else self._later(read_at)
        return _Turn(due_at=due_at, wait_sec=self._pace.retry_sec)

    def _later(self, since: datetime) -> datetime:
        spread = 1 + self._pace.jitter * (2 * self._chance() - 1)
        return since + timedelta(seconds=self._pace.every_sec * spread)

    async def _read(self, source: str) -> bool:
        kind, _, list_id = source.partition(":")
        turn, now = self._turns[source], self._clock.now()
        reader = self._by_kind.get(kind)
        try:
            if reader is None:
                raise ListUnavailable("nothing is set up to read it")
            listed = await reader.read(list_id)
        except Exception as error:
            known = isinstance(error, ListUnavailable)
            problem = str(error) if known else type(error).__name__
            self._failed(turn, problem, error.after_sec if isinstance(error, ListUnavailable) else None)
            self._metrics.directory_reads.labels(kind=kind, result="failed").inc()
            log.warning("directory.not_read", list=source, problem=problem)
            return False
        # The age counts from before the question, so that a slow answer makes it older, never younger.
        async with self._store.writing() as tx:
            await tx.listings.put(Listing(source=source, read_at=now, listed=listed))
        turn.due_at, turn.wait_sec, turn.problem = self._later(now), self._pace.retry_sec, None
        self._metrics.directory_reads.labels(kind=kind, result="read").inc()
        log.debug("directory.read", list=source, entries=len(listed.users) + len(listed.turns))
        return True

    def _failed(self, turn: _Turn, problem: str, after_sec: float | None) -> None:
        wait = max(turn.wait_sec, after_sec or 0.0)
        turn.due_at = self._clock.now() + timedelta(seconds=wait)
        turn.wait_sec = min(turn.wait_sec * 2, self._pace.longest_retry_sec)
        turn.problem = problem

    async def _keep(self) -> None:
        while True:
            try:
                await self.look()
            except StoreUnavailable:
                log.warning("directory.store_unavailable")
            except Exception as error:
                log.error("directory.failed", error=type(error).__name__)
            await asyncio.sleep(self._pace.look_sec)
