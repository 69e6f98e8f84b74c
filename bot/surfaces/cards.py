"""Knows how to bring what Slack shows of one action to the present state: a card of its own, posted if there is none
and never twice, or the digest it shares with others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from bot.blocks import shredded
from bot.blocks.card import card as render
from bot.blocks.messages import CardMessage
from bot.identity import Own
from bot.people.roster import Roster
from bot.posting.channels import Channel, Channels
from bot.posting.finding import find_card, own_lines
from bot.posting.once import POST, Posting, Unsettled, sha256_of
from bot.posting.places import Places
from bot.slack.errors import SlackFailure, Trouble
from bot.slack.web import Calls
from bot.surfaces.digests import DigestDesk
from bot.surfaces.drawing import drawn
from gate.domain.request import ActionRecord, Status
from gate.domain.risk import Risk
from gate.usecases.cards import card_view
from gate.usecases.digests import gathers_until, join, sharing
from gate.usecases.ports import Card, Deps, Transaction
from gate.usecases.shown import CARD, sight
from gate.usecases.transact import together_or_alone
from gate.usecases.views import ActionView, PersonRef

log = structlog.get_logger(__name__)

_AGAIN_SEC = 0.2
_TURN = "cards"
"""Whose turn it is where cards are stored together with what others store."""


class CardDesk:
    """Cards by action. The intention to post is stored before posting, and whoever finds one looks before posting."""

    def __init__(
        self,
        *,
        deps: Deps,
        web: Calls,
        channels: Channels,
        roster: Roster,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._deps = deps
        self._web = web
        self._roster = roster
        self._changed = changed
        self._places = Places(deps=deps, channels=channels)
        self._posting = Posting(clock=deps.clock, web=web)
        self._digests = DigestDesk(
            deps=deps,
            web=web,
            posting=self._posting,
            places=self._places,
            members=channels.members,
            know=self.know,
            changed=changed,
        )

    async def bring(self, action_id: str, own: Own) -> Card | None:
        """Where the action is shown, with what is so now; None where there is no such action.

        Raises `SlackFailure`, `NoPlace` and `Unsettled`; calling again later is always right.
        """
        async with self._posting.alone(action_id):
            card = await self._stored(action_id)
            if card is not None and card.digest is not None and not await self._outgrew(card):
                return await self._in_digest(card, card.digest, own)
            if card is not None and card.ts is None and card.digest is None:
                card = await self._look_for(card, own)
            await self._has_its_turn(action_id, card)
            view = await self.view(action_id, own)
            if view is None:
                return None
            message = await drawn(view, lambda: render(view))
            if card is not None and card.digest is not None:
                return await self._leave(view, card, message, own)
            if card is None or card.ts is None:
                card = await self._post(view, message, first=card is None, own=own)
            elif card.rendered_sha256 != sha256_of(message):
                card = await self._update(view, card, message, own)
            else:
                return card
            self._changed()
            return card

    async def _has_its_turn(self, action_id: str, card: Card | None) -> None:
        """Raises `SlackFailure` before anything is drawn up that would have to wait long for Slack."""
        record = await self._record(action_id)
        if record is None:
            return
        urgent = record.verdict.effective.risk is Risk.CRITICAL
        if card is not None and card.ts is not None:
            self._web.soon("chat.update", urgent=urgent)
            return
        channel = await self._places.first(record.plan)
        if channel is not None:
            self._web.soon(POST, channel, urgent=urgent)

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

    async def _in_digest(self, card: Card, digest_id: str, own: Own) -> Card | None:
        """The card with the place of the digest it shares, which is brought up to date."""
        digest = await self._digests.bring(digest_id, own)
        return None if digest is None else replace(card, channel=digest.channel, ts=digest.ts)

    async def _outgrew(self, card: Card) -> bool:
        """Whether an edit made what shares a digest critical: that gets a card of its own."""
        record = await self._record(card.action_id)
        return (
            record is not None
            and record.status is Status.PENDING
            and record.verdict.effective.risk is Risk.CRITICAL
        )

    async def _leave(self, view: ActionView, card: Card, message: CardMessage, own: Own) -> Card:
        """Out of the digest, onto a card of its own; then the digest shows one less."""
        alone = await self._post(view, message, first=False, own=own)
        if card.digest is not None:
            await self._digests.bring(card.digest, own)
        return alone

    async def _look_for(self, card: Card, own: Own) -> Card | None:
        """The card of an intention whose end is not known: adopted where it stands; None where it never arrived."""

        async def find() -> str | None:
            return await find_card(
                self._web,
                own_user=own.user,
                action_id=card.action_id,
                channel=card.channel,
                since=card.posting_since,
            )

        ts = await self._posting.settled(card.action_id, card.posting_since, find)
        if ts is None:
            return replace(card, ts=None)
        log.info("slack_card_adopted", action=card.action_id)
        adopted = replace(card, ts=ts, rendered_sha256=None)
        await self._store(adopted)
        return adopted

    async def _post(self, view: ActionView, message: CardMessage, *, first: bool, own: Own) -> Card:
        """Post a card in the best place that takes it; `first` where the action has no place yet, and may come to
        share one."""
        record = await self._record(view.action_id)
        plan = record.plan if record is not None else None

        async def post(channel: Channel) -> Card:
            if (
                first
                and record is not None
                and (shared := await self._share(record, channel, own)) is not None
            ):
                return shared
            await self._web.turn(POST, channel.id)
            if (
                first
                and record is not None
                and (shared := await self._share(record, channel, own)) is not None
            ):
                return shared  # more of its kind have come while it waited for its turn
            return await self._post_to(channel, view, message, first=first)

        return await self._places.anywhere(plan, post)

    async def _share(self, record: ActionRecord, channel: Channel, own: Own) -> Card | None:
        """The place in a digest, where the action and others of its agent are too many for a card each. The others
        that wait for a place come along."""
        members = await sharing(self._deps, record, channel.id, self._places.first)
        if members:
            await join(self._deps, record.agent.id, channel.id, members)
            card = await self._stored(record.id)
            if card is None or card.digest is None:
                raise Unsettled(_AGAIN_SEC, "somebody else places it at this moment")
            return await self._in_digest(card, card.digest, own)
        until = await gathers_until(self._deps, record, channel.id)
        if until is not None:
            left = (until - self._deps.clock.now()).total_seconds()
            raise Unsettled(max(left, 0.01), "it waits a moment for others of its kind")
        return None

    async def _post_to(
        self, channel: Channel, view: ActionView, message: CardMessage, *, first: bool
    ) -> Card:
        since = self._deps.clock.now()
        card = Card(action_id=view.action_id, channel=channel.id, ts=None, posting_since=since)
        if not first:
            await self._store(card)
        elif not await self._place(card):
            raise Unsettled(_AGAIN_SEC, "it came to share a message meanwhile")
        found_in, ts = await self._posting.send(view.action_id, channel.id, message, since)
        card = replace(card, channel=found_in, ts=ts, rendered_sha256=sha256_of(message))
        await self._delivered(card, view, message)
        return card

    async def _update(self, view: ActionView, card: Card, message: CardMessage, own: Own) -> Card:
        if view.shredded is not None:
            await self._empty_thread(card, own)
        stands = await self._posting.update(card.channel, card.ts or "", message)
        if not stands:
            log.info("slack_card_gone", action=view.action_id)
            if view.status is Status.PENDING:
                # Somebody deleted it, or its channel was archived: people still have to be able to decide.
                return await self._post(view, message, first=False, own=own)
        updated = replace(card, rendered_sha256=sha256_of(message))
        if stands:
            await self._delivered(updated, view, message)
        else:
            await self._store(updated)
        return updated

    async def _empty_thread(self, card: Card, own: Own) -> None:
        """Take the words out of the bot's lines below a card whose content is shredded; before the card itself, which
        is stored as drawn then and not looked at again."""
        if card.ts is None:
            return
        gone = shredded.line()
        try:
            lines = await own_lines(self._web, own_user=own.user, channel=card.channel, thread_ts=card.ts)
        except SlackFailure as failure:
            if failure.trouble is not Trouble.GONE:
                raise
            return
        for ts, text in lines:
            if text != gone.text:
                await self._posting.update(card.channel, ts, gone)

    async def _record(self, action_id: str) -> ActionRecord | None:
        return await self._deps.store.now.actions.get(action_id)

    async def _stored(self, action_id: str) -> Card | None:
        return await self._deps.store.now.cards.get(action_id)

    async def _place(self, card: Card) -> bool:
        return await together_or_alone(self._deps.store, _TURN, lambda tx: tx.cards.place(card))

    async def _delivered(self, card: Card, view: ActionView, message: CardMessage) -> None:
        """Store what Slack has confirmed, with the digest of what the card shows everybody from now on."""
        seen = sight(self._deps, view.action_id, view.version, CARD, message.blocks)

        async def put(tx: Transaction) -> None:
            await tx.cards.put(card)
            await tx.shown.put(seen)

        await together_or_alone(self._deps.store, _TURN, put)

    async def _store(self, card: Card) -> None:
        async with self._deps.store.writing() as tx:
            await tx.cards.put(card)
