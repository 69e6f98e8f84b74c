"""Knows where channels are: name to id, who is in them, and how the bot gets in; leaves posting to once.py."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.slack.errors import SlackFailure, Trouble
from bot.slack.web import Calls

LISTED_SEC = 600.0
RELISTED_SEC = 5.0
"""A name that is not in the list is looked for again at most this often: it may just have been made."""
MEMBERS_SEC = 30.0
MOST_PAGES = 50
_ID = re.compile(r"[CGD][A-Z0-9]{5,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """A channel as conversations.list tells it."""

    id: str
    name: str
    private: bool
    joined: bool


class NoSuchChannel(Exception):
    """There is no such channel for the bot; the text is a sentence an operator can act on."""


class Channels:
    """The channels the bot can see, listed once and kept for ten minutes."""

    def __init__(self, *, web: Calls, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._web = web
        self._monotonic = monotonic
        self._by_name: dict[str, Channel] = {}
        self._listed_at: float | None = None
        self._members: dict[str, tuple[frozenset[str], float]] = {}

    async def find(self, wanted: str) -> Channel:
        """The channel by `#name`, name or id. Raises `NoSuchChannel`, or `SlackFailure` where Slack cannot be asked."""
        name = wanted.removeprefix("#").strip()
        age = self._age()
        if age > LISTED_SEC or (name not in self._by_name and age > RELISTED_SEC):
            await self._list()
        found = self._by_name.get(name) or next((c for c in self._by_name.values() if c.id == wanted), None)
        if found is not None:
            return found
        if _ID.fullmatch(wanted):  # not in the list, and still perhaps a channel we may post to
            return Channel(id=wanted, name=wanted, private=True, joined=True)
        raise NoSuchChannel(
            f"Slack shows the bot no channel {_hash(wanted)}: check its name, and invite the bot if it is private."
        )

    async def enter(self, channel: Channel) -> None:
        """Join a public channel the bot is not in. Raises `NoSuchChannel` where somebody has to invite it."""
        if channel.joined:
            return
        try:
            await self._web.call("conversations.join", channel=channel.id, paced=True)
        except SlackFailure as failure:
            if failure.trouble in (
                Trouble.RATE_LIMITED,
                Trouble.OUTAGE,
                Trouble.UNCERTAIN,
                Trouble.TRANSIENT,
            ):
                raise
            raise NoSuchChannel(
                f"The bot is not in #{channel.name} and cannot join it ({failure.code}); invite it there."
            ) from None
        self.forget()

    async def members(self, channel_id: str) -> frozenset[str]:
        """The Slack ids of everyone in a channel."""
        known = self._members.get(channel_id)
        now = self._monotonic()
        if known is not None and now - known[1] < MEMBERS_SEC:
            return known[0]
        found: set[str] = set()
        async for page in self._pages("conversations.members", channel=channel_id, limit=200):
            found.update(m for m in page.get("members") or () if isinstance(m, str))
        self._members[channel_id] = (frozenset(found), now)
        return self._members[channel_id][0]

    def forget(self) -> None:
        """List the channels again at the next question: one of them was not as remembered."""
        self._listed_at = None

    def _age(self) -> float:
        return float("inf") if self._listed_at is None else self._monotonic() - self._listed_at

    async def _list(self) -> None:
        found: dict[str, Channel] = {}
        pages = self._pages(
            "conversations.list", types="public_channel,private_channel", exclude_archived=True, limit=200
        )
        async for page in pages:
            for raw in page.get("channels") or ():
                if (
                    isinstance(raw, dict)
                    and isinstance(raw.get("id"), str)
                    and isinstance(raw.get("name"), str)
                ):
                    found[raw["name"]] = Channel(
                        id=raw["id"],
                        name=raw["name"],
                        private=raw.get("is_private") is True,
                        joined=raw.get("is_member") is True,
                    )
        self._by_name = found
        self._listed_at = self._monotonic()

    async def _pages(self, method: str, **arguments: Any) -> AsyncIterator[Mapping[str, Any]]:
        cursor = ""
        for _ in range(MOST_PAGES):
            page = await self._web.call(method, paced=True, **arguments, cursor=cursor or None)
            yield page
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return


def _hash(name: str) -> str:
    return name if name.startswith("#") or _ID.fullmatch(name) else f"#{name}"
