"""Knows the way into and out of a Web API call: token, scopes, limits, troubles, the log; leaves what
each method does to the table in methods.py."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from aiohttp import web

from bot.sandbox.args import Args, read_args
from bot.sandbox.call import Call
from bot.sandbox.clock import sleep
from bot.sandbox.errors import ApiError
from bot.sandbox.faults import Faults
from bot.sandbox.methods import METHODS, Method
from bot.sandbox.ratelimits import Meter
from bot.sandbox.records import ApiCall, Json
from bot.sandbox.state import WorkspaceState

CALLS_KEPT = 5000
APP_SCOPES = ("connections:write",)


class WebApi:
    """Answers POST and GET /api/<method> the way slack.com does."""

    def __init__(
        self,
        state: WorkspaceState,
        meter: Meter,
        faults: Faults,
        base_url: Callable[[], str],
        issue_socket_url: Callable[[], str],
    ) -> None:
        self.state = state
        self.calls: deque[ApiCall] = deque(maxlen=CALLS_KEPT)
        self._meter = meter
        self._faults = faults
        self._base_url = base_url
        self._issue_socket_url = issue_socket_url
        self._numbered = 0

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for name in METHODS:
            router.add_route("*", f"/api/{name}", self.answer)
        router.add_route("*", "/api/{unknown:.*}", self.answer)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.path.removeprefix("/api/")
        if await meet_outage(request, self._faults, self.state):
            return web.json_response({"ok": False, "error": "service_unavailable"}, status=503)
        args = Args({})
        headers: dict[str, str] = {}
        status = 200
        try:
            args = await read_args(request)
            headers |= self._scopes_told(name, request, args)
            body = {"ok": True, **self._perform(name, request, args)}
        except ApiError as refusal:
            body = {"ok": False, "error": refusal.code, **refusal.extra}
            if refusal.code == "ratelimited":
                status = 429
                headers["Retry-After"] = str(body.pop("retry_after"))
        dropped = body["ok"] and self._faults.take_drop(name)
        self._log(name, args, body, status, dropped)
        if dropped:
            cut(request)
        return web.json_response(body, status=status, headers=headers)

    def _perform(self, name: str, request: web.Request, args: Args) -> Json:
        method = METHODS.get(name)
        if method is None:
            raise ApiError("unknown_method", req_method=name)
        self._check_token(method, request, args)
        self._check_limits(method, args)
        if code := self._faults.take_error(name):
            raise ApiError(code)
        return method.handler(
            Call(
                state=self.state,
                args=args,
                base_url=self._base_url(),
                issue_socket_url=self._issue_socket_url,
            )
        )

    def _scopes_told(self, name: str, request: web.Request, args: Args) -> dict[str, str]:
        """The headers in which Slack says what a token may do and what the method asks for."""
        app, method = self.state.app, METHODS.get(name)
        granted = {app.bot_token: app.scopes, app.app_token: APP_SCOPES}.get(_token(request, args))
        if granted is None:
            return {}
        told = {"X-OAuth-Scopes": ",".join(granted)}
        if method is not None and method.scopes:
            told["X-Accepted-OAuth-Scopes"] = ",".join(method.scopes)
        return told

    def _check_token(self, method: Method, request: web.Request, args: Args) -> None:
        if method.caller == "anyone":
            return
        token = _token(request, args)
        app = self.state.app
        if not token:
            raise ApiError("not_authed")
        if token not in (app.bot_token, app.app_token):
            raise ApiError("invalid_auth")
        if (token == app.app_token) != (method.caller == "app"):
            raise ApiError("not_allowed_token_type")
        if self.state.users[app.bot_user_id].deleted:
            raise ApiError("account_inactive")
        provided = APP_SCOPES if method.caller == "app" else app.scopes
        if method.scopes and not set(method.scopes) & set(provided):
            raise ApiError("missing_scope", needed=method.scopes[0], provided=",".join(provided))

    def _check_limits(self, method: Method, args: Args) -> None:
        wait = self._faults.take_ratelimit(method.name)
        if wait is None:
            channel = args.text("channel") if method.per_channel else ""
            wait = self._meter.seconds_to_wait(method.name, method.tier, channel)
        if wait:
            raise ApiError("ratelimited", retry_after=wait)

    def _log(self, name: str, args: Args, body: Json, status: int, dropped: bool) -> None:
        self._numbered += 1
        call = ApiCall(
            number=self._numbered,
            at=self.state.clock.time(),
            method=name,
            args={key: value for key, value in args.raw.items() if key != "token"},
            ok=bool(body["ok"]),
            error=body.get("error"),
            status=status,
            dropped=dropped,
        )
        self.calls.append(call)
        self.state.announce("call", {"method": name, "ok": call.ok, "error": call.error, "dropped": dropped})


def _token(request: web.Request, args: Args) -> str:
    header = request.headers.get("Authorization", "")
    return header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else args.text("token")


def cut(request: web.Request) -> None:
    """Close the caller's connection without another byte."""
    if request.transport is not None:
        request.transport.abort()


async def meet_outage(request: web.Request, faults: Faults, state: WorkspaceState) -> bool:
    """Act out `down` and `slow`; True means the caller is to get a 503 (or nothing, already cut)."""
    if faults.down_mode == "refused":
        cut(request)
        return True
    if faults.down_mode == "503":
        return True
    if faults.slow_seconds:
        await sleep(state.clock, faults.slow_seconds)
        return faults.down_mode is not None
    return False
