"""A whole bot on a stand-in Slack: real store, policy, use-cases and outbox worker, the real SDK over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from bot.app import Bot, SlackSettings, build_bot
from bot.sandbox import RateLimits, Sandbox, Workspace
from gate.clock import SteadyClock
from gate.domain.action import Agent, Proposal
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Choice
from gate.ids import TimeSortedIds
from gate.keyring.signer import load_signer
from gate.metrics import Metrics
from gate.store import SqlStore, open_store
from gate.usecases.commands import CastVote, Done, SubmitAction
from gate.usecases.decide import decide
from gate.usecases.ports import Card, Deps, Message
from gate.usecases.submit import submit
from gate.workers.outbox import OutboxWorker, Terms
from gate.workers.wakeups import LocalWakeups
from tests.fakes.sealing import KEYS
from tests.fakes.world import Source, rules
from tests.harness.databases import migrated

PEOPLE = """
version: v1
people:
  ana: {name: Ana Ruiz, email: ana@meridian.example, slack: U0ANA}
  bo: {name: Bo Lindqvist, email: bo@meridian.example}
  chi: {name: Chi Okafor, email: chi@meridian.example, slack: U0CHI}
  dev: {name: Dev Patel, email: dev@meridian.example, slack: U0DEV}
  own: {name: Own Ferrari, email: own@meridian.example, slack: U0OWN}
  gia: {name: Gia Novak, email: gia@contractor.example, slack: U0GIA}
  hal: {name: Hal Brandt, email: hal@meridian.example, slack: U0HAL}
  pia: {name: Pia Sato, email: pia@partner.example, slack: U0PIA}
groups:
  finance: {members: [ana, bo, gia, hal, pia, own]}
  quiet: {members: [ana], channel: "#approvals-finance"}
  approvers: {members: [chi]}
on_call:
  primary: {rotation: {people: [chi], every: 1w, handoff: "mon 09:00", tz: Europe/Berlin}}
channels: {default: "#approvals"}
"""

POLICY = """
version: v1
guardrails:
  - {id: cap, match: {when: "has(payload.amount) && payload.amount > 50000"}, decision: deny, reason: Over the cap}
rules:
  - id: wires
    match: {topics: ["pay.wire"]}
    decision: require_approval
    risk: critical
    reason: Wires take two people
    approval: {groups: [finance], quorum: 2, sla: 30m}
  - id: quiet
    match: {topics: ["pay.quiet"]}
    decision: require_approval
    risk: medium
    reason: For finance only
    approval: {groups: [quiet], sla: 30m}
  - id: lost
    match: {topics: ["pay.lost"]}
    decision: require_approval
    risk: medium
    reason: In a channel that is not there
    approval: {groups: [finance], channel: "#no-such-place", sla: 30m}
  - id: notes
    match: {topics: ["note.*"]}
    decision: require_approval
    risk: medium
    reason: Notes are looked at
    approval: {groups: [finance], sla: 30m}
  - id: refunds
    match: {topics: ["pay.refund"]}
    decision: require_approval
    risk: high
    reason: Large refund
    approval:
      groups: [finance]
      sla: 30m
      editable:
        paths: ["/amount", "/note"]
        schema: {type: object, properties: {amount: {type: integer, minimum: 1}, note: {type: string}}}
