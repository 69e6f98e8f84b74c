"""Lending and taking back against a real store on both engines: what is committed, and what counts afterwards."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from gate.domain.audit import canonical_bytes
from gate.domain.refusal import Refused
from gate.domain.request import Status
from gate.usecases import cards
from gate.usecases.commands import Delegate, Delegated, Done, RevokeDelegation
from gate.usecases.delegate import delegate
from gate.usecases.delegations import delegation_view
from gate.usecases.lending import at_its_turn
from gate.usecases.ports import AuditFilter
from gate.usecases.revoke_delegation import revoke_delegation
from tests.fakes.world import PEOPLE, POLICY, World

WITH_DEE = PEOPLE.replace("groups:", "  dee: {name: Dee Okafor, email: dee@example.com}\ngroups:", 1)


async def lend(gate: World, **changes: Any) -> Delegated | Refused:
    gate.source.load_people(WITH_DEE)
    fields: dict[str, Any] = {
        "grantor": "ana",
        "delegate": "dee",
        "end": gate.clock.now() + timedelta(days=3),
        "reason": "away",
    } | changes
    return await delegate(gate.deps, Delegate(**fields))


async def lent(gate: World, **changes: Any) -> str:
    result = await lend(gate, **changes)
    assert isinstance(result, Delegated), result
    return result.delegation.id


async def record_of(gate: World, kind: str) -> list[Any]:
    async with gate.store.reading() as tx:
        return list((await tx.audit.page(AuditFilter(kind=kind), cursor=None, limit=50)).items)


def code(result: Done | Delegated | Refused) -> str:
    assert isinstance(result, Refused), result
    return result.code


async def test_granting_and_ending_are_on_record_and_both_are_told(gate: World):
    """INV-07, INV-44, INV-51: one record each, without an action and without the reason."""
    delegation_id = await lent(gate)
    (granted,) = await record_of(gate, "delegation.granted")
    assert granted.action is None
    assert granted.detail["delegation"] == delegation_id
    assert b"away" not in canonical_bytes(granted)
    result = await revoke_delegation(gate.deps, RevokeDelegation(delegation_id=delegation_id, person="dee"))
    assert isinstance(result, Delegated)
    again = await revoke_delegation(gate.deps, RevokeDelegation(delegation_id=delegation_id, person="ana"))
    assert code(again) == "delegation_ended"
    (revoked,) = await record_of(gate, "delegation.revoked")
    assert revoked.detail["given_back"] is True
    async with gate.store.reading() as tx:
        rows = await tx.outbox.rows(dead_only=False, limit=50)
    told = [
        (r.body["person"], r.body["event"]) for r in rows if r.kind == "delegation" and "person" in r.body
    ]
    assert sorted(told) == [("ana", "granted"), ("ana", "revoked"), ("dee", "granted"), ("dee", "revoked")]
    view = await delegation_view(gate.deps, delegation_id)
    assert view is not None
    assert view.revoked_by is not None
    assert view.revoked_by.id == "dee"


async def test_a_stranger_ends_nothing(gate: World):
    delegation_id = await lent(gate)
    other = RevokeDelegation(delegation_id=delegation_id, person="bo")
    assert code(await revoke_delegation(gate.deps, other)) == "not_yours"
    unknown = RevokeDelegation(delegation_id="dlg_none", person="ana")
    assert code(await revoke_delegation(gate.deps, unknown)) == "unknown_delegation"
    assert await record_of(gate, "delegation.revoked") == []


async def test_a_delegated_vote_is_stored_shown_and_queued_for_whom(gate: World):
    await lent(gate)
    record = (await gate.propose("pay.wire")).record
    (line,) = (await cards.queue(gate.deps, "dee")).mine
    assert line.on_behalf_of is not None
    assert line.on_behalf_of.name == "Ana Ruiz"
    assert isinstance(await gate.vote(record, "dee"), Done)
    stored = await gate.load(record.id)
    assert [(v.person, v.on_behalf_of) for v in stored.votes] == [("dee", "ana")]
    view = await cards.card_view(gate.deps, record.id)
    assert view is not None
    assert [(v.person.id, v.on_behalf_of.id) for v in view.approvals if v.on_behalf_of] == [("dee", "ana")]
    for person in ("ana", "dee"):
        queue = await cards.queue(gate.deps, person)
        assert queue.mine == (), "both are used up"
        assert [d.grantor.id for d in queue.delegations] == ["ana"]


async def test_of_grantor_and_delegate_at_once_one_counts(gate: World):
    """INV-06: whoever of them comes second hears of the first."""
    await lent(gate)
    record = (await gate.propose("pay.wire")).record
    results = await asyncio.gather(*(gate.vote(record, who) for who in ("ana", "dee")))
    assert sorted(type(r).__name__ for r in results) == ["Done", "Refused"]
    assert (await gate.load(record.id)).status is Status.PENDING
    assert isinstance(await gate.vote(record, "bo"), Done)
    assert (await gate.load(record.id)).status is Status.APPROVED


async def test_an_earlier_vote_stops_counting_when_the_delegation_ends(gate: World):
    """INV-07, INV-13: by its end as by its revocation; the decision is taken on what holds then."""
    await lent(gate, end=gate.clock.now() + timedelta(minutes=5))
    record = (await gate.propose("pay.wire")).record
    assert isinstance(await gate.vote(record, "dee"), Done)
    gate.clock.pass_(minutes=5)
    done = await gate.vote(record, "bo")
    assert isinstance(done, Done)
    assert done.record.status is Status.PENDING
    assert code(await gate.vote(record, "dee")) == "not_a_reviewer"
    done = await gate.vote(record, "ana")
    assert isinstance(done, Done)
    assert done.record.status is Status.APPROVED


async def test_a_revocation_takes_the_vote_off_the_card(gate: World):
    """INV-07, INV-37"""
    delegation_id = await lent(gate)
    record = (await gate.propose("pay.wire")).record
    assert isinstance(await gate.vote(record, "dee"), Done)
    async with gate.store.writing() as tx:
        for row in await tx.outbox.rows(dead_only=False, limit=50):
            await tx.outbox.delivered(row.id)
    await revoke_delegation(gate.deps, RevokeDelegation(delegation_id=delegation_id, person="ana"))
    view = await cards.card_view(gate.deps, record.id)
    assert view is not None
    assert view.approvals == ()
    async with gate.store.reading() as tx:
        rows = await tx.outbox.rows(dead_only=False, limit=50)
    assert [r.kind for r in rows if r.action_id == record.id][-1] == "card"


async def test_a_revocation_takes_the_deputy_off_the_cards_of_who_was_asked(gate: World):
    """INV-07, INV-37: nobody has voted yet, and the card named the delegate beside the grantor."""
    delegation_id = await lent(gate)
    record = (await gate.propose("pay.wire")).record
    async with gate.store.writing() as tx:
        for row in await tx.outbox.rows(dead_only=False, limit=50):
            await tx.outbox.delivered(row.id)
    await revoke_delegation(gate.deps, RevokeDelegation(delegation_id=delegation_id, person="ana"))
    async with gate.store.reading() as tx:
        rows = await tx.outbox.rows(dead_only=False, limit=50)
    assert [r.kind for r in rows if r.action_id == record.id] == ["card"]


async def cards_queued(gate: World) -> list[str]:
    """The actions whose cards are queued; the queue is empty then, but for what comes later."""
    async with gate.store.writing() as tx:
        rows = await tx.outbox.rows(dead_only=False, limit=200)
        for row in rows:
            if row.not_before is None:
                await tx.outbox.delivered(row.id)
    return [r.action_id for r in rows if r.kind == "card"]


async def come_due(gate: World) -> list[str]:
    """What is due for Slack now, handed over as the bot does with the turns of delegations; the cards it queued."""
    async with gate.store.writing() as tx:
        due = await tx.outbox.claim("slack", gate.clock.now(), lease_sec=30, limit=50)
        for row in due:
            await tx.outbox.delivered(row.id)
    for row in due:
        if row.kind == "delegation" and row.body.get("event") in ("begins", "ends"):
            await at_its_turn(gate.deps, row.action_id)
    return await cards_queued(gate)


async def test_cards_are_redrawn_when_a_delegation_begins_and_when_it_ends(gate: World):
    """INV-07, INV-37: also those that nobody touches meanwhile, and none that it does not concern."""
    gate.source.load(POLICY.replace("groups: [finance]\n      sla", "assignees: [cho]\n      sla"))
    other = (await gate.propose()).record
    mine = (await gate.propose("pay.wire")).record
    assert (other.asked, mine.asked) == (("cho",), ("ana", "bo"))
    await cards_queued(gate)
    start, end = gate.clock.now() + timedelta(hours=1), gate.clock.now() + timedelta(hours=2)
    await lent(gate, start=start, end=end)
    assert await cards_queued(gate) == []
    gate.clock.pass_(minutes=59)
    assert await come_due(gate) == []
    gate.clock.pass_(minutes=1)
    assert await come_due(gate) == [mine.id]
    gate.clock.pass_(minutes=59)
    assert await come_due(gate) == []
    gate.clock.pass_(minutes=1)
    assert await come_due(gate) == [mine.id]


async def test_a_delegation_from_now_on_is_on_the_cards_at_once(gate: World):
    """INV-37"""
    record = (await gate.propose("pay.wire")).record
    await cards_queued(gate)
    delegation_id = await lent(gate, end=gate.clock.now() + timedelta(hours=1))
    assert await cards_queued(gate) == [record.id]
    await revoke_delegation(gate.deps, RevokeDelegation(delegation_id=delegation_id, person="ana"))
    assert await cards_queued(gate) == [record.id]
    gate.clock.pass_(hours=1)
    assert await come_due(gate) == [], "its end was shown when it was revoked"


async def test_a_vote_for_somebody_who_was_not_asked_leaves_the_card_at_the_end(gate: World):
    """INV-07, INV-37"""
    named = "assignees: [bo, cho], groups: [finance], quorum: 2"
    gate.source.load(POLICY.replace("groups: [finance], quorum: 2", named))
    record = (await gate.propose("pay.wire")).record
    assert record.asked == ("bo", "cho")
    await lent(gate, end=gate.clock.now() + timedelta(hours=1))
    assert isinstance(await gate.vote(record, "dee"), Done)
    await cards_queued(gate)
    gate.clock.pass_(hours=1)
    assert record.id in await come_due(gate)


async def test_two_who_lend_to_each_other_at_once_are_refused_one(gate: World):
    """Threat 9"""
    gate.source.load_people(WITH_DEE)
    results = await asyncio.gather(lend(gate), lend(gate, grantor="dee", delegate="ana"))
    assert sorted(type(r).__name__ for r in results) == ["Delegated", "Refused"]
    assert len(await record_of(gate, "delegation.granted")) == 1
