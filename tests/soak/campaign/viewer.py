"""The workspace as people see it: read once, and from then on kept up to date by its own feed of changes.

To read everything again at each glance costs, with a thousand cards, more than the gates do.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import aiohttp

from tests.acceptance.running import buttons, card_action

Json = dict[str, Any]
Found = TypeVar("Found")
_LONGEST_LINE = 2**22


class Viewer:
    """What stands in the channels and in each person's forms. Positions and times are the workspace's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._changed = asyncio.Event()
        self._waiting: dict[tuple[str, str], Json] = {}
        self._ephemeral: dict[str, dict[str, Json]] = defaultdict(dict)
        self._times: dict[str, list[str]] = defaultdict(list)
        """When each person was told something, in order."""
        self._stacks: dict[str, list[Json]] = {}

    def waiting(self) -> list[Json]:
        """Every card that can be decided."""
        return list(self._waiting.values())

    def newest(self, user: str) -> str:
        """The time of what this person was told last."""
        return self._times[user][-1] if self._times[user] else ""

    def told(self, user: str, after: str) -> Json | None:
        """What this person was told first after that."""
        times = self._times[user]
        place = bisect_right(times, after)
        return self._ephemeral[user][times[place]] if place < len(times) else None

    def form(self, user: str, what: str) -> Json | None:
        """The form on top, where it is this one."""
        return next((v for v in self._stacks.get(user, ())[-1:] if v["callback_id"] == what), None)

    async def until(self, look: Callable[[], Found | None], *, within: float) -> Found | None:
        """The first true answer of `look`, asked again after every change; None where there is none in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    self._changed.clear()
                    if found := look():
                        return found
                    await self._changed.wait()
        return None

    async def follow(self) -> None:
        """Keep up to date, for ever."""
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            trust_env=False, timeout=timeout, read_bufsize=_LONGEST_LINE
        ) as http:
            while True:
                async with http.get(f"{self._url}/sandbox/state") as answer:
                    state = await answer.json()
                self._begin(state)
                async with http.get(
                    f"{self._url}/sandbox/events", params={"since": state["position"]}
                ) as stream:
                    kind = ""
                    async for line in stream.content:
                        if line.startswith(b"event: "):
                            kind = line[7:].strip().decode()
                        elif line.startswith(b"data: ") and kind == "reset":
                            break
                        elif line.startswith(b"data: "):
                            self._take(kind, line[6:])

    def _begin(self, state: Json) -> None:
        self._waiting.clear()
        self._ephemeral.clear()
        self._times.clear()
        for message in state["messages"]:
            self._message(message)
        self._stacks = dict(state["stacks"])
        self._changed.set()

    def _take(self, kind: str, data: bytes) -> None:
        if kind == "message":
            self._message(json.loads(data))
        elif kind == "message_deleted":
            gone = json.loads(data)
            self._waiting.pop((gone["channel"], gone["ts"]), None)
        elif kind == "stack":
            stack = json.loads(data)
            self._stacks[stack["user"]] = stack["views"]
        else:
            return
        self._changed.set()

    def _message(self, message: Json) -> None:
        if message["visible_to"]:
            user, ts = message["visible_to"], message["ts"]
            if ts not in self._ephemeral[user]:
                insort(self._times[user], ts)
            self._ephemeral[user][ts] = message
        elif card_action(message) is not None:
            place = message["channel"], message["ts"]
            if "approve" in buttons(message):
                self._waiting[place] = message
            else:
                self._waiting.pop(place, None)


@asynccontextmanager
async def viewing(url: str) -> AsyncIterator[Viewer]:
    """A viewer that follows while the block runs."""
    viewer = Viewer(url)
    following = asyncio.create_task(viewer.follow())
    try:
        yield viewer
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, aiohttp.ClientError):
            await following
