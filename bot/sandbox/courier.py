"""Knows when something is delivered to the app, again and again for events; leaves the way it travels
to sockets.py or requests.py and its content to payloads.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from bot.sandbox.clock import Clock, sleep
from bot.sandbox.faults import Faults
from bot.sandbox.outcome import Outcome
from bot.sandbox.records import Json

RETRY_AFTER = (0.0, 60.0, 300.0)  # seconds before Slack's three retries of an event

_RETRY_REASONS = {
    "": "",
    "timeout": "timeout",
    "http_error": "http_error",
    "no_connection": "connection_failed",
    "disconnected": "connection_failed",
}


class Carrier(Protocol):
    """A way to the app: Socket Mode or signed requests."""

    async def send(self, kind: str, payload: Json, *, accepts: bool, retry: int, why: str) -> Outcome: ...


class Courier:
    """Delivers interactions once and events until they are acknowledged or four attempts failed."""

    def __init__(
        self, *, carrier: Carrier, clock: Clock, faults: Faults, delivered: Callable[[Json], None]
    ) -> None:
        self._carrier = carrier
        self._clock = clock
        self._faults = faults
        self._delivered = delivered
        self._tasks: set[asyncio.Task[None]] = set()
        self._reachable = asyncio.Event()

    def reachable(self) -> None:
        """A connection appeared: events that wait for their retry go out now."""
        self._reachable.set()

    async def deliver(self, kind: str, payload: Json, *, accepts: bool = True) -> Outcome:
        """An interaction or command: one attempt."""
        return await self._attempt(kind, payload, accepts, 0, "")

    def event(self, body: Json) -> None:
        """An event_callback body, delivered in the background."""
        task = asyncio.get_running_loop().create_task(self._persist(body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _persist(self, body: Json) -> None:
        why = ""
        for retry in range(len(RETRY_AFTER) + 1):
            self._reachable.clear()
            outcome = await self._attempt("events_api", body, False, retry, why)
            if outcome.received or retry == len(RETRY_AFTER):
                return
            why = _RETRY_REASONS[outcome.reason]
            pause = RETRY_AFTER[retry]
            if outcome.reason in ("no_connection", "disconnected"):
                pause = max(
                    pause, RETRY_AFTER[1]
                )  # nobody there: at once is pointless, a connection wakes it
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        """Wait for the retry's time, or for a connection to appear."""
        waits = [
            asyncio.ensure_future(sleep(self._clock, seconds)),
            asyncio.ensure_future(self._reachable.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _attempt(self, kind: str, payload: Json, accepts: bool, retry: int, why: str) -> Outcome:
        if self._faults.down_mode:
            outcome = Outcome(received=False, reason="no_connection")
        else:
            await sleep(self._clock, self._faults.slow_seconds)
            outcome = await self._carrier.send(kind, payload, accepts=accepts, retry=retry, why=why)
        self._delivered(
            {
                "kind": kind,
                "type": payload.get("type") or payload.get("command", ""),
                "retry": retry,
                "received": outcome.received,
                "reason": outcome.reason,
            }
        )
        return outcome

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
