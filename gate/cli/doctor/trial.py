"""A test approval for `gate doctor`: proposed, seen as a card, and taken back; nobody is left with work."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from gate.cli.agents import key_sha256, new_key
from gate.cli.demo.wire import GateGone, GateRefused, Wire
from gate.cli.session import operator
from gate.config import Settings
from gate.domain.action import Agent, Json, Proposal
from gate.domain.audit import AuditRecord
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.usecases.cancel import cancel
from gate.usecases.checkup import Line, fail, ok, warn
from gate.usecases.commands import CancelAction, SubmitAction
from gate.usecases.ports import Card, Delivered, DeliveryChannel, Deps, Message, Rules, StoredAgent
from gate.usecases.submit import submit
from gate.wiring.desk import Desk
from gate.wiring.slack import posting

AGENT = "gate-doctor"
TOPIC = "signoff.test"
SUMMARY = "TEST by gate doctor: nothing happens, and it is taken back at once"
PAYLOAD: Mapping[str, Json] = {"from": "gate doctor"}
REASON = "The test is over; nobody had to decide."
CARD_SEC = 30.0
"""How long the card may take to appear."""
OTHERS_SEC = 3.0
"""How long a gate elsewhere on the same database has to take the message, before it is delivered from here."""
_LOOK_SEC = 0.2
_SUBJECT = "test card"


class Trouble(Exception):
    """The test could not be brought to its end; the line says why."""

    def __init__(self, line: Line) -> None:
        super().__init__(line.says)
        self.line = line


async def over_http(desk: Desk, url: str, *, wait_sec: float = CARD_SEC) -> Line:
    """The test through a running gate: proposed with a key of its own, which is dead afterwards."""
    try:
        async with _key(desk) as (_, key), Wire(url) as wire:
            body = {"topic": TOPIC, "summary": SUMMARY, "payload": _payload()}
            document = await wire.propose(key, body, idempotency_key=f"doctor-{secrets.token_hex(16)}")
            _expect_pending(str(document["status"]), str(document["rule"]))
            action_id = str(document["id"])
            try:
                card = await _appeared(desk, action_id, wait_sec)
            finally:
                with suppress(GateRefused):  # somebody was quicker and decided it, which does no harm
                    await wire.cancel(key, action_id, REASON)
    except Trouble as trouble:
        return trouble.line
    except GateRefused as refused:
        todo = "Read the sentence; it is what an agent would be told."
        if refused.status == 401:
            todo = "The gate there works on another database than these settings name: name the right one."
        return fail("test", _SUBJECT, f"The gate refused the test: {refused.detail}", todo)
    except GateGone as gone:
        return fail("test", _SUBJECT, str(gone), "Look at the gate's log, then run gate doctor again.")
    return _seen(card, "through the running gate")


async def in_process(desk: Desk, settings: Settings, rules: Rules, *, wait_sec: float = CARD_SEC) -> Line:
    """The test without a gate here: the same use-cases and the same way to Slack, for this one action alone.

    A gate elsewhere on the same database gets the first chance to deliver it.
    """
    try:
        async with _key(desk) as (agent, _), posting(desk, settings, rules) as (deps, channel):
            record = await _proposed(deps, agent)
            elsewhere = False
            try:
                card = await _appeared(desk, record.id, OTHERS_SEC, strict=False)
                elsewhere = card is not None
                if card is None:
                    await _let_go(deps, record.id)
                    await _deliver_card(deps, channel, record.id)
                    card = await _appeared(desk, record.id, wait_sec)
            finally:
                await cancel(deps, CancelAction(agent=agent, action_id=record.id, reason=REASON))
                if not elsewhere:
                    await _let_go(deps, record.id)
            if not elsewhere:
                await _deliver_card(deps, channel, record.id)
    except Trouble as trouble:
        return trouble.line
    how = "by a gate elsewhere on this database" if elsewhere else "from here, since no gate runs"
    return _seen(card, how)


def _seen(card: Card | None, how: str) -> Line:
    where = card.channel if card is not None else "?"
    return ok("test", _SUBJECT, f"it was posted to {where} {how}, and taken back")


def _expect_pending(status: str, rule: str) -> None:
    if status != "pending":
        raise Trouble(
            warn(
                "test",
                _SUBJECT,
                f"The rule {rule} answers {status} for the topic {TOPIC}, so no card was posted.",
                f"Add a rule for {TOPIC} that requires approval, or run with --no-test-card.",
            )
        )


def _payload() -> dict[str, Json]:
    """Unlike that of any other test, or this one would join it and see no card of its own."""
    return {**PAYLOAD, "test": secrets.token_hex(4)}


async def _proposed(deps: Deps, agent: Agent) -> ActionRecord:
    proposal = Proposal(topic=TOPIC, payload=_payload(), summary=SUMMARY)
    done = await submit(deps, SubmitAction(agent=agent, proposal=proposal, body_sha256=secrets.token_hex(32)))
    if isinstance(done, Refused):
        raise Trouble(fail("test", _SUBJECT, done.sentence, "It is what an agent would be told."))
    _expect_pending(done.record.status.value, done.record.verdict.rule)
    return done.record


async def _let_go(deps: Deps, action_id: str) -> None:
    """Drop what waits for this action: nobody is to be called, now or later, for a test."""
    waiting = await _waiting(deps, action_id)
    async with deps.store.writing() as tx:
        for message in waiting:
            await tx.outbox.drop(message.id)


async def _deliver_card(deps: Deps, channel: DeliveryChannel, action_id: str) -> None:
    """Bring the card to the present state. Raises `Trouble` where Slack does not take it."""
    now = deps.clock.now()
    card = Message(
        id=deps.ids.new("msg"),
        action_id=action_id,
        channel="slack",
        kind="card",
        body={},
        created_at=now,
        due_at=now,
    )
    result = await channel.deliver(card)
    if not isinstance(result, Delivered):
        raise Trouble(
            fail(
                "test",
                _SUBJECT,
                f"Slack did not take the card: {result.error}",
                "Repair what is named above.",
            )
        )


async def _waiting(deps: Deps, action_id: str) -> list[Message]:
    async with deps.store.reading() as tx:
        return [m for m in await tx.outbox.rows(dead_only=False, limit=100_000) if m.action_id == action_id]


async def _appeared(desk: Desk, action_id: str, within: float, *, strict: bool = True) -> Card | None:
    """The card, once Slack has it. Where it does not come: None, or with `strict` a `Trouble` that says why."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        async with desk.store.reading() as tx:
            card = await tx.cards.get(action_id)
        if card is not None and card.ts is not None:
            return card
        if loop.time() >= deadline:
            break
        await asyncio.sleep(_LOOK_SEC)
    if not strict:
        return None
    errors = [m.last_error for m in await _waiting(desk.deps, action_id) if m.last_error]
    why = f": {errors[0]}" if errors else "; its log and /readyz may say why"
    raise Trouble(
        fail(
            "test",
            _SUBJECT,
            f"The card did not appear within {within:.0f} seconds{why}",
            "Repair what is named above; until then no request of an agent reaches anybody.",
        )
    )


