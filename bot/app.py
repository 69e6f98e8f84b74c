"""Puts the bot together, starts and stops it; what comes in is reception.py's, what goes out delivery.py's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request

from bot.answering.answers import Answers
from bot.answering.desk import Desk
from bot.delivery import SlackChannel
from bot.identity import Identities
from bot.people.introduction import Introduction
from bot.people.roster import Roster
from bot.people.usergroups import UserGroups
from bot.posting.channels import Channels
from bot.reception import Reception
from bot.slack.socket_link import SocketLink
from bot.slack.web import SlackWeb, api_base
from bot.surfaces.cards import CardDesk
from bot.surfaces.homes import Homes
from gate.usecases.ports import DeliveryChannel, Deps, ListSource

EVENTS_PATH = "/slack/events"


@dataclass(frozen=True, kw_only=True, slots=True)
class SlackSettings:
    """How to reach the workspace. With a `signing_secret` Slack calls us over HTTP, else Socket Mode with `app_token`.

    `api_url` is the base address of a Slack Web API, with or without `/api`; None is Slack itself.
    """

    bot_token: str = field(repr=False)
    app_token: str | None = field(default=None, repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    api_url: str | None = None


def build_bot(deps: Deps, settings: SlackSettings) -> Bot:
    """The bot, not connected yet. Raises ValueError, in a sentence, for settings that cannot work."""
    if not settings.bot_token:
        raise ValueError("Set SLACK_BOT_TOKEN to the bot token of the Slack app (it starts with xoxb-).")
    if not settings.signing_secret and not settings.app_token:
        raise ValueError(
            "Set SLACK_APP_TOKEN (it starts with xapp-) for Socket Mode, or SLACK_SIGNING_SECRET for HTTP."
        )
    return Bot(deps, settings)


class Bot:
    """The bot: `start`, `stop`, `problem` for readiness, `channel` for the outbox, `http_routes` in HTTP mode."""

    def __init__(self, deps: Deps, settings: SlackSettings) -> None:
        base_url = api_base(settings.api_url)
        self.web = SlackWeb(token=settings.bot_token, base_url=base_url)
        self._introduction = Introduction(web=self.web)
        own = self._introduction.own
        identities = Identities(deps=deps, web=self.web)
        roster = Roster(deps=deps, web=self.web, identities=identities)
        self._user_groups = UserGroups(deps=deps, web=self.web, identities=identities, own=own)
        channels = Channels(web=self.web)
        self._homes = Homes(deps=deps, web=self.web)
        cards = CardDesk(
            deps=deps, web=self.web, channels=channels, roster=roster, changed=self._card_changed
        )
        self._channel = SlackChannel(
            deps=deps, web=self.web, channels=channels, roster=roster, cards=cards, own=own
        )
        self._reception = Reception(
            desk=Desk(
                deps=deps,
                web=self.web,
                identities=identities,
                answers=Answers(web=self.web),
                homes=self._homes,
                own=own,
                roster=roster,
            ),
            known_own=lambda: self._introduction.known,
            bot_token=settings.bot_token,
            signing_secret=settings.signing_secret or "",
            base_url=base_url,
        )
        self._link = (
            SocketLink(
                app=self._reception.app,
                app_token=settings.app_token,
                web=self.web,
                prepare=self._introduction.ask,
            )
            if settings.app_token and not settings.signing_secret
            else None
        )
        self._introducing: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def channel(self) -> DeliveryChannel:
        """The outbox's way to Slack."""
        return self._channel

    @property
    def user_groups(self) -> ListSource:
        """Who is in a user group of the workspace."""
        return self._user_groups

    async def card_link(self, action_id: str) -> str | None:
        """The web address of an action's card, for other channels; None while nobody can say."""
        return await self._channel.card_link(action_id)

    @property
    def problem(self) -> str | None:
        """What keeps people from deciding in Slack, as a sentence; None where nothing does."""
        if self._link is not None and self._link.problem is not None:
            return self._link.problem
        return self._introduction.problem or self._channel.problem

    async def start(self) -> None:
        """Begin. Returns after the first attempt to connect, whatever came of it: Slack being away stops nobody."""
        self._stopped = False
        await self.web.start()
        if self._link is not None:
            self._link.start()
            await self._link.first_attempt()
        else:
            self._introducing = asyncio.get_running_loop().create_task(
                self._introduction.insist(), name="slack-introduction"
            )

    async def stop(self) -> None:
        """Take nothing new, finish what is being served, close everything."""
        self._stopped = True
        introducing, self._introducing = self._introducing, None
        if introducing is not None:
            introducing.cancel()
            await asyncio.gather(introducing, return_exceptions=True)
        if self._link is not None:
            await self._link.stop()
        await self._reception.finish()
        await self._homes.stop()
        await self.web.stop()

    @asynccontextmanager
    async def posting(self) -> AsyncIterator[DeliveryChannel]:
        """The outbox's way to Slack without taking anything from it, for a process that does not serve."""
        await self.web.start()
        try:
            yield self._channel
        finally:
            await self._homes.stop()
            await self.web.stop()

    def http_routes(self) -> list[web.RouteDef]:
        """The route Slack calls in HTTP mode; none in Socket Mode."""
        return [] if self._link is not None else [web.post(EVENTS_PATH, self._http)]

    async def connected(self) -> None:
        """Returns once Slack knows how to reach the bot."""
        if self._link is not None:
            await self._link.connected()
        else:
            await self._introduction.own()

    async def _http(self, request: web.Request) -> web.Response:
        """One signed request; Bolt checks signature and age before anything else (threat 4)."""
        if self._stopped:
            return web.Response(status=503)
        bolt_response = await self._reception.app.async_dispatch(await to_bolt_request(request))
        return await to_aiohttp_response(bolt_response)

    def _card_changed(self) -> None:
        if not self._stopped:
            self._homes.refresh()
