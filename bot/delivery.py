"""Knows the Slack side of the outbox: cards, thread lines, direct messages, and what each failure asks for."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from bot.blocks.alarm import alarm_line
from bot.blocks.checkpoint import checkpoint_line
from bot.blocks.delegation import delegation_message
from bot.blocks.direct import direct_message, summary_message
from bot.blocks.emergency import WHYS as EMERGENCY_WHYS
from bot.blocks.messages import Line
from bot.blocks.parts import POST_OPTIONS
from bot.blocks.thread import thread_line
from bot.identity import Own
from bot.people.roster import Roster
from bot.posting.channels import Channels, NoSuchChannel
from bot.posting.finding import find_line, line_metadata
from bot.posting.once import BROKEN_SETTLE, POST, SETTLE, Unsettled
from bot.posting.pings import Pings, Turn
from bot.posting.places import NoPlace
from bot.slack.errors import SlackFailure, Trouble
from bot.slack.web import Calls
from bot.surfaces.cards import CardDesk
from bot.surfaces.homes import links_of
from gate.domain.bursts import urgent
from gate.domain.request import Choice, Status
from gate.domain.risk import Risk
from gate.usecases.cards import queue, thread_event
from gate.usecases.delegations import delegation_view
from gate.usecases.lending import at_its_turn
from gate.usecases.ports import Card, Delivered, Delivery, Deps, Message, RetryLater, Undeliverable
from gate.usecases.views import ActionView

log = structlog.get_logger(__name__)

DELIVER_SEC = 20.0
"""One delivery never takes longer; the worker's lease has to be longer than this."""
LINK_SEC = 3.0
"""How long another channel's message waits for the link to the card; it goes out without one rather than late."""
MAYBE_TRIED = timedelta(seconds=DELIVER_SEC)
"""A line older than this may have been sent by a process that died since, so it is looked for first."""
_MOST_REMEMBERED = 5_000
_OUTAGE_PAUSE_SEC = 1.0
_LONGEST_OUTAGE_PAUSE_SEC = 10.0


