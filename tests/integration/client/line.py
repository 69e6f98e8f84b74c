"""A bad line to a gate: passes requests on, counts them, and loses, delays or refuses the answers it is told to."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import web

Weather = Literal["fine", "lost before", "lost after", "redirect"] | tuple[int, dict[str, str]]
"""What befalls one request: nothing; gone before or after the gate has acted; a redirect; this status and headers."""


@dataclass
class Line:
    """`weather` holds, by the end of a path, what befalls the next requests to it; after these it is fine."""

    url: str = ""
    weather: dict[str, deque[Weather]] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) of every request, in order."""
    keys: list[str] = field(default_factory=list)
    """Idempotency keys of proposals, in order."""

    def befalls(self, ending: str, *what: Weather) -> None:
        self.weather[ending] = deque(what)

    def count(self, ending: str) -> int:
        return sum(path.endswith(ending) for _, path in self.seen)

    def next_for(self, path: str) -> Weather:
        for ending, waiting in self.weather.items():
            if path.endswith(ending) and waiting:
                return waiting.popleft()
        return "fine"


@asynccontextmanager
async def line_to(gate: str) -> AsyncIterator[Line]:
    line = Line()

    async def pass_on(request: web.Request) -> web.StreamResponse:
        line.seen.append((request.method, request.path))
        if "Idempotency-Key" in request.headers:
            line.keys.append(request.headers["Idempotency-Key"])
        what = line.next_for(request.path)
        if what == "redirect":
            return web.Response(status=307, headers={"Location": f"{gate}{request.path}"})
        if isinstance(what, tuple):
            return web.Response(status=what[0], headers=what[1])
        if what == "lost before":
            return _cut(request)
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with http.request(
            request.method, gate + request.path, data=await request.read(), headers=headers
        ) as answer:
            body = await answer.read()
            if what == "lost after":
                return _cut(request)
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name not in ("Content-Length", "Date", "Server", "Connection")
            }
            return web.Response(status=answer.status, body=body, headers=kept)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    running = web.AppRunner(app, access_log=None)
    async with aiohttp.ClientSession() as http:
        await running.setup()
        await web.TCPSite(running, "127.0.0.1", 0).start()
        line.url = f"http://127.0.0.1:{running.addresses[0][1]}"
        try:
            yield line
        finally:
            await running.cleanup()


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
