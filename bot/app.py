"""Puts the bot together on Bolt, starts and stops it; interactions are acknowledged here and served elsewhere."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.answers import Answers, Said, outline
from bot.cards import CardDesk
from bot.channels import Channels
from bot.delivery import SlackChannel
from bot.desk import Desk
from bot.handlers import buttons, command, forms, home
from bot.handlers.outcome import Closed, FieldErrors, FormOutcome, acknowledgement
from bot.handlers.replies import refused
from bot.homes import Homes
from bot.identity import Identities, Own
from bot.pacing import Pacer
from bot.payloads import (
    Click,
    Command,
    HomeOpened,
    Interaction,
    Place,
    Submission,
    Unreadable,
    read,
    sender_of,
)
from bot.roster import Roster
from bot.slack_errors import SlackFailure, Trouble
from bot.socket_link import SocketLink
from bot.web import SlackWeb, api_base, quiet_logger
from gate.domain.refusal import Refused
from gate.usecases.ports import DeliveryChannel, Deps
from gate.usecases.views import ActionView

log = structlog.get_logger(__name__)

EVENTS_PATH = "/slack/events"
FORM_SEC = 2.2
"""A form that is not decided by then is closed, and its person told when it is: Slack waits three seconds."""
GRACE_SEC = 8.0
_OWN_SEC = 3_600.0
_BOLT_ENVIRONMENT = (
    "SLACK_BOT_TOKEN",
    "SLACK_SIGNING_SECRET",
    "SLACK_VERIFICATION_TOKEN",
    "SLACK_CLIENT_ID",
    "SLACK_CLIENT_SECRET",
)


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
        self._settings = settings
        base_url = api_base(settings.api_url)
        self.web = SlackWeb(token=settings.bot_token, base_url=base_url, pacer=Pacer())
        self._identities = Identities(deps=deps, web=self.web)
        roster = Roster(deps=deps, web=self.web, identities=self._identities)
        self._homes = Homes(deps=deps, web=self.web)
        channels = Channels(web=self.web)
        cards = CardDesk(
            deps=deps, web=self.web, channels=channels, roster=roster, changed=self._card_changed
        )
        self._channel = SlackChannel(
            deps=deps, web=self.web, channels=channels, roster=roster, cards=cards, own=self.own
        )
        self._desk = Desk(
            deps=deps,
            web=self.web,
            identities=self._identities,
            answers=Answers(web=self.web),
            homes=self._homes,
            own=self.own,
        )
        self._app = _bolt(settings, base_url, self._authorized)
        self._listen()
        self._link = (
            SocketLink(app=self._app, app_token=settings.app_token, web=self.web, prepare=self._ask_own)
            if settings.app_token and not settings.signing_secret
            else None
        )
        self._own: Own | None = None
        self._asked_own_at = 0.0
        self._asking_own = asyncio.Lock()
        self._own_problem: str | None = "The bot has not reached Slack yet."
        self._introducing: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[Any]] = set()
        self._stopped = False

    @property
    def channel(self) -> DeliveryChannel:
        """The outbox's way to Slack."""
        return self._channel

    @property
    def problem(self) -> str | None:
        """What keeps people from deciding in Slack, as a sentence; None where nothing does."""
        if self._link is not None and self._link.problem is not None:
            return self._link.problem
        return self._own_problem or self._channel.problem

    async def start(self) -> None:
        """Begin. Returns after the first attempt to connect, whatever came of it: Slack being away stops nobody."""
        self._stopped = False
        await self.web.start()
        if self._link is not None:
            self._link.start()
            await self._link.first_attempt()
        else:
            self._introducing = asyncio.get_running_loop().create_task(
                self._introduce(), name="slack-introduce"
            )

    async def stop(self) -> None:
        """Take nothing new, finish what is being served, close everything."""
        self._stopped = True
        if self._introducing is not None:
            self._introducing.cancel()
            await asyncio.gather(self._introducing, return_exceptions=True)
            self._introducing = None
        if self._link is not None:
            await self._link.stop()
        if self._serving:
            await asyncio.wait(self._serving, timeout=GRACE_SEC)
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._homes.stop()
        await self.web.stop()

    def http_routes(self) -> list[web.RouteDef]:
        """The route Slack calls in HTTP mode; none in Socket Mode."""
        if self._link is not None:
            return []
        return [web.post(EVENTS_PATH, self._http)]

    async def connected(self) -> None:
        """Returns once Slack knows how to reach the bot."""
        if self._link is not None:
            await self._link.connected()
        else:
            await self.own()

    async def own(self) -> Own:
        """Who the bot is; asked of Slack where it is not known yet. Raises `SlackFailure`."""
        if self._own is None:
            async with self._asking_own:
                if self._own is None:
                    await self._ask_own()
        own = self._own
        if own is None:
            raise SlackFailure("auth.test", Trouble.OUTAGE, "unreachable")
        return own

    async def _ask_own(self) -> None:
        if (
            self._own is not None
            and time.monotonic() - self._asked_own_at < _OWN_SEC
            and self._own_problem is None
        ):
            return
        try:
            told = await self.web.call("auth.test")
        except SlackFailure as failure:
            self._own_problem = failure.sentence
            raise
        app: str | None = None
        bot_id = told.get("bot_id")
        if isinstance(bot_id, str):
            try:
                found = (await self.web.call("bots.info", bot=bot_id)).get("bot")
                app = found.get("app_id") if isinstance(found, dict) else None
            except SlackFailure as failure:
                log.info("slack_app_unknown", code=failure.code)
        self._own = Own(
            team=str(told.get("team_id") or ""),
            user=str(told.get("user_id") or ""),
            bot=bot_id if isinstance(bot_id, str) else None,
            app=app if isinstance(app, str) else None,
            url=str(told["url"]).rstrip("/") if told.get("url") else None,
        )
        self._asked_own_at = time.monotonic()
        self._own_problem = None

    async def _introduce(self) -> None:
        """HTTP mode: find out who we are, however long Slack is away."""
        pause = 0.5
        while True:
            try:
                await self._ask_own()
            except SlackFailure:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 15.0)
            else:
                return

    def _authorized(self) -> AuthorizeResult:
        """For Bolt's own bookkeeping; who may do what is decided per interaction."""
        own = self._own
        return AuthorizeResult(
            enterprise_id=None,
            team_id=own.team if own else None,
            bot_user_id=own.user if own else None,
            bot_id=own.bot if own else None,
            bot_token=self._settings.bot_token,
        )

    def _card_changed(self, view: ActionView) -> None:
        if not self._stopped:
            self._homes.refresh()

    # -- what comes in ----------------------------------------------------------------------------

    def _listen(self) -> None:
        """Everything Slack can send is taken, so that nothing is left without acknowledgement."""
        anything = re.compile(".*", re.DOTALL)
        self._app.use(self._from_our_app)
        self._app.action(anything)(self._on_action)
        self._app.view_submission(anything)(self._on_form)
        self._app.view_closed(anything)(_just_acknowledge)
        self._app.command(anything)(self._on_command)
        self._app.event(anything)(self._on_event)
        self._app.shortcut(anything)(_just_acknowledge)
        self._app.options(anything)(_no_options)
        self._app.error(self._on_bolt_error)

    async def _http(self, request: web.Request) -> web.Response:
        """One signed request; Bolt checks signature and age before anything else (threat 4)."""
        if self._stopped:
            return web.Response(status=503)
        return await to_aiohttp_response(await self._app.async_dispatch(await to_bolt_request(request)))

    async def _from_our_app(
        self, body: dict[str, Any], next: Callable[[], Awaitable[None]]
    ) -> BoltResponse | None:
        """What another app was sent is no business of ours (threat 5)."""
        sender = sender_of(body)
        own = self._own
        if sender is not None and own is not None and own.app and sender.app and sender.app != own.app:
            log.warning("slack_foreign_payload")
            return BoltResponse(status=403, body="")
        await next()
        return None

    async def _on_action(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        interaction = self._read(body)
        if isinstance(interaction, Click):
            await self._serve(interaction, buttons.clicked(self._desk, interaction))

    async def _on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        interaction = self._read(body)
        if isinstance(interaction, Command):
            await self._serve(interaction, command.typed(self._desk, interaction))

    async def _on_event(self, body: dict[str, Any]) -> None:  # Bolt acknowledges events before this runs
        interaction = self._read(body)
        if isinstance(interaction, HomeOpened):
            await self._serve(interaction, home.opened(self._desk, interaction))

    async def _on_form(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """The answer is the acknowledgement, so the form is decided first; where that takes too long it is closed."""
        interaction = self._read(body)
        if not isinstance(interaction, Submission):
            await ack()
            return
        with self._counted():
            deciding = asyncio.get_running_loop().create_task(self._decide(interaction))
            try:
                await asyncio.wait({deciding}, timeout=FORM_SEC)
                in_time = deciding.done()
                if not in_time:
                    await ack(response_action="clear")
                outcome = await deciding
            finally:
                deciding.cancel()
            if in_time:
                await ack(**acknowledgement(outcome))
            if isinstance(outcome, Closed):
                await self._desk.tell(interaction.sender, _place_of(interaction), outcome.said)
            elif not in_time:
                await self._desk.tell(interaction.sender, _place_of(interaction), _afterwards(outcome))

    async def _decide(self, submission: Submission) -> FormOutcome:
        try:
            return await forms.submitted(self._desk, submission)
        except Exception as error:  # the boundary: the person is told, whatever it was
            return Closed(said=refused(self._desk.failed(error)))

    async def _serve(self, interaction: Interaction, serving: Awaitable[None]) -> None:
        with self._counted():
            try:
                await serving
            except Exception as error:  # the boundary: the person is told, whatever it was
                said = refused(self._desk.failed(error))
                if not isinstance(interaction, HomeOpened):
                    await self._desk.tell(interaction.sender, _place_of(interaction), said)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """`stop` waits for the task this runs in."""
        task = asyncio.current_task()
        if task is None:
            yield
            return
        self._serving.add(task)
        try:
            yield
        finally:
            self._serving.discard(task)

    def _read(self, body: dict[str, Any]) -> Interaction | None:
        try:
            return read(body)
        except Unreadable as unreadable:
            log.warning("slack_payload_unreadable", missing=str(unreadable))
            return None

    async def _on_bolt_error(self, error: Exception) -> BoltResponse:
        log.error("slack_listener_failed", error=type(error).__name__, at=outline(error))
        return BoltResponse(status=200, body="")


def _afterwards(outcome: FormOutcome) -> Said:
    """What to tell somebody whose form was closed before it was decided, and could not be answered in place."""
    match outcome:
        case FieldErrors(errors=errors):
            sentence = f"It was not accepted: {' '.join(errors.values())}"
        case _:
            sentence = "Look at the card for what stands now."
    return refused(Refused(code="too_late", sentence=f"That took too long to show in the form. {sentence}"))


def _place_of(interaction: Interaction) -> Place:
    match interaction:
        case Click(place=place) | Command(place=place):
            return place
        case Submission(view=view):
            state = view.state
            return Place(channel=state.channel, message_ts=state.message_ts) if state is not None else Place()
        case HomeOpened():
            return Place()


async def _just_acknowledge(ack: AsyncAck) -> None:
    await ack()


async def _no_options(ack: AsyncAck) -> None:
    await ack(options=[])


def _bolt(settings: SlackSettings, base_url: str, authorized: Callable[[], AuthorizeResult]) -> AsyncApp:
    """Bolt without what it takes from the environment: with SLACK_CLIENT_ID there it would switch to OAuth.

    Its own client has no token and is never used: it would read proxies for loopback addresses from the environment.
    """

    async def authorize() -> AuthorizeResult:
        return authorized()

    with _without(*_BOLT_ENVIRONMENT):
        return AsyncApp(
            name="signoff.slack.bolt",
            logger=quiet_logger(),
            client=AsyncWebClient(base_url=base_url, logger=quiet_logger(), retry_handlers=[]),
            authorize=authorize,
            signing_secret=settings.signing_secret or "",
            request_verification_enabled=True,
            ssl_check_enabled=False,
            attaching_function_token_enabled=False,
        )


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """The environment without these names, for one synchronous call."""
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
