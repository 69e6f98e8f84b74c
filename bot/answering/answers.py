"""Knows how to answer one person so that they see it: an ephemeral message, else the response_url, else a DM."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

import structlog

from bot.payloads import Place
from bot.slack.errors import SlackFailure
from bot.slack.web import SlackWeb

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a person is told: text for notifications and screen readers, and blocks where there are any."""

    text: str
    blocks: list[dict[str, Any]] | None = None


class Answers:
    """Tries every way there is; where all fail, that is logged, never passed over."""

    def __init__(self, *, web: SlackWeb) -> None:
        self._web = web

    async def tell(self, user: str, place: Place, said: Said) -> bool:
        """Whether it reached Slack one way or another."""
        failures: list[str] = []
        for way in (self._ephemeral, self._response_url, self._direct):
            try:
                if await way(user, place, said):
                    return True
            except SlackFailure as failure:
                failures.append(str(failure))
        log.error("slack_answer_lost", user=user, failures=failures)
        return False

    async def _ephemeral(self, user: str, place: Place, said: Said) -> bool:
        if place.channel is None or place.channel.startswith("D"):
            return False
        where = {"channel": place.channel, "user": user}
        if place.thread_ts is not None and place.thread_ts != place.message_ts:
            where["thread_ts"] = place.thread_ts
        await self._web.call("chat.postEphemeral", **where, **_content(said))
        return True

    async def _response_url(self, user: str, place: Place, said: Said) -> bool:
        if place.response_url is None:
            return False
        body = {"response_type": "ephemeral", "replace_original": False, **_content(said)}
        await self._web.answer_url(place.response_url, body)
        return True

    async def _direct(self, user: str, place: Place, said: Said) -> bool:
        opened = await self._web.call("conversations.open", users=user)
        channel = str((opened.get("channel") or {}).get("id") or user)
        await self._web.call(
            "chat.postMessage", channel=channel, unfurl_links=False, unfurl_media=False, **_content(said)
        )
        return True


def _content(said: Said) -> dict[str, Any]:
    content: dict[str, Any] = {"text": said.text, "parse": "none", "link_names": False}
    return content | ({"blocks": said.blocks} if said.blocks else {})


def outline(error: BaseException) -> list[str]:
    """Where an error came from, as `file:line name`, without its text or any value: those may hold a payload."""
    return [
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-6:]
    ]