@asynccontextmanager
async def _key(desk: Desk) -> AsyncIterator[tuple[Agent, str]]:
    """An agent for the test with a key that lives as long as the test, both on record."""
    key = new_key()
    async with desk.store.writing() as tx:
        held = await tx.agents.by_name(AGENT)
        now = desk.deps.clock.now()
        if held is None:
            agent = Agent(id=desk.deps.ids.new("agt"), name=AGENT, team="signoff", owner=AGENT)
            held = StoredAgent(agent=agent, key_sha256=key_sha256(key), created_at=now)
            await tx.agents.add(held)
        elif held.agent.owner != AGENT:
            raise Trouble(
                fail("test", _SUBJECT, f"An agent of yours is called {AGENT}.", "Give it another name.")
            )
        else:
            held = replace(held, key_sha256=key_sha256(key), revoked_at=None)
            await tx.agents.replace(held)
        await tx.audit.append(_noted("agent.added", held.agent, desk))
    try:
        yield held.agent, key
    finally:
        async with desk.store.writing() as tx:
            await tx.agents.replace(replace(held, revoked_at=desk.deps.clock.now()))
            await tx.audit.append(_noted("agent.revoked", held.agent, desk))


def _noted(kind: str, agent: Agent, desk: Desk) -> AuditRecord:
    return AuditRecord(
        kind=kind,
        actor=f"operator:{operator()}",
        at=desk.deps.clock.now(),
        detail={"agent": agent.id, "name": agent.name, "for": "gate doctor"},
    )
