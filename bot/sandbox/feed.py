"""Knows how changes reach whoever waits or watches, and how a watcher catches up; leaves what changed to
the state."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from bot.sandbox.records import Change
from bot.sandbox.state import WorkspaceState

Found = TypeVar("Found")


class ChangeFeed:
    """Numbered changes of this run; a position is "run-number"."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        self._run = uuid.uuid4().hex[:8]
        self._pulse = asyncio.Event()
        self._listeners: list[Callable[[Change | None], None]] = []
        state.listeners.append(self._on_change)

    def _on_change(self, change: Change) -> None:
        for put in tuple(self._listeners):
            put(change)
        self._pulse.set()
        self._pulse = asyncio.Event()

    @property
    def position(self) -> str:
        """Where a reader of the present state stands."""
        return f"{self._run}-{self._state.seq}"

    def position_of(self, change: Change) -> str:
        return f"{self._run}-{change.seq}"

    def since(self, position: str) -> tuple[list[Change], bool]:
        """Changes after a position of this run; True means too much was missed and state must be read."""
        run, _, number = position.partition("-")
        if run != self._run or not number.isdigit():
            return [], True
        missed = [change for change in self._state.changes if change.seq > int(number)]
        gap = bool(missed) and missed[0].seq != int(number) + 1
        return ([], True) if gap else (missed, False)

    @contextmanager
    def listening(self, put: Callable[[Change | None], None]) -> Iterator[None]:
        """Hear every change until the block ends; None means the sandbox is stopping."""
        self._listeners.append(put)
        try:
            yield
        finally:
            self._listeners.remove(put)

    def close(self) -> None:
        """Tell every listener that nothing more comes."""
        for put in tuple(self._listeners):
            put(None)

    async def wait_for(self, predicate: Callable[[], Found], timeout: float) -> Found:
        """The first truthy answer, asked again after every change. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                pulse = self._pulse
                if found := predicate():
                    return found
                await pulse.wait()
