"""Wakes whoever waits in this process; what other replicas change is `shared_wakeups.py`'s."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FALLBACK_SEC = 1.0
"""How long a wait may miss what another replica committed."""


class LocalWakeups:
    """Implements `ports.Wakeups` for the waits of one event loop.

    `fallback_sec` None: whatever changes is said to `notify`, so only that wakes. Otherwise a wait also wakes,
    spuriously, after that long, and its caller looks at the store again. To be used from the loop's own thread.
    Costs nothing per parked waiter.
    """

    def __init__(self, *, fallback_sec: float | None = None) -> None:
        self._fallback_sec = fallback_sec
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @property
    def fallback_sec(self) -> float | None:
        """After how long a wait wakes by itself; None for never."""
        return self._fallback_sec

    def notify(self, action_id: str) -> None:
        """Wake every waiter of this key; without waiters nothing happens."""
        for event in self._waiting.get(action_id, ()):
            event.set()

    def notify_all(self) -> None:
        """Wake every waiter of every key."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    @asynccontextmanager
    async def subscription(self, action_id: str) -> AsyncIterator[LocalWaiter]:
        """A wait that sees every `notify` from here on."""
        event = asyncio.Event()
        self._waiting[action_id].add(event)
        try:
            yield LocalWaiter(event, self)
        finally:
            waiting = self._waiting[action_id]
            waiting.discard(event)
            if not waiting:
                del self._waiting[action_id]

    @property
    def parked(self) -> int:
        """How many waits there are now."""
        return sum(map(len, self._waiting.values()))


class LocalWaiter:
    """Implements `ports.Waiter`."""

    def __init__(self, event: asyncio.Event, wakeups: LocalWakeups) -> None:
        self._event = event
        self._wakeups = wakeups

    async def wait(self, timeout: float) -> bool:
        """True once notified (or, where others' changes are not heard, after the fallback), False after `timeout`
        seconds."""
        fallback_sec = self._wakeups.fallback_sec
        short = fallback_sec is not None and fallback_sec < timeout
        try:
            async with asyncio.timeout(fallback_sec if short else max(timeout, 0)):
                await self._event.wait()
        except TimeoutError:
            return short
        self._event.clear()
        return True
