"""Requests that wait: how many there are, and that each ends when its client leaves or the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any, TypeVar

from aiohttp import web

_T = TypeVar("_T")


class Abandoned(Enum):
    """Says that a wait ended because nobody waits any more."""

    ABANDONED = "abandoned"


ABANDONED = Abandoned.ABANDONED


class Waits:
    """The waits of one application.

    aiohttp lets a handler run on after its client has gone, so every wait looks now and then whether anybody
    still listens. An abandoned wait changes nothing: whatever it waited for is stored, and is read again by
    whoever asks next (INV-46).
    """

    def __init__(self, *, limit: int, poll: float) -> None:
        self._limit = limit
        self._poll = poll
        self._open = 0
        self._closing = asyncio.Event()

    @property
    def open(self) -> int:
        """How many requests wait now."""
        return self._open

    def close(self) -> None:
        """End every wait now, for the server stops."""
        self._closing.set()

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Whether there is room for one more wait, which then counts until the block ends."""
        granted = self._open < self._limit and not self._closing.is_set()
        self._open += granted
        try:
            yield granted
        finally:
            self._open -= granted

    async def until(self, request: web.Request, work: Coroutine[Any, Any, _T]) -> _T | Abandoned:
        """What `work` returns; `ABANDONED` where the client left or the server stops before it does."""
        task = asyncio.create_task(work)
        closing = asyncio.create_task(self._closing.wait())
        try:
            while True:
                done, _ = await asyncio.wait(
                    {task, closing}, timeout=self._poll, return_when=asyncio.FIRST_COMPLETED
                )
                if task in done:
                    return task.result()
                if closing in done or gone(request):
                    return ABANDONED
        finally:
            for one in (task, closing):
                one.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await one


def gone(request: web.Request) -> bool:
    """Whether the client has closed the connection."""
    transport = request.transport
    return transport is None or transport.is_closing()
