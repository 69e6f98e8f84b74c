"""Knows who the bot is, by asking Slack, and says what is wrong while Slack does not tell."""

from __future__ import annotations

import asyncio
import time

import structlog

from bot.identity import Own
from bot.slack.errors import SlackFailure, Trouble
from bot.slack.web import Calls

log = structlog.get_logger(__name__)

KEPT_SEC = 3_600.0
_LONGEST_PAUSE_SEC = 15.0


class Introduction:
    """auth.test and bots.info, asked once and again an hour later. `problem` is a sentence, None once known."""

    def __init__(self, *, web: Calls) -> None:
        self._web = web
        self.known: Own | None = None
        self._asked_at = 0.0
        self._asking = asyncio.Lock()
        self.problem: str | None = "The bot has not reached Slack yet."

    async def own(self) -> Own:
        """Who the bot is; asked of Slack where it is not known yet. Raises `SlackFailure`."""
        if self.known is None:
            async with self._asking:
                if self.known is None:
                    await self.ask()
        if self.known is None:
            raise SlackFailure("auth.test", Trouble.OUTAGE, "unreachable")
        return self.known

    async def ask(self) -> None:
        """Ask Slack, unless it told lately. Raises `SlackFailure`, and then `problem` says what is wrong."""
        fresh = time.monotonic() - self._asked_at < KEPT_SEC
        if self.known is not None and fresh and self.problem is None:
            return
        try:
            told = await self._web.call("auth.test")
        except SlackFailure as failure:
            self.problem = failure.sentence
            raise
        bot_id = told.get("bot_id")
        self.known = Own(
            team=str(told.get("team_id") or ""),
            user=str(told.get("user_id") or ""),
            bot=bot_id if isinstance(bot_id, str) else None,
            app=await self._app_of(bot_id) if isinstance(bot_id, str) else None,
            url=str(told["url"]).rstrip("/") if told.get("url") else None,
        )
        self._asked_at = time.monotonic()
        self.problem = None

    async def insist(self) -> None:
        """Ask until Slack tells, however long it is away."""
        pause = 0.5
        while True:
            try:
                await self.ask()
            except SlackFailure:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SEC)
            else:
                return

    async def _app_of(self, bot_id: str) -> str | None:
        """The app's id, by which other apps' payloads are told apart; None where Slack does not say."""
        try:
            found = (await self._web.call("bots.info", bot=bot_id)).get("bot")
        except SlackFailure as failure:
            log.info("slack_app_unknown", code=failure.code)
            return None
        app = found.get("app_id") if isinstance(found, dict) else None
        return app if isinstance(app, str) else None
