"""Knows how to bring one action's card to the present state, posting it if there is none, and never a second one."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.blocks.card import card as render
from bot.blocks.messages import CardMessage
from bot.blocks.parts import POST_OPTIONS
from bot.channels import Channel, Channels, NoSuchChannel
from bot.drawing import drawn
from bot.finding import find_card
from bot.identity import Own
from bot.roster import Roster
from bot.slack_errors import SlackFailure, Trouble
from bot.web import CALL_SEC, Calls
from gate.domain.request import Status
from gate.usecases.cards import card_view
from gate.usecases.ports import Card, Deps
from gate.usecases.views import ActionView, PersonRef

log = structlog.get_logger(__name__)

SETTLE = timedelta(seconds=CALL_SEC + 5)
"""How long a post without an answer may still be on its way; before that, not finding it proves nothing."""

BROKEN_SETTLE = timedelta(seconds=2)
"""The same where the connection broke: nothing is on its way any more, and Slack finishes what it got in moments."""


class NoPlace(Exception):
    """No channel takes the card; the text names them and says what to do."""


class Unsettled(Exception):
    """A post may still be on its way; look again in `after_sec` seconds."""

    def __init__(self, after_sec: float) -> None:
        super().__init__("it may still be on its way to Slack")
        self.after_sec = after_sec


class CardDesk:
    """Cards by action. The intention to post is stored before posting, and whoever finds one looks before posting."""

    def __init__(
        self,
        *,
        deps: Deps,
        web: Calls,
        channels: Channels,
        roster: Roster,
        changed: Callable[[ActionView], None] = lambda view: None,
    ) -> None:
        self._deps = deps
        self._web = web
        self._channels = channels
        self._roster = roster
        self._changed = changed
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._ended: dict[str, tuple[datetime, datetime | None]] = {}
        """Action -> (`posting_since` of an intention whose post failed here, when not finding it proves that it never
        arrived; None: Slack refused it, and there is nothing to find)."""

    async def bring(self, action_id: str, own: Own) -> tuple[ActionView, Card] | None:
        """The view and where its card now stands; None where there is no such action.

        Raises `SlackFailure`, `NoPlace` and `Unsettled`; calling again later is always right.
        """
        async with self._alone(action_id):
            view = await self.view(action_id, own)
            if view is None:
                return None
            message = await drawn(view, lambda: render(view))
            digest = _digest(message)
            card = await self._stored(action_id)
            if card is not None and card.ts is None:
                card = await self._look_for(card, own)
            if card is None or card.ts is None:
                card = await self._post(view, message, digest)
            elif card.rendered_sha256 != digest:
                card = await self._update(view, card, message, digest)
            else:
                return view, card
            self._changed(view)
            return view, card

    async def view(self, action_id: str, own: Own) -> ActionView | None:
        """The view with everybody who is asked known by their Slack id, as far as Slack knows them."""
        view = await card_view(self._deps, action_id)
        if view is not None and await self.know(view.asked, own):
            view = await card_view(self._deps, action_id)
        return view

    async def know(self, people: Iterable[PersonRef], own: Own) -> bool:
        """Look up those whose Slack id is not known yet; whether any was found. Never keeps a card waiting."""
        found = False
        for person in people:
            if person.slack is None:
                try:
                    found = await self._roster.slack_id(person.id, own) is not None or found
                except SlackFailure as failure:
                    log.info("slack_person_unknown", person=person.id, code=failure.code)
        return found

    async def _look_for(self, card: Card, own: Own) -> Card | None:
        """The card of an intention whose end is not known: adopted where it stands; None where it never arrived."""
        since, settled_at = self._ended.get(card.action_id, (None, None))
        if since != card.posting_since:  # an intention of another process, or of an earlier run
            settled_at = card.posting_since + SETTLE
        if settled_at is None:
            return None
        ts = await find_card(
            self._web,
            own_user=own.user,
            action_id=card.action_id,
            channel=card.channel,
            since=card.posting_since,
        )
        if ts is not None:
            log.info("slack_card_adopted", action=card.action_id)
            adopted = replace(card, ts=ts, rendered_sha256=None)
            await self._store(adopted)
            return adopted
        left = settled_at - self._deps.clock.now()
        if left > timedelta(0):
            raise Unsettled(left.total_seconds())
        return None

    async def _post(self, view: ActionView, message: CardMessage, digest: str) -> Card:
        reasons: list[str] = []
        for wanted in await self._places(view):
            try:
                channel = await self._channels.find(wanted)
                await self._channels.enter(channel)
                return await self._post_to(channel, view, message, digest)
            except NoSuchChannel as missing:
                reasons.append(str(missing))
            except SlackFailure as failure:
                if failure.trouble is not Trouble.PLACE:
                    raise
                self._channels.forget()
                reasons.append(f"{wanted}: {failure.sentence}")
        raise NoPlace(" ".join(dict.fromkeys(reasons)))

    async def _post_to(self, channel: Channel, view: ActionView, message: CardMessage, digest: str) -> Card:
        await self._web.turn("chat.postMessage", channel.id)
        since = self._deps.clock.now()
        card = Card(action_id=view.action_id, channel=channel.id, ts=None, posting_since=since)
        await self._store(card)
        try:
            answer = await self._web.call(
                "chat.postMessage",
                channel=channel.id,
                text=message.text,
                blocks=message.blocks,
                metadata=message.metadata,
                **POST_OPTIONS,
            )
        except SlackFailure as failure:
            settled_at = None
            if failure.trouble is Trouble.UNCERTAIN:
                settled_at = self._deps.clock.now() + (
                    BROKEN_SETTLE if failure.code == "no_answer" else SETTLE
                )
            self._ended[view.action_id] = since, settled_at
            raise
        self._ended.pop(view.action_id, None)
        card = replace(
            card,
            channel=str(answer.get("channel") or channel.id),
            ts=str(answer["ts"]),
            rendered_sha256=digest,
        )
        await self._store(card)
        return card

    async def _update(self, view: ActionView, card: Card, message: CardMessage, digest: str) -> Card:
        try:
            await self._web.call(
                "chat.update",
                paced=True,
                channel=card.channel,
                ts=card.ts,
                text=message.text,
                blocks=message.blocks,
                parse="none",
                link_names=False,
            )
        except SlackFailure as failure:
            if failure.trouble is not Trouble.GONE and failure.code != "is_archived":
                raise
            log.info("slack_card_gone", action=view.action_id, code=failure.code)
            if view.status is Status.PENDING:
                # Somebody deleted it, or its channel was archived: people still have to be able to decide.
                return await self._post(view, message, digest)
        updated = replace(card, rendered_sha256=digest)
        await self._store(updated)
        return updated

    async def _places(self, view: ActionView) -> tuple[str, ...]:
        """Where the card may go, best first: the rule's channel, the groups' channels, the default."""
        directory = self._deps.rules.current.directory
        async with self._deps.store.reading() as tx:
            record = await tx.actions.get(view.action_id)
        plan = record.plan if record is not None else None
        groups = (*plan.groups, *plan.distinct_groups) if plan is not None else ()
        of_groups = [directory.groups[g].channel for g in groups if g in directory.groups]
        wanted = [plan.channel if plan is not None else None, *of_groups, directory.default_channel]
        return tuple(dict.fromkeys(place for place in wanted if place))

    async def _stored(self, action_id: str) -> Card | None:
        async with self._deps.store.reading() as tx:
            return await tx.cards.get(action_id)

    async def _store(self, card: Card) -> None:
        async with self._deps.store.writing() as tx:
            await tx.cards.put(card)

    @asynccontextmanager
    async def _alone(self, action_id: str) -> AsyncIterator[None]:
        """One at a time per action in this process; between processes the outbox leases an action's messages."""
        lock, waiting = self._locks.get(action_id, (asyncio.Lock(), 0))
        self._locks[action_id] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks[action_id]
            if waiting == 1:
                del self._locks[action_id]
            else:
                self._locks[action_id] = (lock, waiting - 1)


def _digest(message: CardMessage) -> str:
    body = json.dumps([message.text, message.blocks], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(body.encode()).hexdigest()