"""

AGENT = Agent(id="agt_bot", name="support-bot", team="support", owner="own")
APPROVALS = "C0APPROVALS"


@dataclass
class Stage:
    """People act through `slack`; `deps` is what the gate runs on. `bot` is None between `stop_bot` and `start_bot`."""

    deps: Deps
    store: SqlStore
    slack: Sandbox
    settings: SlackSettings
    source: Source
    bot: Bot | None = None
    worker: OutboxWorker | None = None
    extras: dict[str, Any] = field(default_factory=dict)

    async def start_bot(self) -> Bot:
        self.bot = build_bot(self.deps, self.settings)
        await self.bot.start()
        await self.bot.connected()
        return self.bot

    async def start_worker(self, *, at_once: int = 8) -> None:
        assert self.bot is not None
        self.worker = OutboxWorker(
            store=self.store,
            clock=self.deps.clock,
            wakeups=self.deps.wakeups,
            metrics=Metrics(CollectorRegistry()),
            channels={"slack": Terms(channel=self.bot.channel, at_once=at_once)},
            poll_sec=0.2,
        )
        await self.worker.start()

    async def stop_worker(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            await worker.stop(grace_sec=2)

    async def stop(self) -> None:
        await self.stop_worker()
        bot, self.bot = self.bot, None
        if bot is not None:
            await bot.stop()

    async def propose(self, topic: str = "pay.refund", **changes: Any) -> ActionRecord:
        fields: dict[str, Any] = {
            "payload": {"amount": 1400, "order": "881", "note": "double charge"},
            "summary": "Refund $1,400.00 to order 881",
        }
        fields |= changes
        agent = fields.pop("agent", AGENT)
        result = await submit(
            self.deps, SubmitAction(agent=agent, proposal=Proposal(topic=topic, **fields), body_sha256="b")
        )
        assert isinstance(result, Done), result
        return result.record

    async def card(self, record: ActionRecord, *, timeout: float = 60) -> Card:
        """Where the card stands, once it does."""
        return await self.until(lambda card: card is not None and card.ts is not None, record, timeout)

    async def until(
        self, good: Callable[[Card | None], bool], record: ActionRecord, limit: float = 60
    ) -> Any:
        async with asyncio.timeout(limit):
            async with self.deps.wakeups.subscription(record.id) as waiter:
                while True:
                    async with self.store.reading() as tx:
                        card = await tx.cards.get(record.id)
                    if good(card):
                        return card
                    await waiter.wait(0.05)

    async def idle(self, limit: float = 60) -> None:
        """Until nothing living is left in the outbox but what is held for a later time."""

        async def waiting() -> int:
            now = self.deps.clock.now()
            async with self.store.reading() as tx:
                rows = await tx.outbox.rows(dead_only=False, limit=2_000)
            return sum(not row.dead and (row.not_before is None or row.not_before <= now) for row in rows)

        await self._polled(waiting, lambda count: count == 0, limit)

    async def seen(
        self, record: ActionRecord, person: str, surface: str, limit: float = 60
    ) -> dict[str, str]:
        """What is known to have been shown to this person of version 1, once this surface is among it."""

        async def known() -> dict[str, str]:
            async with self.store.reading() as tx:
                return dict(await tx.shown.of(record.id, 1, person))

        return await self._polled(known, lambda found: surface in found, limit)

    async def vote(self, record: ActionRecord, person: str) -> Done | Refused:
        """An approval that does not come through Slack."""
        command = CastVote(
            action_id=record.id, version=record.version.number, person=person, choice=Choice.APPROVE
        )
        return await decide(self.deps, command)

    async def dead_letters(self, count: int, limit: float = 60) -> tuple[Message, ...]:
        """The dead letters, once there are so many."""
        return await self._polled(self.dead, lambda dead: len(dead) >= count, limit)

    async def problem(self, limit: float = 60) -> str:
        """What readiness says, once it says something."""
        bot = self.bot
        assert bot is not None

        async def said() -> str | None:
            return bot.problem

        return await self._polled(said, lambda problem: problem is not None, limit)

    async def _polled(
        self, ask: Callable[[], Awaitable[Any]], good: Callable[[Any], bool], limit: float
    ) -> Any:
        async with asyncio.timeout(limit):
            async with self.deps.wakeups.subscription("nobody notifies this") as waiter:
                while not good(found := await ask()):
                    await waiter.wait(0.02)
                return found

    async def dead(self) -> tuple[Message, ...]:
        async with self.store.reading() as tx:
            return await tx.outbox.rows(dead_only=True, limit=100)

    def reload(self, policy: str) -> None:
        """Policy files changed."""
        self.source.load(policy, PEOPLE)

    async def load(self, action_id: str) -> ActionRecord:
        async with self.store.reading() as tx:
            record = await tx.actions.get(action_id)
        assert record is not None
        return record

    async def story(self, action_id: str) -> list[str]:
        async with self.store.reading() as tx:
            return [r.kind for r in await tx.audit.of_action(action_id)]

    def cards_of(self, record: ActionRecord) -> list[dict[str, Any]]:
        """Every card of this action in any channel, by metadata."""
        wanted = {"action_id": record.id}
        return [
            message
            for channel in self.slack.state.channels
            for message in self.slack.messages(channel)
            if (message.get("metadata") or {}).get("event_payload") == wanted
        ]

    async def told(self, user: str, words: str, *, seen: int = 0, limit: float = 60) -> str:
        """The text of the person's newest ephemeral, once there are more than `seen` and it holds `words`."""

        def newest(slack: Sandbox) -> str:
            found = [e["text"] for e in slack.ephemerals(user)]
            return next((text for text in found[seen:] if words in text), "")

        try:
            return await self.slack.wait_for(newest, limit)
        except TimeoutError:
            raise AssertionError(
                f"{user} was not told {words!r}, but {[e['text'] for e in self.slack.ephemerals(user)]}"
            ) from None

    async def modal(self, user: str, callback: str, limit: float = 60) -> dict[str, Any]:
        """The topmost modal of this person, once it is of this kind."""

        def open_one(slack: Sandbox) -> dict[str, Any] | None:
            modal = slack.modal(user)
            return modal if modal is not None and modal["callback_id"] == callback else None

        found = await self.slack.wait_for(open_one, limit)
        assert found is not None
        return found

    async def posted(self, record: ActionRecord) -> tuple[str, str]:
        """Channel and ts of the card, once everything has been delivered."""
        card = await self.card(record)
        assert card.ts is not None
        return card.channel, card.ts


