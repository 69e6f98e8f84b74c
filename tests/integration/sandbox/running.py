"""Knows how an unmodified Web API client and Bolt app are pointed at a sandbox; leaves starting the
sandbox to conftest.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import Sandbox


def client_of(sandbox: Sandbox, *, token: str | None = None) -> AsyncWebClient:
    """A client without retry handlers, so that every refusal and cut is seen as it came."""
    return AsyncWebClient(
        token=token or sandbox.workspace.app.bot_token,
        base_url=sandbox.api_url,
        retry_handlers=[],
        trust_env_in_session=False,
    )


@asynccontextmanager
async def connected(
    app: AsyncApp, sandbox: Sandbox, *, ping_interval: float = 5
) -> AsyncIterator[AsyncSocketModeHandler]:
    """The app, connected over Socket Mode until the block ends."""
    handler = AsyncSocketModeHandler(app, sandbox.workspace.app.app_token, ping_interval=ping_interval)
    await handler.connect_async()
    await sandbox.wait_connected()
    try:
        yield handler
    finally:
        await handler.close_async()


@asynccontextmanager
async def raw_socket(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A bare Socket Mode connection, past its hello, that acknowledges nothing by itself."""
    opened = await client_of(sandbox).apps_connections_open(app_token=sandbox.workspace.app.app_token)
    async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]) as socket:
        hello = await socket.receive_json()
        assert hello["type"] == "hello"
        yield socket
