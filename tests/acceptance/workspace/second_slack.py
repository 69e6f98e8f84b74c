"""A tiny Slack of its own make, legal and unlike the sandbox: other shapes, tiny pages, sockets on another port."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

Json = dict[str, Any]

BOT_TOKEN, APP_TOKEN = "xoxb-second", "xapp-second"
TEAM, APP, BOT_USER, BOT = "E1NTERPRISE", "AAPP00001", "UBOT00001", "BBOT00001"
MEMBERS = {
    "UMEMB0001": "Ana Ruiz",
    "UMEMB0002": "Bo Lindqvist",
    "UMEMB0003": "Chi Okafor",
    "UMEMB0004": "Own Ferrari",
}
CHANNELS = {"CAAAAAAA1": "random", "CAAAAAAA2": "lane-0", "CAAAAAAA3": "approvals"}


class SecondSlack:
    """What it keeps, for tests to read: `messages` by channel and ts, `said` to response URLs and as ephemerals.

    Differences that Slack's documents allow: answers carry fields nobody asked for and `warning`; lists come one entry
    a page; a posted message is answered without its metadata; timestamps have their own shape; `users.info` tells no
    e-mail address; envelopes carry unknown fields, and are settled by their id alone.
    """

    def __init__(self) -> None:
        self.messages: dict[tuple[str, str], Json] = {}
        self.said: list[tuple[str, str]] = []
        self.views: list[Json] = []
        self.acknowledged: set[str] = set()
        self.unknown: list[str] = []
        self.api_url = ""
        self.changed = asyncio.Event()
        self._socket_origin = ""
        self._response_origin = ""
        self._socket: web.WebSocketResponse | None = None
        self._numbers = itertools.count(1)
        self._methods: dict[str, Callable[[Json], Json]] = {
            "auth.test": lambda a: {"url": "https://second.example/", "team": "Second", "team_id": TEAM, "user": "gate",
                                    "user_id": BOT_USER, "bot_id": BOT, "is_enterprise_install": False},
            "apps.connections.open": lambda a: {"url": f"{self._socket_origin}/wss/{next(self._numbers)}?app=1"},
            "bots.info": lambda a: {"bot": {"id": BOT, "app_id": APP, "user_id": BOT_USER, "deleted": False}},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.postEphemeral": self._ephemeral,
            "chat.getPermalink": lambda a: {"channel": a["channel"], "permalink": f"https://second.example/{a['message_ts']}"},
            "conversations.list": lambda a: self._page(a, "channels", [
                {"id": cid, "name": name, "is_channel": True, "is_private": False, "is_member": True, "num_members": 5,
                 "properties": {"canvas": None}} for cid, name in CHANNELS.items()]),
            "conversations.members": lambda a: self._page(a, "members", [*MEMBERS, BOT_USER]),
            "conversations.history": lambda a: self._page(a, "messages", [
                m for (channel, _), m in sorted(self.messages.items(), reverse=True) if channel == a["channel"]]),
            "conversations.replies": lambda a: self._page(a, "messages", [
                m for _, m in sorted(self.messages.items()) if a["ts"] in (m["ts"], m.get("thread_ts"))]),
            "conversations.open": lambda a: {"channel": {"id": "D" + a["users"][1:]}, "no_op": True},
            "users.info": lambda a: {"user": self._user(a["user"])},
            "views.open": self._open,
            "views.publish": lambda a: {"view": self._view(a)},
        }  # fmt: skip

    async def method(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        body = await request.text()
        args: Json = dict(request.query)
        args |= (
            json.loads(body) if request.content_type == "application/json" and body else dict(parse_qsl(body))
        )
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token != (APP_TOKEN if name == "apps.connections.open" else BOT_TOKEN):
            return web.json_response({"ok": False, "error": "invalid_auth"})
        do = self._methods.get(name)
        if do is None:
            self.unknown.append(name)
            return web.json_response({"ok": False, "error": "unknown_method"})
        answer = {
            "ok": True,
            "warning": "superfluous_charset",
            "response_metadata": {"warnings": ["superfluous_charset"]},
        }
        answer |= {"x_new_field": {"since": 2031}}
        return web.json_response(answer | do(args))

    async def link(self, request: web.Request) -> web.WebSocketResponse:
        self._socket = socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(
            {"type": "hello", "num_connections": 1, "connection_info": {"app_id": APP}, "x": 1}
        )
        async for message in socket:
            self.acknowledged.add(json.loads(message.data)["envelope_id"])
            self.changed.set()
        return socket

    async def respond(self, request: web.Request) -> web.Response:
        self.said.append((request.match_info["user"], (await request.json())["text"]))
        self.changed.set()
        return web.Response(text="ok")

    async def click(self, user: str, message: Json, action_id: str) -> str:
        """Somebody presses a button; the id of the envelope that says so."""
        block, element = next(
            (b, e)
            for b in message["blocks"]
            if b["type"] == "actions"
            for e in b["elements"]
            if e["action_id"] == action_id
        )
        channel = message["_channel"]
        action = {"type": "button", "action_id": action_id, "block_id": block.get("block_id", "a1"),
                  "text": element["text"], "value": element["value"], "action_ts": "1.2"}  # fmt: skip
        shown = {k: v for k, v in message.items() if k not in ("metadata", "_channel")}
        payload = {
            "type": "block_actions", "api_app_id": APP, "token": "legacy", "trigger_id": f"1.{next(self._numbers)}.x",
            "team": {"id": TEAM, "domain": "second"}, "enterprise": None, "is_enterprise_install": False,
            "user": {"id": user, "username": "somebody", "name": "somebody", "team_id": TEAM},
            "container": {"type": "message", "message_ts": message["ts"], "channel_id": channel, "is_ephemeral": False},
            "channel": {"id": channel, "name": "privategroup"}, "message": shown, "actions": [action],
            "response_url": f"{self._response_origin}/respond/{user}", "state": {"values": {}},
        }  # fmt: skip
        envelope = f"env-{next(self._numbers)}"
        assert self._socket is not None
        await self._socket.send_json(
            {
                "envelope_id": envelope,
                "type": "interactive",
                "payload": payload,
                "accepts_response_payload": False,
                "x": [],
            }
        )
        return envelope

    def cards(self, channel: str) -> list[Json]:
        return [m for (c, _), m in sorted(self.messages.items()) if c == channel and "thread_ts" not in m]

    def _post(self, args: Json) -> Json:
        ts = f"{int(time.time())}.{next(self._numbers):04}"  # four digits, where Slack mostly has six
        message = {"type": "message", "user": BOT_USER, "bot_id": BOT, "ts": ts, "text": args["text"],
                   "_channel": args["channel"], "blocks": _decoded(args.get("blocks")),
                   "metadata": _decoded(args.get("metadata"))}  # fmt: skip
        if args.get("thread_ts"):
            message["thread_ts"] = args["thread_ts"]
        self.messages[args["channel"], ts] = message
        self.changed.set()
        echo = {k: v for k, v in message.items() if k not in ("metadata", "blocks", "_channel")}
        return {"channel": args["channel"], "ts": ts, "message": echo}

    def _update(self, args: Json) -> Json:
        message = self.messages[args["channel"], args["ts"]]
        message |= {
            "text": args["text"],
            "blocks": _decoded(args["blocks"]),
            "edited": {"user": BOT_USER, "ts": "1.0"},
        }
        self.changed.set()
        return {"channel": args["channel"], "ts": args["ts"], "text": args["text"]}

    def _ephemeral(self, args: Json) -> Json:
        self.said.append((args["user"], args["text"]))
        self.changed.set()
        return {"message_ts": "1700000000.1"}

    def _open(self, args: Json) -> Json:
        view = self._view(args)
        self.views.append(view)
        self.changed.set()
        return {"view": view}

    def _view(self, args: Json) -> Json:
        return {"id": f"V{next(self._numbers)}", "hash": "h.1", "team_id": TEAM, **_decoded(args["view"])}

    @staticmethod
    def _user(user: str) -> Json:
        name = MEMBERS[user]
        return {"id": user, "team_id": TEAM, "name": name.lower(), "real_name": name, "profile": {"real_name": name},
                "who_can_share_contact_card": "EVERYONE", "is_email_confirmed": True}  # fmt: skip

    @staticmethod
    def _page(args: Json, key: str, everything: list[Any]) -> Json:
        """One entry a page, whatever limit was asked for."""
        at = int((args.get("cursor") or "at:0").removeprefix("at:"))
        more = at + 1 < len(everything)
        cursor = {"response_metadata": {"next_cursor": f"at:{at + 1}" if more else ""}}
        return {key: everything[at : at + 1], "has_more": more, **cursor}

    async def until(self, look: Callable[[], Any], within: float = 60) -> Any:
        """The first true answer of `look()`."""
        async with asyncio.timeout(within):
            while True:
                self.changed.clear()
                if found := look():
                    return found
                await self.changed.wait()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[SecondSlack]:
        api, sockets = web.Application(), web.Application()
        api.router.add_route("*", "/gov/api/{name}", self.method)
        api.router.add_post("/respond/{user}", self.respond)
        sockets.router.add_get("/wss/{ticket}", self.link)
        runners = [web.AppRunner(app, shutdown_timeout=0.2) for app in (api, sockets)]
        try:
            for runner in runners:
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", 0).start()
            api_port, socket_port = (runner.addresses[0][1] for runner in runners)
            self._response_origin = f"http://127.0.0.1:{api_port}"
            self.api_url = f"{self._response_origin}/gov/api"
            self._socket_origin = f"ws://localhost:{socket_port}"
            yield self
        finally:
            for runner in runners:
                await runner.cleanup()


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