class SlackChannel:
    """Implements `ports.DeliveryChannel` for the channel `slack`; every kind may be delivered twice or late."""

    def __init__(
        self,
        *,
        deps: Deps,
        web: Calls,
        channels: Channels,
        roster: Roster,
        cards: CardDesk,
        own: Callable[[], Awaitable[Own]],
    ) -> None:
        self._deps = deps
        self._web = web
        self._channels = channels
        self._roster = roster
        self._cards = cards
        self._own = own
        self._pings = Pings(deps=deps)
        self._started_at = deps.clock.now()
        self._tried: OrderedDict[str, datetime] = OrderedDict()
        """Lines that were sent and not answered, with when not finding them will prove something."""
        self._outage_pause = _OUTAGE_PAUSE_SEC
        self.problem: str | None = None
        """What keeps everything from being delivered, as a sentence; None while deliveries work."""

    async def deliver(self, message: Message) -> Delivery:
        """Deliver one row of the outbox; any failure of Slack becomes an answer, never an exception."""
        try:
            async with asyncio.timeout(DELIVER_SEC):
                answer = await self._deliver(message, await self._own())
        except SlackFailure as failure:
            return self._not_delivered(failure, message)
        except (NoPlace, NoSuchChannel) as nowhere:
            return Undeliverable(error=str(nowhere))
        except Unsettled as unsettled:
            return RetryLater(error=str(unsettled), after_sec=unsettled.after_sec, counts=False)
        except TimeoutError:
            return RetryLater(error="Slack took too long.", after_sec=_OUTAGE_PAUSE_SEC, counts=False)
        self._outage_pause = _OUTAGE_PAUSE_SEC
        self.problem = None
        return answer

    async def card_link(self, action_id: str) -> str | None:
        """Where the card stands; None where there is none yet, or Slack does not say within a moment."""
        card = await self._deps.store.now.cards.get(action_id)
        if card is None or card.ts is None:
            return None
        try:
            async with asyncio.timeout(LINK_SEC):
                return await self._link(card)
        except (SlackFailure, TimeoutError):
            return None

    async def _deliver(self, message: Message, own: Own) -> Delivery:
        if message.kind == "card":
            await self._cards.bring(message.action_id, own)
            return Delivered()
        if message.kind == "thread":
            return await self._thread(message, own)
        if message.kind == "dm":
            return await self._direct(message, own)
        if message.kind == "alarm":
            return await self._alarm(message, own)
        if message.kind == "checkpoint":
            return await self._checkpoint(message, own)
        if message.kind == "delegation":
            return await self._delegation(message, own)
        return Undeliverable(error=f"Slack has no messages of the kind {message.kind!r}.")

    async def _checkpoint(self, message: Message, own: Own) -> Delivery:
        """Keep a checkpoint of the record in a channel, unless a newer one is on its way there."""
        size = message.body.get("size")
        async with self._deps.store.reading() as tx:
            sealed = await tx.tree.sealed(size) if isinstance(size, int) else None
            newest = await tx.publications.last(str(message.body.get("place")))
        if sealed is None or sealed.size != size or (newest is not None and newest.size > sealed.size):
            return Delivered()
        channel = await self._channels.find(str(message.body.get("channel")))
        await self._channels.enter(channel)
        if not await self._stands(message, own, channel.id, None):
            await self._say(message, channel.id, checkpoint_line(sealed.note, sealed.size))
        return Delivered()

    async def _delegation(self, message: Message, own: Own) -> Delivery:
        """Tell one of the two people of a delegation; the body of its message says whom and what. Where it says that
        the time of one has come, its cards are queued."""
        if message.body.get("event") in ("begins", "ends"):
            await at_its_turn(self._deps, message.action_id)
            return Delivered()
        item = await delegation_view(self._deps, message.action_id)
        person_id = str(message.body.get("person", ""))
        reader = next((p for p in (item.grantor, item.delegate) if p.id == person_id), None) if item else None
        if item is None or reader is None:
            return Delivered()
        user = await self._roster.slack_id(person_id, own)
        if user is None:
            return self._nobody(person_id)
        opened = await self._web.call("conversations.open", paced=True, users=user)
        channel = str((opened.get("channel") or {}).get("id") or user)
        if not await self._stands(message, own, channel, None):
            line = delegation_message(item, reader, str(message.body.get("event", "")))
            await self._say(message, channel, line)
        return Delivered()

    async def _alarm(self, message: Message, own: Own) -> Delivery:
        """A line in the channel for escalations, unless the card itself stands there for all to see."""
        wanted = self._deps.rules.current.directory.escalation_channel
        event = await thread_event(self._deps, message) if wanted is not None else None
        standing = await self._standing(message.action_id, own) if event is not None else None
        if wanted is None or event is None or standing is None:
            return Delivered()
        view, card = standing
        channel = await self._channels.find(wanted)
        if channel.id == card.channel:
            return Delivered()
        await self._channels.enter(channel)
        if not await self._stands(message, own, channel.id, None):
            await self._say(message, channel.id, alarm_line(event, view, await self._link(card)))
        return Delivered()

    @staticmethod
    def _nobody(person_id: str) -> Undeliverable:
        return Undeliverable(
            error=f"Slack has nobody for {person_id}: set `slack:` or the right e-mail address in people.yaml."
        )

    async def _thread(self, message: Message, own: Own) -> Delivery:
        now = self._deps.store.now
        placed, record = await asyncio.gather(
            now.cards.get(message.action_id), now.actions.get(message.action_id)
        )
        if placed is not None and placed.digest is None and placed.ts is not None and record is not None:
            critical = record.verdict.effective.risk is Risk.CRITICAL
            self._web.soon(POST, placed.channel, urgent=critical)
        event = await thread_event(self._deps, message)
        if event is None:
            return Delivered()
        if await self._cards.know(event.mention, own):
            event = await thread_event(self._deps, message) or event
        standing = await self._standing(message.action_id, own)
        if standing is None:
            return Delivered()
        view, card = standing
        if card.digest is not None:
            return Delivered()  # a thread of many requests tells nothing; the story stands in the details
        if await self._stands(message, own, card.channel, card.ts):
            return Delivered()
        try:
            await self._say(message, card.channel, thread_line(event, view), thread_ts=card.ts)
        except SlackFailure as failure:
            if failure.trouble is not Trouble.GONE:
                raise
            log.info(
                "slack_thread_gone", action=message.action_id
            )  # the card was deleted, and the story with it
        return Delivered()

    async def _direct(self, message: Message, own: Own) -> Delivery:
        person_id, why = str(message.body.get("person", "")), str(message.body.get("why", ""))
        early = await self._needs_no_look(message, person_id, why, own)
        if early is not None:
            return early
        standing = await self._about(message.action_id, own)
        if standing is None:
            return Delivered()
        view, card = standing
        grantor = None
        if "for" in message.body:
            mine = (s.grantor for s in view.stand_ins if s.person.id == person_id)
            grantor = next(mine, None)
            if grantor is None:
                return Delivered()  # the delegation has ended, or who lent it cannot decide this any more
        if not _still_stands(view, person_id, why):
            return Delivered()
        user = await self._roster.slack_id(person_id, own)
        if user is None:
            return self._nobody(person_id)
        first = (
            why == "asked" and "held" not in message.body
        )  # whoever was left in peace then was only named there
        if first and card is not None and await self._mentioned(person_id, user, card):
            return Delivered()
        turn = await self._pings.turn(message, person_id, why, view.risk)
        if turn is None:
            return Delivered()
        if isinstance(turn, datetime):
            return self._in_its_minute(turn)
        try:
            opened = await self._web.call("conversations.open", paced=True, users=user)
            channel = str((opened.get("channel") or {}).get("id") or user)
            if not await self._stands(message, own, channel, None):
                if turn.merged:
                    line = await self._summary(turn, own)
                else:
                    line = direct_message(view, why, await self._link(card), grantor)
                if line is not None:
                    await self._say(message, channel, line)
        except SlackFailure as failure:
            if failure.trouble is not Trouble.UNCERTAIN:
                await self._pings.give_back(turn)
            raise
        await self._pings.done(turn)
        return Delivered()

    async def _needs_no_look(self, message: Message, person_id: str, why: str, own: Own) -> Delivery | None:
        """What becomes of a message to whom its card has told already, or who is called once a minute at most, without
        drawing up all there is to say about its action; in a burst this is nearly every one."""
        now = self._deps.store.now
        card, record = await asyncio.gather(
            now.cards.get(message.action_id), now.actions.get(message.action_id)
        )
        if card is None or card.ts is None or record is None:
            return None
        if why == "asked" and "held" not in message.body:
            user = await self._roster.slack_id(person_id, own)
            if user is not None and await self._mentioned(person_id, user, card):
                return Delivered()
        if card.digest is None and record.status is not Status.PENDING:
            return None  # it may be let go of at once
        risk = record.verdict.effective.risk
        held = self._pings.held(person_id, why, risk)
        if held is not None:
            return self._in_its_minute(held)
        self._web.soon("conversations.open", urgent=urgent(risk, why))
        return None

    def _in_its_minute(self, at: datetime) -> Delivery:
        left = (at - self._deps.clock.now()).total_seconds()
        return RetryLater(error="others wait for the same person", after_sec=max(left, 0.05), counts=False)

    async def _summary(self, turn: Turn, own: Own) -> Line | None:
        """One message for all that waits for a person, out of their queue; None where nothing does any more."""
        waiting = await queue(self._deps, turn.person)
        outcomes = sum(1 for _, why in turn.covers if why == "outcome")
        return summary_message(waiting, links_of(waiting, own), outcomes=outcomes)

    async def _mentioned(self, person_id: str, user: str, card: Card) -> bool:
        """Whether the message in the channel told the person, who is there to see it."""
        if card.digest is not None:
            async with self._deps.store.reading() as tx:
                digest = await tx.digests.get(card.digest)
            if digest is None or person_id not in digest.told:
                return False  # asked for what joined later: an update mentions nobody
        return await self._sees(user, card.channel)

    async def _sees(self, user: str, channel: str) -> bool:
        """Whether the person is in the channel; where Slack does not say, they are told once too often."""
        try:
            return user in await self._channels.members(channel)
        except SlackFailure as failure:
            if failure.trouble in (Trouble.PLACE, Trouble.SETUP, Trouble.PERMANENT):
                return False
            raise

    async def _about(self, action_id: str, own: Own) -> tuple[ActionView, Card | None] | None:
        """The view and the card; what policy let through by itself has none, and gets none because of a message."""
        record = await self._deps.store.now.actions.get(action_id)
        if record is None or record.plan is not None:
            return await self._standing(action_id, own)
        view = await self._cards.view(action_id, own)
        return (view, None) if view is not None else None

    async def _standing(self, action_id: str, own: Own) -> tuple[ActionView, Card] | None:
        """The view and the card, brought up to date where it does not stand yet."""
        card = await self._deps.store.now.cards.get(action_id)
        if card is None or card.ts is None:
            card = await self._cards.bring(action_id, own)
        view = await self._cards.view(action_id, own)
        return (view, card) if view is not None and card is not None else None

    async def _stands(self, message: Message, own: Own, channel: str, thread_ts: str | None) -> bool:
        """Whether this line was posted before; asked only where an earlier attempt is possible."""
        maybe = (
            message.attempts > 0
            or message.id in self._tried
            or message.begins < self._started_at
            or self._deps.clock.now() - message.begins > MAYBE_TRIED
        )
        if not maybe:
            return False
        found = await find_line(
            self._web,
            own_user=own.user,
            message_id=message.id,
            channel=channel,
            thread_ts=thread_ts,
            since=message.created_at,
        )
        settled_at = self._tried.get(message.id)
        left = settled_at - self._deps.clock.now() if settled_at is not None else timedelta(0)
        if not found and left > timedelta(0):
            raise Unsettled(left.total_seconds())
        return found

    async def _say(self, message: Message, channel: str, line: Line, *, thread_ts: str | None = None) -> None:
        await self._web.turn(POST, channel)
        self._tried[message.id] = self._deps.clock.now() + SETTLE
        if len(self._tried) > _MOST_REMEMBERED:
            self._tried.popitem(last=False)
        where = {"channel": channel} | ({"thread_ts": thread_ts} if thread_ts else {})
        try:
            await self._web.call(
                POST,
                text=line.text,
                blocks=line.blocks,
                metadata=line_metadata(message.id),
                **where,
                **POST_OPTIONS,
            )
        except SlackFailure as failure:
            if failure.trouble is not Trouble.UNCERTAIN:
                self._tried.pop(message.id, None)
            elif failure.code == "no_answer":
                self._tried[message.id] = self._deps.clock.now() + BROKEN_SETTLE
            raise
        self._tried.pop(message.id, None)

    async def _link(self, card: Card | None) -> str | None:
        if card is None:
            return None
        try:
            answer = await self._web.call(
                "chat.getPermalink", paced=True, channel=card.channel, message_ts=card.ts
            )
        except SlackFailure as failure:
            if failure.trouble in (Trouble.GONE, Trouble.PLACE, Trouble.PERMANENT):
                return None
            raise
        link = answer.get("permalink")
        return link if isinstance(link, str) else None

    def _not_delivered(self, failure: SlackFailure, message: Message) -> Delivery:
        trouble = failure.trouble
        if (
            trouble is Trouble.SETUP
            and message.kind in ("dm", "alarm", "checkpoint")
            and failure.method not in ("auth.test", POST)
        ):
            # A scope that only calling people needs must not hold up the card, which comes after it in line.
            return Undeliverable(error=failure.sentence)
        if trouble is Trouble.RATE_LIMITED:
            return RetryLater(error=str(failure), after_sec=failure.retry_after, counts=False)
        if trouble in (Trouble.OUTAGE, Trouble.SETUP) or failure.code in ("no_answer", "timed_out"):
            self.problem = failure.sentence
            pause, self._outage_pause = (
                self._outage_pause,
                min(self._outage_pause * 1.5, _LONGEST_OUTAGE_PAUSE_SEC),
            )
            return RetryLater(error=failure.sentence, after_sec=pause, counts=False)
        if trouble in (Trouble.TRANSIENT, Trouble.UNCERTAIN):
            return RetryLater(error=str(failure))
        return Undeliverable(error=failure.sentence)


def _still_stands(view: ActionView, person_id: str, why: str) -> bool:
    """Whether what the person was to be told is still so: nobody is asked for what is decided already."""
    if why == "outcome":
        return True
    if why in EMERGENCY_WHYS:
        return view.emergency is not None and view.emergency.reviewer is None
    if view.status is not Status.PENDING:
        return False
    return not any(v.person.id == person_id and v.current and v.choice is Choice.APPROVE for v in view.votes)
