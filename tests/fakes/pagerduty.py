"""A stand-in for the Events API v2 of PagerDuty, over real HTTP: it checks events and keeps alerts as it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

ROUTING_KEY = "R0123456789ABCDEF0123456789ABCDE"
_LARGEST = 512 * 1024
_SEVERITIES = ("critical", "error", "warning", "info")


@dataclass
class PagerDuty:
    """`answers` are given instead of an honest one, the first first; `alerts` are open or resolved by dedup key."""

    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    alerts: dict[str, str] = field(default_factory=dict)
    answers: list[web.Response] = field(default_factory=list)
    requests: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def enqueue(self, request: web.Request) -> web.Response:
        self.requests += 1
        answer = self.answers.pop(0) if self.answers else await self._honest(request)
        self._changed.set()
        return answer

    async def _honest(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if len(raw) > _LARGEST:
            return _invalid(413, "event is too large")
        event = await request.json()
        if errors := list(_errors(event)):
            return _invalid(400, *errors)
        key = event["dedup_key"]
        self.events.append(event)
        if event["event_action"] == "trigger":
            self.alerts[key] = "triggered"
        elif key in self.alerts:
            self.alerts[key] = "resolved"
        return web.json_response(
            {"status": "success", "message": "Event processed", "dedup_key": key}, status=202
        )

    async def until(self, look: Callable[[PagerDuty], object], *, within: float = 60) -> None:
        """Returns once `look` is true, asked again after every request."""
        async with asyncio.timeout(within):
            while not look(self):
                self._changed.clear()
                await self._changed.wait()


def _errors(event: Any) -> list[str]:
    problems: list[str] = []
    if event.get("routing_key") != ROUTING_KEY:
        problems.append("'routing_key' is invalid")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        problems.append("'event_action' is invalid")
    if not 0 < len(event.get("dedup_key", "")) <= 255:
        problems.append("'dedup_key' is missing or too long")
    if event.get("event_action") == "trigger":
        payload = event.get("payload") or {}
        problems += [
            f"'payload.{name}' is missing or blank"
            for name in ("summary", "source", "severity")
            if not payload.get(name)
        ]
        if len(payload.get("summary", "")) > 1024:
            problems.append("'payload.summary' is too long")
        if payload.get("severity") not in _SEVERITIES:
            problems.append("'payload.severity' is invalid (must be one of the following: ...)")
        problems += ["'links' need an href" for link in event.get("links", ()) if "href" not in link]
    return problems


def _invalid(status: int, *errors: str) -> web.Response:
    return web.json_response(
        {"status": "invalid event", "message": "Event object is invalid", "errors": errors}, status=status
    )


@asynccontextmanager
async def pagerduty_running() -> AsyncIterator[PagerDuty]:
    made = PagerDuty()
    app = web.Application(client_max_size=2 * _LARGEST)
    app.router.add_post("/v2/enqueue", made.enqueue)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v2/enqueue"
    try:
        yield made
    finally:
        await runner.cleanup()
