"""Prepares for the months to come and begins each when it is there, so that the record stays in months."""

from __future__ import annotations

import asyncio

import structlog

from gate.domain.months import AHEAD, label, month_of
from gate.usecases.ports import Clock, Store, StoreUnavailable
from gate.workers.ending import ended

log = structlog.get_logger(__name__)

LOOK_SEC = 300.0
AGAIN_SEC = 5.0


class MonthKeeper:
    """Any number of replicas may do it; what one has done the others find done.

    Nothing depends on its being in time: until a month has begun, its records go to the one before.
    """

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self.problem: str | None = None
        """What is not as it should be with the months, as a sentence; None where all is well."""

    async def start(self) -> None:
        """Keep at it until `stop`."""
        self._task = asyncio.create_task(self._keep(), name="months")

    async def stop(self) -> None:
        """Look no more."""
        await ended(self._task)

    async def look(self) -> None:
        """Bring the months up to date. Raises StoreUnavailable."""
        month = month_of(self._clock.now())
        async with self._store.reading() as tx:
            missing = await tx.months.unprepared(range(month, month + AHEAD + 1))
            due = await tx.months.current() < month
            astray = await tx.months.astray()
        problem: str | None = None
        for each in missing:
            try:
                async with self._store.writing() as tx:
                    await tx.months.prepare(each)
            except StoreUnavailable:
                raise
            except Exception as error:  # such as an account that may not make tables
                problem = f"No partition could be made for {label(each)} ({type(error).__name__})."
                log.error("months.not_prepared", month=label(each), problem=str(error).partition("\n")[0])
                break
        if due:
            async with self._store.writing() as tx:
                begun = await tx.months.begin(month)
            if begun:
                log.info("months.begun", month=label(month))
        if astray:
            problem = problem or "Records are in the partition audit_rest: one for their month is missing."
        self.problem = problem and f"{problem} Decisions go on; nothing can be pruned by month there."

    async def _keep(self) -> None:
        while True:
            pause = LOOK_SEC
            try:
                await self.look()
            except StoreUnavailable:
                pause = AGAIN_SEC  # somebody was in the way, or the database is away
            except Exception:
                log.exception("months.failed")
                self.problem = "The months of the record are not kept: see the log."
            await asyncio.sleep(pause)
