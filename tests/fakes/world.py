"""A whole gate without its doors: real store, real policy, real signatures, and a clock that tests set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gate.contract.canonical import payload_sha256
from gate.domain.action import Agent, Proposal
from gate.domain.emergency import Finding
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Choice
from gate.ids import TimeSortedIds
from gate.keyring.signer import GrantSigner, load_signer
from gate.policy.compile import compile_set
from gate.policy.documents import Document
from gate.policy.people import parse_people
from gate.store import SqlStore, open_store
from gate.usecases.break_glass import break_glass
from gate.usecases.close_review import close_review
from gate.usecases.commands import (
    BreakTheGlass,
    CastVote,
    CloseReview,
    Done,
    EditPayload,
    RedeemGrant,
    SubmitAction,
)
from gate.usecases.decide import decide
from gate.usecases.edit import edit
from gate.usecases.ports import Deps, Limits, Rules, Snapshot
from gate.usecases.redeem import redeem
from gate.usecases.submit import submit
from gate.workers.wakeups import LocalWakeups
from tests.fakes.sealing import KEYS
from tests.harness.databases import migrated

PEOPLE = """
version: v1
people:
  ana: {name: Ana Ruiz, email: ana@example.com, slack: U0ANA}
  bo: {name: Bo Lindqvist, email: bo@example.com, slack: U0BO}
  cho: {name: Cho Minji, email: cho@example.com}
  own: {name: Owen Hart, email: own@example.com, slack: U0OWN}
groups:
  finance: {members: [ana, bo]}
  approvers: {members: [cho]}
on_call:
  primary: {rotation: {people: [bo], every: 1w, handoff: "mon 09:00", tz: Europe/Berlin}}
channels: {default: "#approvals"}
"""

POLICY = """
version: v1
classify:
  - match: {topics: ["pay.*"]}
    risk_tags: [financial]
    facts: {amount_usd: payload.amount}
guardrails:
  - {id: cap, match: {topics: ["pay.*"], amount_usd_above: 50000}, decision: deny, reason: Over the cap}
rules:
  - id: reads
    match: {topics: ["*.read"]}
    decision: allow
    reason: Reads pass
  - id: wires
    match: {topics: ["pay.wire"]}
    decision: require_approval
    risk: critical
    reason: Wires take two people
    approval: {groups: [finance], quorum: 2, sla: 30m}
  - id: refunds
    match: {topics: ["pay.refund"]}
    decision: require_approval
    risk: high
    reason: Large refund
    approval:
      groups: [finance]
      sla: 30m
      on_timeout: deny
      escalation: [{after: 10m, to: [oncall:primary], via: [slack]}]
      editable: {paths: ["/amount", "/note"]}
"""

GLASS = """
break_glass:
  who: [group:finance]
  supervisors: [cho, group:finance]
  topics: ["pay.refund"]
  max_valid: 10m
  review_sla: 1h
