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
from gate.usecases.ports import AuditFilter
from gate.usecases.revoke_delegation import revoke_delegation
from tests.fakes.world import PEOPLE, World

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
    told = [(r.body["person"], r.body["event"]) for r in rows if r.kind == "delegation"]
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


async def test_two_who_lend_to_each_other_at_once_are_refused_one(gate: World):
    """Threat 9"""
    gate.source.load_people(WITH_DEE)
    results = await asyncio.gather(lend(gate), lend(gate, grantor="dee", delegate="ana"))
    assert sorted(type(r).__name__ for r in results) == ["Delegated", "Refused"]
    assert len(await record_of(gate, "delegation.granted")) == 1
