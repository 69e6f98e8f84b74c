"""Knows what time it is and how to be called later, and leaves what happens then to whoever asked."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that will ring once unless it is cancelled first."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Seconds since the epoch, and timers measured in the same seconds."""

    def time(self) -> float: ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer: ...


class SystemClock:
    """The machine's clock and the running event loop's timers."""

    def time(self) -> float:
        return time.time()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(delay, callback)


class _ManualTimer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """A clock that stands still until `advance` moves it; due timers ring in order while it moves."""

    def __init__(self, start: float = 1_763_000_000.0) -> None:
        self._now = start
        self._timers: list[tuple[float, int, _ManualTimer]] = []
        self._order = itertools.count()
        self._armed = asyncio.Event()

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (self._now + delay, next(self._order), timer))
        self._armed.set()
        return timer

    def advance(self, seconds: float) -> None:
        """Move time on, ringing every timer that falls due on the way."""
        target = self._now + seconds
        while self._timers and self._timers[0][0] <= target:
            due, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            if timer.callback is not None:
                timer.callback()
        self._now = target

    async def wait_armed(self) -> None:
        """Until somebody waits for this clock."""
        while not self.armed:
            self._armed.clear()
            await self._armed.wait()

    @property
    def armed(self) -> int:
        """How many timers are waiting."""
        return sum(1 for _, _, timer in self._timers if timer.callback is not None)


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait by `clock`, so that a manual clock decides when the wait ends."""
    if seconds <= 0:
        return
    done = asyncio.Event()
    timer = clock.call_later(seconds, done.set)
    try:
        await done.wait()
    finally:
        timer.cancel()
