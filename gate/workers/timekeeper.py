"""Keeps the gate's clock at the database's time, so that timers mean the same on every replica; it fires nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from gate.clock import SteadyClock
from gate.workers.ending import ended

log = structlog.get_logger(__name__)

EVERY_SEC = 10.0
PATIENCE_SEC = 1.0
"""A reading that took longer says too little about now, and is left."""


class Timekeeper:
    """Anchors a `SteadyClock` at readings of the database's clock, every ten seconds.

    A reading is older than its arrival, so the gate's clock is late by at most the round trip and never early
    (INV-31). Between readings, and while the database does not answer, time is what has elapsed.
    """

    def __init__(
        self, clock: SteadyClock, read: Callable[[], Awaitable[datetime]], *, every_sec: float = EVERY_SEC
    ) -> None:
        self._clock = clock
        self._read = read
        self._every_sec = every_sec
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the first reading, then go on. Raises whatever reading raises, or TimeoutError."""
        async with asyncio.timeout(10 * PATIENCE_SEC):
            self._clock.anchor(await self._read())
        self._task = asyncio.create_task(self._keep(), name="timekeeper")

    async def stop(self) -> None:
        """Read no more."""
        await ended(self._task)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._every_sec)
            try:
                async with asyncio.timeout(PATIENCE_SEC):
                    self._clock.anchor(await self._read())
            except Exception as error:
                log.info("timekeeper.no_reading", error=type(error).__name__)
