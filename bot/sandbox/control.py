"""Knows the /sandbox/… routes that the page and outside tests use: state, calls, changes, acts, people
and faults; leaves doing it all to the Sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.sandbox.acts import Reply
from bot.sandbox.errors import ActRefused
from bot.sandbox.records import Change, Json

if TYPE_CHECKING:
    from bot.sandbox.server import Sandbox

_KEEP_ALIVE_SECONDS = 15.0
CHANGEABLE = (
    "name",
    "real_name",
    "email",
    "title",
    "tz",
    "deleted",
    "is_restricted",
    "is_ultra_restricted",
    "is_stranger",
)


class Control:
    """The control interface. Every request body and answer is JSON."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/sandbox/state", self.state)
        router.add_get("/sandbox/calls", self.calls)
        router.add_get("/sandbox/deliveries", self.deliveries)
        router.add_get("/sandbox/events", self.events)
        router.add_post("/sandbox/act", self.act)
        router.add_post("/sandbox/faults", self.faults)
        router.add_post("/sandbox/users/{id}", self.change_user)

    async def state(self, request: web.Request) -> web.Response:
        return web.json_response(self._sandbox.snapshot())

    async def calls(self, request: web.Request) -> web.Response:
        wanted = request.query.get("method")
        calls = [asdict(call) for call in self._sandbox.calls(wanted)]
        return web.json_response({"ok": True, "calls": calls})

    async def deliveries(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "deliveries": self._sandbox.deliveries()})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent changes; `since` (or Last-Event-ID) resumes, and `reset` means: read the state anew."""
        feed = self._sandbox.feed
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        since = request.headers.get("Last-Event-ID") or request.query.get("since", "")
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        missed, reset = feed.since(since)
        await response.prepare(request)
        with feed.listening(queue.put_nowait):
            try:
                if reset:
                    await response.write(_frame("reset", feed.position, {}))
                for change in missed:
                    await response.write(_frame(change.kind, feed.position_of(change), change.doc))
                while True:
                    try:
                        change = await asyncio.wait_for(queue.get(), _KEEP_ALIVE_SECONDS)
                    except TimeoutError:
                        await response.write(b": still here\n\n")
                        continue
                    if change is None:
                        break
                    await response.write(_frame(change.kind, feed.position_of(change), change.doc))
            except ConnectionError:
                pass  # the page went away
        return response

    async def act(self, request: web.Request) -> web.Response:
        """`{"act": "click", "user": …, …}`; the answer is what the person sees."""
        body = await _body(request)
        name = body.pop("act", None)
        acts: dict[str, Callable[..., Awaitable[Any]]] = {
            "click": self._sandbox.click,
            "click_in_view": self._sandbox.click_in_view,
            "submit": self._sandbox.submit,
            "close_view": self._sandbox.close_view,
            "open_home": self._sandbox.open_home,
            "command": self._sandbox.command,
            "say": self._sandbox.say,
        }
        if name not in acts:
            raise _bad(f"act is one of {', '.join(acts)}")
        try:
            result = await acts[name](**body)
        except TypeError as error:
            raise _bad(f"{name}: {error}") from None
        except ActRefused as refusal:
            return web.json_response({"ok": False, "error": "refused", "notice": str(refusal), "errors": {}})
        if isinstance(result, Reply):
            return web.json_response(result.doc())
        return web.json_response({"ok": True, "error": "", "notice": "", "errors": {}, "ts": result["ts"]})

    async def change_user(self, request: web.Request) -> web.Response:
        body = await _body(request)
        wrong = sorted(set(body) - set(CHANGEABLE))
        if wrong:
            raise _bad(f"cannot change {wrong[0]!r}; changeable are {', '.join(CHANGEABLE)}")
        if request.match_info["id"] not in self._sandbox.state.users:
            raise web.HTTPNotFound(text=json.dumps({"ok": False, "error": "user_not_found"}))
        user = self._sandbox.change_user(request.match_info["id"], **body)
        return web.json_response({"ok": True, "user": asdict(user)})

    async def faults(self, request: web.Request) -> web.Response:
        """`{"set": "slow", "seconds": 2}`; `clear` ends all, `disconnect` asks sockets to reconnect."""
        body = await _body(request)
        name = body.pop("set", None)
        sandbox = self._sandbox
        settings: dict[str, Callable[..., Any]] = {
            "down": sandbox.down,
            "slow": sandbox.slow,
            "ratelimit": sandbox.ratelimit,
            "drop_after_receipt": sandbox.drop_after_receipt,
            "duplicate_delivery": sandbox.duplicate_delivery,
            "error": sandbox.error,
            "clear": sandbox.clear_faults,
        }
        try:
            if name == "disconnect":
                await sandbox.disconnect(**body)
            elif name in settings:
                settings[name](**body)
            else:
                raise _bad(f"set is one of {', '.join((*settings, 'disconnect'))}")
        except (TypeError, ValueError) as error:
            raise _bad(f"{name}: {error}") from None
        return web.json_response({"ok": True, "faults": sandbox.faults.doc()})


def _frame(kind: str, position: str, doc: Json) -> bytes:
    return f"id: {position}\nevent: {kind}\ndata: {json.dumps(doc)}\n\n".encode()


def _bad(problem: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(
        text=json.dumps({"ok": False, "error": "invalid_request", "notice": problem}),
        content_type="application/json",
    )


async def _body(request: web.Request) -> Json:
    try:
        body = json.loads(await request.text() or "{}")
    except ValueError:
        raise _bad("the body is not JSON") from None
    if not isinstance(body, dict):
        raise _bad("the body is a JSON object")
    return body
