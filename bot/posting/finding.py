"""Knows how to find out whether a message was posted when nobody answered: by its metadata and its author."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.ids import (
    APPROVE,
    DIGEST_EVENT,
    EDIT,
    REJECT,
    digest_metadata,
    parse_card_metadata,
    parse_card_value,
)
from bot.slack.web import Calls

SLACK_CLOCK = timedelta(minutes=10)
"""How far Slack's clock and ours may be apart."""
MOST_PAGES = 25
LINE_EVENT = "signoff_line"
"""event_type of the metadata of thread lines and direct messages: `{"message_id": …}`, the outbox row's id."""


def line_metadata(message_id: str) -> dict[str, Any]:
    """Metadata by which a line is found again."""
    return {"event_type": LINE_EVENT, "event_payload": {"message_id": message_id}}


async def find_card(
    web: Calls, *, own_user: str, action_id: str, channel: str, since: datetime
) -> str | None:
    """The ts of the bot's own card of this action in the channel, the oldest since then; None where there is none.

    Other apps can send the same metadata, so the author counts as well. Raises `SlackFailure`.
    """
    oldest = f"{(since - SLACK_CLOCK).timestamp():.6f}"
    found: str | None = None
    async for message in _messages(web, "conversations.history", channel=channel, oldest=oldest):
        if message.get("user") == own_user and _is_card(message, action_id):
            found = str(message.get("ts"))
    return found


def _is_card(message: Mapping[str, Any], action_id: str) -> bool:
    """By the metadata, or by the buttons where a workspace keeps metadata from being read."""
    if parse_card_metadata(message.get("metadata")) == action_id:
        return True
    return not _is_digest(message) and action_id in _named(message)


def _is_digest(message: Mapping[str, Any]) -> bool:
    metadata = message.get("metadata")
    return isinstance(metadata, dict) and metadata.get("event_type") == DIGEST_EVENT


async def find_digest(
    web: Calls,
    *,
    own_user: str,
    digest_id: str,
    members: frozenset[str],
    channel: str,
    since: datetime,
) -> str | None:
    """The ts of the bot's own message for many requests, by its metadata, or by buttons that name its members."""
    oldest = f"{(since - SLACK_CLOCK).timestamp():.6f}"
    wanted = digest_metadata(digest_id)
    found: str | None = None
    async for message in _messages(web, "conversations.history", channel=channel, oldest=oldest):
        if message.get("user") != own_user:
            continue
        metadata = message.get("metadata")
        if isinstance(metadata, dict) and metadata.get("event_type"):
            mine = metadata.get("event_type") == wanted["event_type"]
            mine = mine and metadata.get("event_payload") == wanted["event_payload"]
        else:
            mine = bool(_named(message) & members)
        if mine:
            found = str(message.get("ts"))
    return found


def _named(message: Mapping[str, Any]) -> set[str]:
    """The actions that a message's deciding buttons name."""
    found: set[str] = set()
    for block in message.get("blocks") or ():
        for element in (block.get("elements") or ()) if isinstance(block, dict) else ():
            if isinstance(element, dict) and element.get("action_id") in (APPROVE, EDIT, REJECT):
                value = parse_card_value(element.get("value"))
                found |= {value[0]} if value is not None else set()
    return found


async def find_line(
    web: Calls, *, own_user: str, message_id: str, channel: str, thread_ts: str | None, since: datetime
) -> bool:
    """Whether this outbox row's line stands in the thread, or (no thread) in the channel. Raises `SlackFailure`."""
    oldest = f"{(since - SLACK_CLOCK).timestamp():.6f}"
    wanted = line_metadata(message_id)
    where = {"channel": channel, "oldest": oldest}
    method = "conversations.history"
    if thread_ts is not None:
        method, where = "conversations.replies", where | {"ts": thread_ts}
    async for message in _messages(web, method, **where):
        metadata = message.get("metadata")
        if message.get("user") != own_user or not isinstance(metadata, dict):
            continue
        if (
            metadata.get("event_type") == LINE_EVENT
            and metadata.get("event_payload") == wanted["event_payload"]
        ):
            return True
    return False


async def own_lines(
    web: Calls, *, own_user: str, channel: str, thread_ts: str
) -> tuple[tuple[str, str], ...]:
    """The bot's own lines in a thread, without its first message, as (ts, text). Raises `SlackFailure`."""
    where = {"channel": channel, "ts": thread_ts}
    found = [
        (str(message.get("ts")), str(message.get("text")))
        async for message in _messages(web, "conversations.replies", **where)
        if message.get("user") == own_user and str(message.get("ts")) != thread_ts
    ]
    return tuple(found)


async def _messages(web: Calls, method: str, **where: Any) -> AsyncIterator[Mapping[str, Any]]:
    cursor = ""
    for _ in range(MOST_PAGES):
        page: Mapping[str, Any] = await web.call(
            method,
            paced=True,
            within=None,
            include_all_metadata=True,
            limit=200,
            **where,
            cursor=cursor or None,
        )
        for message in page.get("messages") or ():
            if isinstance(message, dict):
                yield message
        cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            return
