"""Knows how to post a message that must never stand there twice: the intention is stored before, and whoever finds an
intention without an end looks before posting again."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from bot.blocks.messages import CardMessage
from bot.blocks.parts import POST_OPTIONS
from bot.slack.errors import SlackFailure, Trouble
from bot.slack.web import CALL_SEC, Calls
from gate.usecases.ports import Clock

POST = "chat.postMessage"
SETTLE = timedelta(seconds=CALL_SEC + 5)
"""How long a post without an answer may still be on its way; before that, not finding it proves nothing."""

BROKEN_SETTLE = timedelta(seconds=2)
"""The same where the connection broke: nothing is on its way any more, and Slack finishes what it got in moments."""


class Unsettled(Exception):
    """It cannot be said or done yet; look again in `after_sec` seconds."""

    def __init__(self, after_sec: float, sentence: str = "it may still be on its way to Slack") -> None:
        super().__init__(sentence)
        self.after_sec = after_sec


class Posting:
    """Posts by key (an action's or a digest's id), one at a time per key in this process."""

    def __init__(self, *, clock: Clock, web: Calls) -> None:
        self._clock = clock
        self._web = web
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._ended: dict[str, tuple[datetime, datetime | None]] = {}
        """Key -> (`posting_since` of an intention whose post failed here, when not finding it proves that it never
        arrived; None: Slack refused it, and there is nothing to find)."""

    async def settled(
        self, key: str, since: datetime, find: Callable[[], Awaitable[str | None]]
    ) -> str | None:
        """Where the message of an intention whose end is not known stands; None where it never arrived. Raises
        `Unsettled` while it may still arrive."""
        known_since, settled_at = self._ended.get(key, (None, None))
        if known_since != since:  # an intention of another process, or of an earlier run
            settled_at = since + SETTLE
        if settled_at is None:
            return None
        ts = await find()
        if ts is not None:
            return ts
        left = settled_at - self._clock.now()
        if left > timedelta(0):
            raise Unsettled(left.total_seconds())
        return None

    async def send(self, key: str, channel: str, message: CardMessage, since: datetime) -> tuple[str, str]:
        """Post it, the intention being stored with `since`, and say in which channel it stands and at which ts."""
        try:
            answer = await self._web.call(
                POST,
                channel=channel,
                text=message.text,
                blocks=message.blocks,
                metadata=message.metadata,
                **POST_OPTIONS,
            )
        except SlackFailure as failure:
            settled_at = None
            if failure.trouble is Trouble.UNCERTAIN:
                settled_at = self._clock.now() + (BROKEN_SETTLE if failure.code == "no_answer" else SETTLE)
            self._ended[key] = since, settled_at
            raise
        self._ended.pop(key, None)
        return str(answer.get("channel") or channel), str(answer["ts"])

    async def update(self, channel: str, ts: str, message: CardMessage) -> bool:
        """Bring a posted message up to date; False where it stands there no more."""
        try:
            await self._web.call(
                "chat.update",
                paced=True,
                channel=channel,
                ts=ts,
                text=message.text,
                blocks=message.blocks,
                parse="none",
                link_names=False,
            )
        except SlackFailure as failure:
            if failure.trouble is not Trouble.GONE and failure.code != "is_archived":
                raise
            return False
        return True

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """One at a time per key in this process; between processes it is the store that leases."""
        lock, waiting = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks[key]
            if waiting == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, waiting - 1)


def sha256_of(message: CardMessage) -> str:
    """The digest of what a message shows, by which it is known whether that has changed."""
    body = json.dumps([message.text, message.blocks], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(body.encode()).hexdigest()
