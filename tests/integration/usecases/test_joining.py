"""Equal proposals through the use-case: one action, one card, one deadline, whoever comes when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from gate.domain.action import Agent, Context
from gate.domain.refusal import Refused
from gate.domain.request import Choice, Status
from gate.store import open_store
from gate.usecases import cards
from gate.usecases.commands import Done
from gate.usecases.ports import Message
from tests.fakes.sealing import KEYS
from tests.fakes.world import POLICY, World

OTHER = Agent(id="agt_other", name="other-bot", team="support", owner="own")


async def messages(gate: World) -> tuple[Message, ...]:
    async with gate.store.reading() as tx:
        return await tx.outbox.rows(dead_only=False, limit=100)


async def count(gate: World, agent: str = "agt_bot") -> int:
    async with gate.store.reading() as tx:
        return await tx.actions.pending_count(agent)


async def test_what_equals_a_pending_action_joins_it(gate: World):
    """INV-24, INV-44: another run asks the same; people are asked once, and the card says how often it was."""
    first = await gate.propose(context=Context(run_id="one"))
    told = [(m.kind, m.body) for m in await messages(gate)]
    gate.clock.pass_(minutes=5)
    second = await gate.propose(context=Context(run_id="two"))
    third = await gate.propose()
    assert (first.joined, second.joined, third.joined) == (False, True, True)
    assert {first.record.id, second.record.id, third.record.id} == {first.record.id}
    stored = await gate.load(first.record.id)
    assert stored == replace(first.record, joined=2, revision=3)
    assert await gate.story(stored.id) == ["approval.requested", "approval.joined", "approval.joined"]
    assert [(m.kind, m.body) for m in await messages(gate)] == told
    view = await cards.card_view(gate.deps, stored.id)
    assert view is not None
    assert view.joined == 2


async def test_a_join_brings_the_card_up_to_date_once_it_is_out(gate: World):
    """INV-37: a message of its own only where the last one has been claimed already."""
    record = (await gate.propose()).record
    async with gate.store.writing() as tx:
        for row in await tx.outbox.rows(dead_only=False, limit=100):
            await tx.outbox.delivered(row.id)
    for _ in range(5):
        await gate.propose()
    assert [(m.action_id, m.kind) for m in await messages(gate)] == [(record.id, "card")]


async def test_what_comes_when_time_is_up_gets_time_of_its_own(gate: World):
    """INV-25, INV-29: the timer is late, and who asks again does not share the end that is about to come."""
    first = (await gate.propose()).record
    assert first.sla_at is not None
    gate.clock.pass_(seconds=(first.sla_at - first.created_at).total_seconds())
    again = await gate.propose()
    assert not again.joined
    assert again.record.id != first.id
    assert again.record.sla_at is not None
    assert again.record.sla_at > first.sla_at


async def test_what_another_agent_asks_is_another_request(gate: World):
    """Threat 33"""
    mine = await gate.propose()
    other = await gate.propose(agent=OTHER)
    assert mine.record.id != other.record.id
    assert not other.joined


async def test_what_is_decided_is_joined_no_more(gate: World):
    """INV-01, INV-18: a new proposal is a new question, and never finds the release of the last one."""
    for choice, status in ((Choice.APPROVE, Status.APPROVED), (Choice.REJECT, Status.REJECTED)):
        record = (await gate.propose()).record
        done = await gate.vote(record, "ana", choice, comment="Seen")
        assert isinstance(done, Done)
        assert done.record.status is status
        again = await gate.propose()
        assert again.record.id != record.id
        assert again.record.status is Status.PENDING
        assert isinstance(await gate.vote(again.record, "ana", Choice.REJECT, comment="No"), Done)


async def test_a_key_that_joined_leads_to_the_same_action_for_ever(gate: World):
    """INV-40, INV-41"""
    first = await gate.propose(key="one", body="1")
    second = await gate.propose(key="two", body="2")
    assert second.joined
    assert isinstance(await gate.vote(second.record, "ana"), Done)
    replay = await gate.propose(key="two", body="2")
    assert replay.replayed
    assert replay.record.id == first.record.id
    assert replay.record.status is Status.APPROVED
    reused = await gate.try_propose(key="two", body="another")
    assert isinstance(reused, Refused)
    assert reused.code == "key_reused"
    assert (await gate.load(first.record.id)).joined == 1, "a replay joins nothing"


async def test_equal_proposals_at_once_are_one_action(gate: World):
    """INV-42: with keys of their own and without, on two connections; one card, one set of direct messages."""
    async with open_store(gate.url, clock=gate.clock, exclusive=False, keys=KEYS) as beside:
        there = replace(gate.deps, store=beside)
        here = gate.deps

        async def propose(number: int) -> Done:
            gate_ = replace(gate, deps=there if number % 2 else here)
            return await gate_.propose(key=f"k{number}" if number % 3 else None, body=str(number))

        found = await asyncio.gather(*(propose(number) for number in range(8)))
    assert len({done.record.id for done in found}) == 1
    assert [done.joined for done in found].count(False) == 1
    record = await gate.load(found[0].record.id)
    assert (record.joined, record.revision) == (7, 8)
    assert await count(gate) == 1
    kinds = [m.kind for m in await messages(gate)]
    assert kinds.count("card") == 1
    assert kinds.count("dm") == len(record.asked)


async def test_the_same_key_at_once_is_one_action_however_often_it_joins(gate: World):
    """INV-40, INV-42: a key that comes twice at once joins once."""
    await gate.propose(key="first", body="0")
    async with open_store(gate.url, clock=gate.clock, exclusive=False, keys=KEYS) as beside:
        there = replace(gate, deps=replace(gate.deps, store=beside))
        found = await asyncio.gather(*(g.propose(key="k", body="1") for g in (gate, there, gate, there)))
    assert sorted((done.joined, done.replayed) for done in found) == [(False, True)] * 3 + [(True, False)]
    assert (await gate.load(found[0].record.id)).joined == 1


async def test_a_flood_of_joins_never_outruns_a_person(gate: World):
    """INV-03: a click counts although the record changes all the time."""
    record = (await gate.propose()).record
    async with open_store(gate.url, clock=gate.clock, exclusive=False, keys=KEYS) as beside:
        flood = replace(gate, deps=replace(gate.deps, store=beside))
        voted = asyncio.Event()

        async def ask() -> None:
            while not voted.is_set():
                await flood.propose(payload=record.proposal.payload)

        tasks = [asyncio.create_task(ask()) for _ in range(3)]
        try:
            done = await gate.vote(record, "ana")
        finally:
            voted.set()
            await asyncio.gather(*tasks)
    assert isinstance(done, Done), done
    assert done.record.status is Status.APPROVED


async def test_joining_asks_no_policy_and_counts_for_no_limit(gate: World):
    """A limit on how many may be asked for counts requests, not repetitions."""
    limit = (
        POLICY
        + """
  - id: few
    match: {topics: ["note.*"]}
    decision: require_approval
    reason: Notes
    approval: {groups: [finance], sla: 30m}
