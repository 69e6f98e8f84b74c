"""Puts a workspace server behind another address: a path prefix for its API, another host for its sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aiohttp import web

PREFIX = "/slack/v2/methods"


@dataclass
class Relay:
    """`api_url` is what the bot is given. `linked` are the Host headers of the sockets that were opened."""

    upstream: str
    api_url: str = ""
    socket_origin: str = ""
    linked: list[str] = field(default_factory=list)


@asynccontextmanager
async def relayed(upstream: str) -> AsyncIterator[Relay]:
    """A relay to the server at `upstream` (scheme and authority)."""
    relay = Relay(upstream)
    async with aiohttp.ClientSession(trust_env=False) as http:

        async def method(request: web.Request) -> web.Response:
            target = f"{relay.upstream}/api/{request.match_info['method']}"
            headers = {
                name: request.headers[name]
                for name in ("Authorization", "Content-Type")
                if name in request.headers
            }
            async with http.request(
                request.method, target, params=request.query, data=await request.read(), headers=headers
            ) as answer:
                body = await answer.json()
                if isinstance(body.get("url"), str) and body["url"].startswith("ws"):
                    parts = urlsplit(body["url"])
                    there = urlsplit(relay.socket_origin)
                    body["url"] = urlunsplit(("ws", there.netloc, "/elsewhere", parts.query, ""))
                return web.json_response(body, status=answer.status)

        async def link(request: web.Request) -> web.StreamResponse:
            relay.linked.append(request.host)
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            target = f"{relay.upstream}/link/?{request.query_string}"
            async with http.ws_connect(target) as upward:
                await asyncio.wait(
                    [
                        asyncio.ensure_future(_pump(upward, socket)),
                        asyncio.ensure_future(_pump(socket, upward)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            await socket.close()
            return socket

        api, sockets = web.Application(), web.Application()
        api.router.add_route("*", PREFIX + "/{method}", method)
        sockets.router.add_get("/elsewhere", link)
        runners = [web.AppRunner(app, shutdown_timeout=0.2) for app in (api, sockets)]
        try:
            for runner in runners:
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", 0).start()
            ports = [runner.addresses[0][1] for runner in runners]
            relay.api_url = f"http://127.0.0.1:{ports[0]}{PREFIX}"
            relay.socket_origin = f"ws://localhost:{ports[1]}"
            yield relay
        finally:
            for runner in runners:
                await runner.cleanup()


async def _pump(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    sink: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
) -> None:
    async for message in source:
        if message.type == aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)
