"""A stand-in for the part of PagerDuty's REST API v2 that tells who is on call, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

TOKEN = "pd-test-token"
_ACCEPT = "application/vnd.pagerduty+json;version=2"


@dataclass(frozen=True)
class Turn:
    """One stretch of a schedule; `email` None for a user who was deleted, of whom only a reference is left."""

    schedule: str
    email: str | None
    start: datetime | None
    end: datetime | None
    policies: tuple[str, ...] = ("PPOLICY",)
    """An on-call is listed once for each escalation policy that uses the schedule."""


@dataclass
class PagerDuty:
    """The account: its turns, what it was asked, and the trouble it makes."""

    turns: list[Turn] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    fail: web.Response | None = None
    url: str = ""

    async def oncalls(self, request: web.Request) -> web.Response:
        """`GET /oncalls`, as PagerDuty answers it: classic pagination, users in full where they are included."""
        query = request.query
        self.asked.append({key: query.getall(key) for key in query})
        if self.fail is not None:
            return web.json_response(
                {"error": {"message": "trouble"}}, status=self.fail.status, headers=self.fail.headers
            )
        if request.headers.get("Authorization") != f"Token token={TOKEN}":
            return web.json_response({"error": {"message": "Unauthorized", "code": 2006}}, status=401)
        if request.headers.get("Accept") != _ACCEPT:
            return web.json_response({"error": {"message": "Not Acceptable"}}, status=406)
        since, until = (datetime.fromisoformat(query[key]) for key in ("since", "until"))
        found = [
            self._wire(turn, policy, full="users" in query.getall("include[]", []))
            for turn in self.turns
            for policy in turn.policies
            if turn.schedule in query.getall("schedule_ids[]")
            and (turn.end is None or turn.end > since)
            and (turn.start is None or turn.start < until)
        ]
        offset, limit = int(query.get("offset", "0")), min(int(query.get("limit", "25")), 100)
        return web.json_response(
            {
                "oncalls": found[offset : offset + limit],
                "limit": limit,
                "offset": offset,
                "more": offset + limit < len(found),
                "total": None,
            }
        )

    def _wire(self, turn: Turn, policy: str, *, full: bool) -> dict[str, Any]:
        user: dict[str, Any] = {"id": "PUSER", "type": "user_reference", "summary": "Somebody"}
        if full and turn.email is not None:
            user |= {"type": "user", "name": "Somebody", "email": turn.email}
        return {
            "user": user,
            "schedule": {"id": turn.schedule, "type": "schedule_reference", "summary": "Rota"},
            "escalation_policy": {"id": policy, "type": "escalation_policy_reference"},
            "escalation_level": 1,
            "start": turn.start and turn.start.isoformat().replace("+00:00", "Z"),
            "end": turn.end and turn.end.isoformat().replace("+00:00", "Z"),
        }


@asynccontextmanager
async def pagerduty() -> AsyncIterator[PagerDuty]:
    """The stand-in, listening on loopback."""
    account = PagerDuty()
    app = web.Application()
    app.router.add_get("/oncalls", account.oncalls)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    account.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield account
    finally:
        await runner.cleanup()