"""
    )
    limited = limit.replace(
        "rules:\n",
        '  - {id: many, match: {topics: ["note.*"], velocity: {max: 2, per: 1h}}, decision: deny, reason: Many}\n'
        "rules:\n",
        1,
    )
    gate.source.load(limited)
    first = await gate.propose("note.add", payload={"a": 1})
    for _ in range(4):
        assert (await gate.propose("note.add", payload={"a": 1})).record.id == first.record.id
    assert (await gate.propose("note.add", payload={"a": 2})).record.status is Status.PENDING
    assert (await gate.propose("note.add", payload={"a": 3})).record.status is Status.DENIED


async def test_a_policy_may_leave_equal_proposals_apart(gate: World):
    gate.source.load(
        "version: v1\nfatigue_controls: {join_duplicates: false}\n" + POLICY.split("version: v1\n")[1]
    )
    assert (await gate.propose()).record.id != (await gate.propose()).record.id
    assert await count(gate) == 2


async def test_an_edited_request_is_still_what_was_asked(gate: World):
    """Whoever asks the same again gets the version under review, as the first one does."""
    record = (await gate.propose()).record
    edited = await gate.edit(record, "ana", {"amount": 1200, "order": "881"})
    assert isinstance(edited, Done)
    again = await gate.propose()
    assert again.joined
    assert again.record.version.number == 2
    changed: dict[str, Any] = {"amount": 1200, "order": "881"}
    assert not (await gate.propose(payload=changed)).joined
