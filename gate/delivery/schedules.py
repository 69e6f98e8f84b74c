"""Reads who is on call from PagerDuty's REST API; which persons those are, and how old it may be, is the core's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from pydantic import BaseModel, Field, ValidationError

from gate.usecases.ports import Clock, Listed, ListUnavailable, Turn

PAGERDUTY_API = "https://api.pagerduty.com"
HORIZON = timedelta(days=14)
"""How far ahead turns are read, so that an outage of PagerDuty does not end what is known."""
PAGE = 100
MOST_PAGES = 20
_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)


class _User(BaseModel):
    email: str = ""
    """Missing where PagerDuty gives a mere reference, as for a user who was deleted."""


class _Reference(BaseModel):
    id: str


class _OnCall(BaseModel):
    user: _User
    schedule: _Reference | None = None
    start: datetime | None = None
    end: datetime | None = None


class _Page(BaseModel):
    oncalls: list[_OnCall]
    more: bool | None = Field(default=False)


class PagerDutySchedules:
    """Implements `ports.ListSource` for PagerDuty schedules, over `GET /oncalls` of REST API v2.

    PagerDuty lists a schedule there once an escalation policy uses it.
    """

    def __init__(self, *, token: str | None, api_url: str = PAGERDUTY_API, clock: Clock) -> None:
        self._token = token
        self._url = f"{api_url.rstrip('/')}/oncalls"
        self._clock = clock

    async def read(self, list_id: str) -> Listed:
        """The turns of the next two weeks, in order, each once."""
        if not self._token:
            raise ListUnavailable("PAGERDUTY_API_TOKEN is not set")
        headers = {
            "Accept": "application/vnd.pagerduty+json;version=2",
            "Authorization": f"Token token={self._token}",
        }
        now = self._clock.now()
        turns: dict[Turn, None] = {}
        async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers, trust_env=True) as session:
            for number in range(MOST_PAGES):
                page = await self._page(session, list_id, now, number * PAGE)
                turns |= dict.fromkeys(
                    _turn(o) for o in page.oncalls if o.schedule and o.schedule.id == list_id
                )
                if not page.more:
                    break
        earliest = datetime.min.replace(tzinfo=UTC)
        return Listed(turns=tuple(sorted(turns, key=lambda turn: (turn.start or earliest, turn.email))))

    async def _page(self, session: aiohttp.ClientSession, schedule: str, now: datetime, offset: int) -> _Page:
        query = {
            "schedule_ids[]": schedule,
            "include[]": "users",
            "since": now.isoformat(timespec="seconds"),
            "until": (now + HORIZON).isoformat(timespec="seconds"),
            "limit": str(PAGE),
            "offset": str(offset),
        }
        try:
            async with session.get(self._url, params=query, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise ListUnavailable(_sentence(answer.status), after_sec=_after(answer.headers))
                return _Page.model_validate(await answer.json())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ListUnavailable(f"PagerDuty cannot be reached ({type(error).__name__})") from None
        except (ValidationError, ValueError):
            raise ListUnavailable("PagerDuty's answer cannot be read") from None


def _turn(entry: _OnCall) -> Turn:
    return Turn(email=entry.user.email, start=_utc(entry.start), end=_utc(entry.end))


def _utc(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _sentence(status: int) -> str:
    if status in (401, 403):
        return f"PagerDuty refuses the token ({status}); check PAGERDUTY_API_TOKEN"
    if status == 429:
        return "PagerDuty asks for fewer calls (429)"
    return f"PagerDuty answered {status}"


def _after(headers: Any) -> float | None:
    """The time PagerDuty asks to wait, in seconds; None where it names none."""
    for name in ("Retry-After", "ratelimit-reset"):
        value = headers.get(name, "")
        if value.isascii() and value.isdecimal():
            return float(value)
    return None
