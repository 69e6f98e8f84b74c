"""Knows how the stand-in workspace is put together, started, stopped and asked; leaves each part's work
to its own file."""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from bot.sandbox import door, page
from bot.sandbox.acts import Acts, Reply
from bot.sandbox.clock import Clock, SystemClock
from bot.sandbox.control import Control
from bot.sandbox.courier import Courier
from bot.sandbox.faults import DownMode, Faults
from bot.sandbox.feed import ChangeFeed
from bot.sandbox.journal import Journal
from bot.sandbox.payloads import VERIFICATION_TOKEN, PayloadWriter
from bot.sandbox.ratelimits import Meter, RateLimits
from bot.sandbox.reading import Reading
from bot.sandbox.records import ApiCall, Json
from bot.sandbox.replies import ReplyDesk
from bot.sandbox.requests import RequestSender
from bot.sandbox.sockets import SocketHub
from bot.sandbox.state import WorkspaceState
from bot.sandbox.webapi import WebApi
from bot.sandbox.workspace import SandboxUser, Workspace, default_workspace

Found = TypeVar("Found")
_BODY_LIMIT = 4 * 1024 * 1024
_DELIVERIES_KEPT = 2000


class Sandbox(Reading):
    """A stand-in Slack workspace over the wire.

    With `state_path` everything in it outlives the process. `clock` drives the three-second timers,
    trigger and response_url ages, message timestamps and rate limits. Reading methods return JSON in
    Slack's wire shapes; acting methods do what the page does.
    """

    def __init__(
        self,
        workspace: Workspace | None = None,
        *,
        state_path: Path | None = None,
        clock: Clock | None = None,
        rate_limits: RateLimits | None = None,
        seed: int | None = None,
    ) -> None:
        self.workspace = workspace or default_workspace()
        self.state_path = state_path
        self.clock: Clock = clock or SystemClock()
        self._journal = Journal(state_path)
        rng = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 - seeded in tests
        self.state = WorkspaceState(self.workspace, self._journal, self.clock, rng)
        self.feed = ChangeFeed(self.state)
        self._deliveries: deque[Json] = deque(maxlen=_DELIVERIES_KEPT)
        self._origin = ""
        self._runner: web.AppRunner | None = None
        self._application: web.Application | None = None
        app = self.workspace.app
        self.faults = Faults(self._on_faults)
        self._hub = SocketHub(
            app_id=app.app_id,
            clock=self.clock,
            faults=self.faults,
            changed=self._on_connections,
            mint=lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        )
        self._sender = (
            RequestSender(
                url=app.request_url, secret=app.signing_secret, clock=self.clock, faults=self.faults
            )
            if app.request_url
            else None
        )
        self._courier = Courier(
            carrier=self._sender or self._hub,
            clock=self.clock,
            faults=self.faults,
            delivered=self._on_delivery,
        )
        self._api = WebApi(
            self.state,
            Meter(self.clock, rate_limits or RateLimits()),
            self.faults,
            lambda: self._origin,
            self._issue_socket_url,
        )
        desk = ReplyDesk(self.state, self.faults)
        self._desk = desk
        self._acts = Acts(self.state, self._courier, PayloadWriter(self.state, self._response_link), desk)

    # -- life ----------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve on host and port; port 0 takes a free one."""
        application = web.Application(middlewares=[door.let_go, door.guard], client_max_size=_BODY_LIMIT)
        self._api.add_routes(application.router)
        self._application = application
        application.router.add_post("/hooks/actions/{team}/{id}", self._desk.serve)
        application.router.add_get("/link/", self._hub.serve)
        Control(self).add_routes(application.router)
        page.add_routes(application.router)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound, taken = self._runner.addresses[0][:2]
        wildcards = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound here
        name = wildcards.get(str(bound), str(bound))
        shown = f"[{name}]" if ":" in name else name
        self._origin = f"http://{shown}:{taken}"
        if self._sender:
            await self._sender.start()

    async def stop(self) -> None:
        """Close every connection and the state file."""
        self.feed.close()
        await self._courier.stop()
        await self._hub.stop()
        if self._sender:
            await self._sender.stop()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        self._journal.close()

    async def __aenter__(self) -> Sandbox:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The page's address."""
        return f"{self._origin}/"

    @property
    def api_url(self) -> str:
        """The base_url for a Web API client."""
        return f"{self._origin}/api/"

    def _issue_socket_url(self) -> str:
        origin = self._origin.replace("http://", "ws://", 1)
        return f"{origin}/link/?ticket={self._hub.issue_ticket()}&app_id={self.workspace.app.app_id}"

    def _response_link(self, response_id: str) -> str:
        return f"{self._origin}/hooks/actions/{self.workspace.team_id}/{response_id}"

    async def verify_request_url(self) -> bool:
        """HTTP mode: the url_verification handshake."""
        return self._sender is not None and await self._sender.verify(VERIFICATION_TOKEN)

    # -- changes -------------------------------------------------------------------------------------

    def _on_faults(self) -> None:
        self.state.announce("faults", self.faults.doc())

    def _on_connections(self) -> None:
        self.state.announce("connections", {"count": self._hub.count})
        if self._hub.count:
            self._courier.reachable()

    def _on_delivery(self, delivery: Json) -> None:
        self._deliveries.append(delivery)
        self.state.announce("delivery", delivery)

    async def wait_for(
        self,
        predicate: Callable[[Sandbox], Found],
        timeout: float = 30.0,
    ) -> Found:
        """The first truthy `predicate(sandbox)`, asked again after every change. Raises TimeoutError."""
        return await self.feed.wait_for(lambda: predicate(self), timeout)

    async def wait_connected(
        self,
        count: int = 1,
        timeout: float = 30.0,
    ) -> None:
        """Until the app holds at least `count` Socket Mode connections."""
        await self.wait_for(lambda sandbox: sandbox.connections >= count, timeout)

    # -- reading -------------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """Open Socket Mode connections."""
        return self._hub.count

    @property
    def connections_opened(self) -> int:
        """Socket Mode connections ever opened in this run."""
        return self._hub.opened

    def calls(self, method: str | None = None) -> list[ApiCall]:
        """Web API calls received, oldest first."""
        return [call for call in self._api.calls if method in (None, call.method)]

    def _paths(self, prefix: str) -> set[str]:
        if self._application is None:
            return set()
        paths = {resource.canonical for resource in self._application.router.resources()}
        return {path for path in paths if path.startswith(prefix)}

    def routed_methods(self) -> set[str]:
        """The Web API methods that have a route of their own."""
        return {path.removeprefix("/api/") for path in self._paths("/api/") if "{" not in path}

    def control_routes(self) -> set[str]:
        """The paths of the control interface."""
        return self._paths("/sandbox/")

    def deliveries(self) -> list[Json]:
        """Attempts to reach the app, oldest first."""
        return list(self._deliveries)

    def snapshot(self) -> Json:
        """Everything, as the page starts from."""
        app = self.workspace.app
        return {
            "ok": True,
            "position": self.feed.position,
            "now": self.clock.time(),
            "team": {"id": self.workspace.team_id, "name": self.workspace.team_name},
            "empty_text": self.workspace.empty_text,
            "app": {
                "id": app.app_id,
                "name": app.name,
                "user": app.bot_user_id,
                "command": app.command,
                "command_hint": app.command_hint,
                "mode": "http" if app.request_url else "socket",
            },
            "users": [asdict(user) for user in self.state.users.values()],
            "usergroups": [asdict(group) for group in self.state.usergroups.values()],
            "channels": [self.state.channel_doc(channel) for channel in self.state.channels.values()],
            "messages": [
                self.state.message_doc(message)
                for messages in self.state.messages.values()
                for message in messages.values()
            ],
            "stacks": {user: self.modals(user) for user, stack in self.state.stacks.items() if stack},
            "homes": {user: self.state.view_doc(view) for user, view in self.state.homes.items()},
            "connections": self.connections,
            "faults": self.faults.doc(),
        }

    # -- acting as a person ----------------------------------------------------------------------------

    async def click(
        self,
        user: str,
        channel: str,
        ts: str,
        action_id: str,
        *,
        block_id: str | None = None,
        value: Any = None,
        values: Json | None = None,
    ) -> Reply:
        """Press a button of a message, or choose `value` in one of its selects and pickers."""
        return await self._acts.click(
            user, channel, ts, action_id, block_id=block_id, value=value, values=values
        )

    async def click_in_view(
        self,
        user: str,
        action_id: str,
        *,
        view_id: str | None = None,
        block_id: str | None = None,
        value: Any = None,
        values: Json | None = None,
    ) -> Reply:
        """The same in the topmost modal, or in Home."""
        return await self._acts.click_in_view(
            user, action_id, view_id=view_id, block_id=block_id, value=value, values=values
        )

    async def submit(self, user: str, values: Json | None = None, *, view_id: str | None = None) -> Reply:
        """Submit the topmost modal; `values` is {block_id: {action_id: value}}."""
        return await self._acts.submit(user, values, view_id=view_id)

    async def close_view(self, user: str, *, view_id: str | None = None, clear: bool = False) -> Reply:
        """Close the topmost modal, or with `clear` all of them."""
        return await self._acts.close_view(user, view_id=view_id, clear=clear)

    async def open_home(self, user: str, *, tab: str = "home") -> Reply:
        """Open the app's Home."""
        return await self._acts.open_home(user, tab=tab)

    async def command(self, user: str, channel: str, text: str) -> Reply:
        """Type the slash command; `text` may start with it or be only what follows."""
        return await self._acts.command(user, channel, text)

    async def say(self, user: str, channel: str, text: str, *, thread_ts: str | None = None) -> Json:
        """Post a message as a person."""
        return self.state.message_doc(await self._acts.say(user, channel, text, thread_ts=thread_ts))

    def change_user(self, user: str, **changes: Any) -> SandboxUser:
        """Deactivate, make a guest, rename …: any field of SandboxUser but the id."""
        return self.state.change_user(user, changes)

    # -- troubles ---------------------------------------------------------------------------------------

    def down(self, mode: DownMode = "refused") -> None:
        """Slack is gone until `clear_faults`: calls fail and open sockets are cut."""
        self.faults.down(mode)
        self._hub.cut()

    def slow(self, seconds: float) -> None:
        self.faults.slow(seconds)

    def ratelimit(self, method: str = "*", retry_after: int = 1, count: int = 1) -> None:
        self.faults.ratelimit(method, retry_after, count)

    def drop_after_receipt(self, method: str = "*", count: int = 1) -> None:
        self.faults.drop_after_receipt(method, count)

    def duplicate_delivery(self, count: int = 1) -> None:
        self.faults.duplicate_delivery(count)

    def error(self, method: str, code: str, count: int = 1) -> None:
        self.faults.error(method, code, count)

    def clear_faults(self) -> None:
        self.faults.clear()

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask the app's sockets to reconnect."""
        await self._hub.disconnect(reason)