"""
WHY = "Customers cannot pay, and nobody answers"

EXECUTOR = Agent(id="agt_exec", name="runner", team="ops", owner="own", scopes=frozenset({"execute"}))
AGENT = Agent(id="agt_bot", name="support-bot", team="support", owner="own")


class SetClock:
    """Implements `ports.Clock`: stands still until told otherwise."""

    def __init__(self, at: datetime = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def pass_(self, **delta: float) -> None:
        self.at += timedelta(**delta)


@dataclass
class Source:
    """Implements `ports.RulesSource`; `load` is a reload."""

    current: Rules

    def load(self, policy: str, people: str = PEOPLE) -> None:
        self.current = rules(policy, people)

    def load_people(self, people: str) -> None:
        """A reload of people.yaml, the policy unchanged."""
        self.load(POLICY, people)


def rules(policy: str = POLICY, people: str = PEOPLE) -> Rules:
    directory = parse_people(people)
    return Rules(policy=compile_set([Document(name="p.yaml", text=policy)], directory), directory=directory)


@dataclass
class World:
    """Use-cases in few words. `deps` is what they run on."""

    deps: Deps
    clock: SetClock
    source: Source
    store: SqlStore
    signer: GrantSigner
    url: str
    extras: dict[str, Any] = field(default_factory=dict)

    async def record_policy(self) -> None:
        """Store the policy set in force, as a gate does before it decides by it."""
        policy = self.source.current.policy
        snapshot = Snapshot(
            digest=policy.digest,
            version=policy.version,
            documents=tuple((document.name, document.text) for document in policy.documents),
            loaded_at=self.clock.now(),
        )
        async with self.store.writing() as tx:
            await tx.snapshots.put(snapshot)

    async def propose(self, topic: str = "pay.refund", **changes: Any) -> Done:
        result = await self.try_propose(topic, **changes)
        assert isinstance(result, Done), result
        return result

    async def try_propose(
        self, topic: str = "pay.refund", *, key: str | None = None, body: str = "b", **changes: Any
    ) -> Done | Refused:
        fields = {"payload": {"amount": 1400, "order": "881"}, "summary": "Refund $1,400.00"} | changes
        agent = fields.pop("agent", AGENT)
        proposal = Proposal(topic=topic, **fields)
        return await submit(
            self.deps,
            SubmitAction(agent=agent, proposal=proposal, body_sha256=body, idempotency_key=key),
        )

    async def vote(
        self, record: ActionRecord, person: str, choice: Choice = Choice.APPROVE, **changes: Any
    ) -> Done | Refused:
        fields = {"version": record.version.number, "category": "unsafe"} | changes
        return await decide(self.deps, CastVote(action_id=record.id, person=person, choice=choice, **fields))

    async def edit(
        self, record: ActionRecord, person: str, payload: dict[str, Any], *, approve: bool = False
    ) -> Done | Refused:
        return await edit(
            self.deps,
            EditPayload(
                action_id=record.id,
                version=record.version.number,
                person=person,
                payload=payload,
                approve=approve,
            ),
        )

    async def redeem(self, token: str, payload: Any, executor: Agent = EXECUTOR) -> Done | Refused:
        return await redeem(
            self.deps,
            RedeemGrant(executor=executor, token=token, payload_sha256=payload_sha256(payload)),
        )

    async def load(self, action_id: str) -> ActionRecord:
        async with self.store.reading() as tx:
            record = await tx.actions.get(action_id)
        assert record is not None
        return record

    async def story(self, action_id: str) -> list[str]:
        async with self.store.reading() as tx:
            return [r.kind for r in await tx.audit.of_action(action_id)]


async def broken(gate: World, by: str = "ana", **changes: Any) -> ActionRecord:
    """A refund released in an emergency, on a set that lets one."""
    gate.source.load(POLICY + GLASS)
    record = (await gate.propose()).record
    fields = {"version": record.version.number, "reason": WHY, "valid_sec": 300} | changes
    done = await break_glass(gate.deps, BreakTheGlass(action_id=record.id, person=by, **fields))
    assert isinstance(done, Done), done
    return done.record


async def reviewed(gate: World, record: ActionRecord, finding: Finding = Finding.JUSTIFIED) -> ActionRecord:
    """The same after Cho has looked at it."""
    command = CloseReview(action_id=record.id, person="cho", finding=finding, comment="Looked at it")
    done = await close_review(gate.deps, command)
    assert isinstance(done, Done), done
    return done.record


@asynccontextmanager
async def world(url: str, keys: Path, *, limits: Limits | None = None) -> AsyncIterator[World]:
    """A gate's core on the database at `url`, with the policy and people above."""
    clock = SetClock()
    signer = load_signer(keys)
    source = Source(current=rules())
    async with open_store(migrated(url), clock=clock, keys=KEYS) as store:
        deps = Deps(
            store=store,
            clock=clock,
            ids=TimeSortedIds(clock),
            signer=signer,
            rules=source,
            wakeups=LocalWakeups(),
            limits=limits or Limits(),
        )
        yield World(deps=deps, clock=clock, source=source, store=store, signer=signer, url=url)
