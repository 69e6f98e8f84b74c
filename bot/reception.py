"""Takes what Slack sends off Bolt: acknowledged in time, read, handed to its handler, and answered whatever happens."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.answering.answers import Said, outline
from bot.answering.desk import Desk
from bot.handlers import buttons, command, forms, home
from bot.handlers.outcome import Closed, FieldErrors, FormOutcome, acknowledgement
from bot.handlers.replies import refused
from bot.identity import Own
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
from bot.slack.web import quiet_logger
from gate.domain.refusal import Refused

log = structlog.get_logger(__name__)

FORM_SEC = 2.2
"""A form that is not decided by then is closed, and its person told when it is: Slack waits three seconds."""
GRACE_SEC = 1.5
"""How long interactions under way may take when the bot stops; what they decide is stored whole or not at all."""
_BOLT_ENVIRONMENT = (
    "SLACK_BOT_TOKEN",
    "SLACK_SIGNING_SECRET",
    "SLACK_VERIFICATION_TOKEN",
    "SLACK_CLIENT_ID",
    "SLACK_CLIENT_SECRET",
)


class Reception:
    """The Bolt app `app` with every listener it has. `known_own` is who the bot is, None while that is not known."""

    def __init__(
        self,
        *,
        desk: Desk,
        known_own: Callable[[], Own | None],
        bot_token: str,
        signing_secret: str,
        base_url: str,
    ) -> None:
        self.desk = desk
        self._known_own = known_own
        self._bot_token = bot_token
        self._serving: set[asyncio.Task[Any]] = set()
        self.app = self._bolt(signing_secret, base_url)
        self._listen()

    async def finish(self) -> None:
        """Wait for what is being served, and end what takes too long."""
        if self._serving:
            await asyncio.wait(self._serving, timeout=GRACE_SEC)
        left = tuple(self._serving)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _bolt(self, signing_secret: str, base_url: str) -> AsyncApp:
        """Bolt without what it takes from the environment: with SLACK_CLIENT_ID there it would switch to OAuth.

        Its own client has no token and is never used: it would read proxies for loopback addresses from the
        environment.
        """

        async def authorize() -> AuthorizeResult:
            return self._authorized()

        with _without(*_BOLT_ENVIRONMENT):
            return AsyncApp(
                name="signoff.slack.bolt",
                logger=quiet_logger(),
                client=AsyncWebClient(base_url=base_url, logger=quiet_logger(), retry_handlers=[]),
                authorize=authorize,
                signing_secret=signing_secret,
                request_verification_enabled=True,
                ssl_check_enabled=False,
                attaching_function_token_enabled=False,
            )

    def _authorized(self) -> AuthorizeResult:
        """For Bolt's own bookkeeping; who may do what is decided per interaction."""
        own = self._known_own()
        return AuthorizeResult(
            enterprise_id=None,
            team_id=own.team if own else None,
            bot_user_id=own.user if own else None,
            bot_id=own.bot if own else None,
            bot_token=self._bot_token,
        )

    def _listen(self) -> None:
        """Everything Slack can send is taken, so that nothing is left without acknowledgement."""
        anything = re.compile(".*", re.DOTALL)
        self.app.use(self._from_our_app)
        self.app.action(anything)(self._on_action)
        self.app.view_submission(anything)(self._on_form)
        self.app.view_closed(anything)(_just_acknowledge)
        self.app.command(anything)(self._on_command)
        self.app.event(anything)(self._on_event)
        self.app.shortcut(anything)(_just_acknowledge)
        self.app.options(anything)(_no_options)
        self.app.error(self._on_bolt_error)

    async def _from_our_app(
        self, body: dict[str, Any], next: Callable[[], Awaitable[None]]
    ) -> BoltResponse | None:
        """What another app was sent is no business of ours (threat 5)."""
        sender = sender_of(body)
        own = self._known_own()
        if sender is not None and own is not None and own.app and sender.app and sender.app != own.app:
            log.warning("slack_foreign_payload")
            return BoltResponse(status=403, body="")
        await next()
        return None

    async def _on_action(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        interaction = self._read(body)
        if isinstance(interaction, Click):
            await self._serve(interaction, buttons.clicked(self.desk, interaction))

    async def _on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        interaction = self._read(body)
        if isinstance(interaction, Command):
            await self._serve(interaction, command.typed(self.desk, interaction))

    async def _on_event(self, body: dict[str, Any]) -> None:  # Bolt acknowledges events before this runs
        interaction = self._read(body)
        if isinstance(interaction, HomeOpened):
            await self._serve(interaction, home.opened(self.desk, interaction))

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
                await self.desk.tell(interaction.sender, _place_of(interaction), outcome.said)
            elif not in_time:
                await self.desk.tell(interaction.sender, _place_of(interaction), _afterwards(outcome))

    async def _decide(self, submission: Submission) -> FormOutcome:
        try:
            return await forms.submitted(self.desk, submission)
        except Exception as error:  # the boundary: the person is told, whatever it was
            return Closed(said=refused(self.desk.failed(error)))

    async def _serve(self, interaction: Interaction, serving: Awaitable[None]) -> None:
        with self._counted():
            try:
                await serving
            except Exception as error:  # the boundary: the person is told, whatever it was
                said = refused(self.desk.failed(error))
                if not isinstance(interaction, HomeOpened):
                    await self.desk.tell(interaction.sender, _place_of(interaction), said)

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


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """The environment without these names, for one synchronous call."""
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
