"""Knows how to keep a Socket Mode connection through bad tokens, outages and restarts; leaves payloads to Bolt."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import aiohttp
import structlog
from aiohttp import WSMessage
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp

from bot.slack.errors import SlackFailure, Trouble
from bot.slack.web import SlackWeb, proxy_for, quiet_logger

log = structlog.get_logger(__name__)

CONNECT_SEC = 10.0
FIRST_ATTEMPT_SEC = 5.0
FIRST_PAUSE_SEC = 0.5
LONGEST_PAUSE_SEC = 30.0
LONGEST_OUTAGE_PAUSE_SEC = 3.0
"""While Slack is away it is asked this often at least, so that buttons work again soon after it is back."""
_LOOK_SEC = 1.0
_PING_SEC = 5.0


class SocketLink:
    """Connects, watches and reconnects until it is stopped; `problem` says what is wrong meanwhile.

    The SDK's client tries a used-up address again for ever once a server comes back, and loops silently on a bad
    token. So every connection here starts with `prepare` (who are we?) and a fresh `apps.connections.open`, whose
    refusals are read, and a client that stays unconnected is thrown away.
    """

    def __init__(
        self, *, app: AsyncApp, app_token: str, web: SlackWeb, prepare: Callable[[], Awaitable[None]]
    ) -> None:
        self._app = app
        self._app_token = app_token
        self._web = web
        self._prepare = prepare
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._settled = asyncio.Event()
        self.problem: str | None = "The bot is connecting to Slack."

    def start(self) -> None:
        """Begin connecting in the background."""
        self._task = asyncio.get_running_loop().create_task(self._keep_connected(), name="slack-socket")

    async def first_attempt(self) -> None:
        """Returns once the first attempt succeeded or failed, or takes longer than anybody should wait for it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_ATTEMPT_SEC):
                await self._settled.wait()

    async def connected(self) -> None:
        """Returns once a connection stands."""
        await self._connected.wait()

    async def stop(self) -> None:
        """Close the connection and end the background work."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep_connected(self) -> None:
        pause = FIRST_PAUSE_SEC
        old: AsyncSocketModeHandler | None = None
        try:
            while True:
                try:
                    handler, gone = await self._open(await self._address())
                except SlackFailure as failure:
                    self._failed(failure.sentence, failure.code)
                    longest = (
                        LONGEST_OUTAGE_PAUSE_SEC if failure.trouble is Trouble.OUTAGE else LONGEST_PAUSE_SEC
                    )
                    pause = max(min(pause * 2, longest), failure.retry_after or 0.0)
                except (TimeoutError, OSError, aiohttp.ClientError) as error:
                    self._failed(f"Slack's socket could not be opened ({type(error).__name__}).", "socket")
                    pause = min(pause * 2, LONGEST_OUTAGE_PAUSE_SEC)
                else:
                    if old is not None:
                        await _close(old)
                    old, pause = handler, FIRST_PAUSE_SEC
                    self.problem = None
                    self._connected.set()
                    self._settled.set()
                    log.info("slack_connected")
                    await self._watch(handler, gone)
                    self._connected.clear()
                    self.problem = "The connection to Slack broke; the bot is connecting again."
                    continue
                if old is not None:
                    await _close(old)
                    old = None
                await asyncio.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - spreads replicas
        finally:
            self._connected.clear()
            if old is not None:
                await _close(old)

    def _failed(self, sentence: str, code: str) -> None:
        if self.problem != sentence:
            log.warning("slack_not_connected", code=code)
        self.problem = sentence
        self._settled.set()

    async def _address(self) -> str:
        await self._prepare()
        answer = await self._web.call("apps.connections.open", app_token=self._app_token)
        url = answer.get("url")
        if not isinstance(url, str) or not url.startswith(("ws://", "wss://")):
            raise SlackFailure("apps.connections.open", Trouble.OUTAGE, "no_url")
        return url

    async def _open(self, url: str) -> tuple[AsyncSocketModeHandler, asyncio.Event]:
        handler = AsyncSocketModeHandler(
            self._app,
            self._app_token,
            web_client=self._web.sdk,
            logger=quiet_logger(),
            ping_interval=_PING_SEC,
        )
        client = handler.client
        client.proxy = proxy_for(url.replace("ws", "http", 1))  # read from the environment by the constructor
        client.default_auto_reconnect_enabled = False  # reconnecting is done here, with a fresh address
        client.wss_uri = url
        gone = asyncio.Event()

        async def lost(_: WSMessage) -> None:
            gone.set()

        async def renew(force: bool = False) -> None:
            """A `disconnect` message: the next connection is opened before this one is closed."""
            gone.set()

        client.on_close_listeners.append(lost)
        client.on_error_listeners.append(lost)
        setattr(client, "connect_to_new_endpoint", renew)  # noqa: B010 - the SDK's one instance, not its class
        try:
            async with asyncio.timeout(CONNECT_SEC):
                await handler.connect_async()
        except BaseException:
            await _close(handler)
            raise
        return handler, gone

    @staticmethod
    async def _watch(handler: AsyncSocketModeHandler, gone: asyncio.Event) -> None:
        """Returns when the connection is lost or about to be closed by Slack."""
        while not gone.is_set() and await handler.client.is_connected():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SEC):
                    await gone.wait()


async def _close(handler: AsyncSocketModeHandler) -> None:
    client = handler.client
    tasks = [
        task
        for task in (client.message_processor, client.current_session_monitor, client.message_receiver)
        if task is not None
    ]
    with contextlib.suppress(Exception):
        await handler.close_async()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