def texts(blocks: Any) -> str:
    """Everything a reader sees in blocks, run together."""
    if isinstance(blocks, dict):
        own = blocks["text"] if isinstance(blocks.get("text"), str) else ""
        return own + " ".join(texts(inner) for inner in blocks.values() if not isinstance(inner, str))
    if isinstance(blocks, list):
        return " ".join(texts(inner) for inner in blocks)
    return ""


def buttons(message: dict[str, Any]) -> set[str]:
    """The action ids of a message's buttons."""
    return {e["action_id"] for b in message["blocks"] if b["type"] == "actions" for e in b["elements"]}


@asynccontextmanager
async def stage(
    folder: Path,
    *,
    url: str | None = None,
    workspace: Workspace | None = None,
    rate_limits: RateLimits | None = None,
    start: bool = True,
    worker: bool = True,
    policy: str = POLICY,
) -> AsyncIterator[Stage]:
    """Everything running, on a database of its own (SQLite unless `url` names another)."""
    clock = SteadyClock()
    source = Source(current=rules(policy, PEOPLE))
    async with AsyncExitStack() as begun:
        slack = Sandbox(
            workspace,
            rate_limits=rate_limits or RateLimits(enabled=False),
            state_path=folder / "slack.db",
            seed=7,
        )
        await begun.enter_async_context(slack)
        database = migrated(url or f"sqlite:///{folder}/gate.db")
        store = await begun.enter_async_context(open_store(database, clock=clock, keys=KEYS))
        deps = Deps(
            store=store,
            clock=clock,
            ids=TimeSortedIds(clock),
            signer=load_signer(folder / "keys"),
            rules=source,
            wakeups=LocalWakeups(),
        )
        app = slack.workspace.app
        settings = SlackSettings(bot_token=app.bot_token, app_token=app.app_token, api_url=slack.api_url)
        made = Stage(deps=deps, store=store, slack=slack, settings=settings, source=source)
        begun.push_async_callback(made.stop)
        if start:
            await made.start_bot()
            if worker:
                await made.start_worker()
        yield made


def refusal_of(result: Done | Refused) -> str:
    assert isinstance(result, Refused)
    return result.code
