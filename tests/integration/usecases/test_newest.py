"""Two gates on one database: what one stored last may be old, and then it decides nothing and nobody is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Choice, Grant, Status
from gate.store import open_store
from gate.usecases import read
from gate.usecases.cancel import cancel
from gate.usecases.collect import collect
from gate.usecases.commands import CancelAction, Delegated, Done, RevokeDelegation, RevokeGrants
from gate.usecases.revoke import revoke
from gate.usecases.revoke_delegation import revoke_delegation
from gate.workers.wakeups import LocalWakeups
from tests.fakes.sealing import KEYS
from tests.fakes.world import AGENT, World
from tests.integration.usecases.test_delegations import WITH_DEE, lent


@pytest.fixture
async def other(gate: World) -> AsyncIterator[World]:
    """Another gate on the same database, which hears nothing of the first one."""
    async with open_store(gate.url, clock=gate.clock, exclusive=False, keys=KEYS) as store:
        deps = replace(gate.deps, store=store, wakeups=LocalWakeups())
        yield replace(gate, deps=deps, store=store)


def remembered(gate: World, action_id: str) -> ActionRecord | None:
    return gate.store.now.actions.newer(action_id, 0)


async def approved(gate: World) -> ActionRecord:
    record = (await gate.propose()).record
    done = await gate.vote(record, "ana")
    assert isinstance(done, Done), done
    return done.record


async def issued(gate: World, record: ActionRecord) -> Grant:
    done = await collect(gate.deps, AGENT, record.id, look_first=False)
    assert isinstance(done, Done), done
    assert done.grant is not None
    return done.grant


async def revoked(gate: World, record: ActionRecord) -> None:
    done = await revoke(gate.deps, RevokeGrants(action_id=record.id, operator="op", reason="No more"))
    assert isinstance(done, Done), done


async def test_what_is_remembered_is_what_is_stored(gate: World) -> None:
    record = (
        await gate.propose(payload={"amount": 1400.5, "note": "ä", "of": [1, None, {"x": True}]})
    ).record
    assert remembered(gate, record.id) == await gate.load(record.id)
    assert isinstance(await gate.edit(record, "ana", dict(record.version.payload) | {"amount": 7}), Done)
    assert remembered(gate, record.id) == await gate.load(record.id)
    assert isinstance(await gate.vote(await gate.load(record.id), "bo", comment="ok"), Done)
    assert remembered(gate, record.id) == await gate.load(record.id)
    grant = await issued(gate, record)
    assert remembered(gate, record.id) == await gate.load(record.id)
    assert isinstance(await gate.redeem(grant.token, {**record.version.payload, "amount": 7}), Done)
    assert remembered(gate, record.id) == await gate.load(record.id)


async def test_what_fails_is_not_remembered(gate: World) -> None:
    record = (await gate.propose()).record

    async def broken() -> None:
        async with gate.store.together("a") as tx:
            await tx.actions.save(replace(record, revision=2), expected_revision=1)
            raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        await broken()
    assert remembered(gate, record.id) == record


async def test_a_vote_after_another_gate_decided_counts_for_nothing(gate: World, other: World) -> None:
    """INV-03: the first gate remembers the request as it was proposed, waiting."""
    record = (await gate.propose()).record
    assert isinstance(await other.vote(record, "bo", Choice.REJECT, comment="No"), Done)
    assert remembered(gate, record.id) == record
    late = await gate.vote(record, "ana")
    assert isinstance(late, Refused)
    assert late.code == "already_decided"
    assert remembered(gate, record.id) is None, "it is not tried again on what was old"
    assert await gate.story(record.id) == ["approval.requested", "approval.rejected"]
    assert (await gate.load(record.id)).status is Status.REJECTED


async def test_a_vote_after_another_gate_took_a_vote_is_the_second_one(gate: World, other: World) -> None:
    """INV-04: one vote per person and version, whichever gate takes it."""
    record = (await gate.propose("pay.wire")).record
    assert isinstance(await other.vote(record, "ana"), Done)
    again = await gate.vote(record, "ana")
    assert isinstance(again, Refused), again
    assert (await gate.load(record.id)).status is Status.PENDING
    both = await gate.vote(record, "bo")
    assert isinstance(both, Done), both
    assert both.record.status is Status.APPROVED
    assert [vote.person for vote in both.record.votes] == ["ana", "bo"]


async def test_nobody_is_refused_for_what_another_gate_has_changed(gate: World, other: World) -> None:
    """The first gate remembers version 1; the vote is on version 2, which another gate has stored."""
    record = (await gate.propose()).record
    edited = await other.edit(record, "bo", {**record.version.payload, "amount": 7})
    assert isinstance(edited, Done), edited
    done = await gate.vote(edited.record, "ana")
    assert isinstance(done, Done), done
    assert done.record.status is Status.APPROVED


async def test_what_another_gate_took_back_is_not_approved(gate: World, other: World) -> None:
    record = (await gate.propose()).record
    assert isinstance(
        await cancel(other.deps, CancelAction(agent=AGENT, action_id=record.id, reason=None)), Done
    )
    assert isinstance(await gate.vote(record, "ana"), Refused)
    assert (await gate.load(record.id)).status is Status.CANCELLED


async def test_what_another_gate_issued_is_collected_again(gate: World, other: World) -> None:
    """INV-18: one grant, though the first gate remembers the release without one."""
    record = await approved(gate)
    there = await issued(other, record)
    assert await issued(gate, record) == there
    assert (await gate.story(record.id)).count("grant.issued") == 1


async def test_of_two_gates_that_issue_at_once_both_answer_one_grant(gate: World, other: World) -> None:
    """INV-18."""
    for _ in range(5):
        record = await approved(gate)
        first, second = await asyncio.gather(issued(gate, record), issued(other, record))
        assert first == second
        assert (await gate.story(record.id)).count("grant.issued") == 1


async def test_nothing_is_issued_for_what_another_gate_has_revoked(gate: World, other: World) -> None:
    """INV-20."""
    record = await approved(gate)
    await revoked(other, record)
    told = await collect(gate.deps, AGENT, record.id, look_first=False)
    assert isinstance(told, Refused)
    assert told.code == "grant_revoked"


@pytest.mark.parametrize(
    ("there", "code"),
    [
        pytest.param(lambda other, record, token: revoked(other, record), "grant_revoked", id="revoked"),
        pytest.param(
            lambda other, record, token: other.redeem(token, record.version.payload),
            "grant_redeemed",
            id="redeemed",
        ),
    ],
)
async def test_a_grant_that_is_spent_elsewhere_is_spent_here(
    gate: World, other: World, there: Callable[..., object], code: str
) -> None:
    """INV-19, INV-20: the first gate remembers it as it was issued."""
    record = await approved(gate)
    grant = await issued(gate, record)
    await there(other, record, grant.token)  # type: ignore[misc]
    told = await gate.redeem(grant.token, record.version.payload)
    assert isinstance(told, Refused), told
    assert told.code == code
    assert (await gate.story(record.id)).count("grant.redeemed") == (code == "grant_redeemed")


async def test_whoever_is_refused_is_told_why_as_it_is_now(gate: World, other: World) -> None:
    """By what the first gate remembers it would only be too late."""
    record = await approved(gate)
    grant = await issued(gate, record)
    assert isinstance(await other.redeem(grant.token, record.version.payload), Done)
    gate.clock.at = grant.expires_at
    told = await gate.redeem(grant.token, record.version.payload)
    assert isinstance(told, Refused), told
    assert told.code == "grant_redeemed"


async def test_of_two_gates_that_redeem_at_once_one_does(gate: World, other: World) -> None:
    """INV-19."""
    for _ in range(5):
        record = await approved(gate)
        grant = await issued(gate, record)
        ends = await asyncio.gather(
            *(each.redeem(grant.token, record.version.payload) for each in (gate, other, gate))
        )
        assert sorted(type(end).__name__ for end in ends) == ["Done", "Refused", "Refused"]
        assert (await gate.story(record.id)).count("grant.redeemed") == 1


async def test_what_was_shredded_elsewhere_gets_nothing_under_its_old_key(gate: World, other: World) -> None:
    """INV-50: the row has the same revision and another key."""
    record = (await gate.propose()).record
    async with other.store.writing() as tx:
        assert await tx.seals.shred(record, at=gate.clock.now(), by="op")
    done = await gate.vote(record, "ana", comment="Fine")
    assert isinstance(done, Done), done
    found = await other.load(record.id)
    assert found.votes[0].comment == "Fine"
    assert found.shredded is not None


@pytest.mark.parametrize("here", [True, False], ids=["decided here", "decided elsewhere"])
async def test_whoever_waits_is_shown_what_was_decided(gate: World, other: World, here: bool) -> None:
    record = (await gate.propose()).record
    waiting = asyncio.create_task(read.wait_decided(gate.deps, record.id, 30))
    await asyncio.sleep(0)
    assert isinstance(await (gate if here else other).vote(record, "ana"), Done)
    gate.deps.wakeups.notify(record.id)
    shown = await waiting
    assert shown is not None
    assert shown == await other.load(record.id)
    assert shown.status is Status.APPROVED


@pytest.mark.parametrize("here", [True, False], ids=["decided here", "decided elsewhere"])
async def test_what_is_decided_between_a_look_and_a_wait_is_not_missed(
    gate: World, other: World, here: bool
) -> None:
    """Whoever listened before they looked needs no second look."""
    record = (await gate.propose()).record
    async with gate.deps.wakeups.subscription(record.id) as news:
        looked = await gate.store.now.actions.get(record.id)
        assert looked is not None
        assert isinstance(await (gate if here else other).vote(record, "ana"), Done)
        gate.deps.wakeups.notify(record.id)
        shown = await read.decided(gate.deps, looked, news, 30)
    assert shown is not None
    assert shown == await other.load(record.id)
    assert shown.status is Status.APPROVED


async def test_whoever_looks_sees_what_is_stored_now(gate: World, other: World) -> None:
    """INV-50: what another gate has decided, and what it has shredded, which moves no revision."""
    record = (await gate.propose()).record
    assert await gate.store.now.actions.get(record.id) is remembered(gate, record.id)
    assert isinstance(await other.vote(record, "ana"), Done)
    assert await gate.store.now.actions.get(record.id) == await other.load(record.id)
    kept = await approved(gate)
    async with other.store.writing() as tx:
        assert await tx.seals.shred(kept, at=gate.clock.now(), by="op")
    looked = await gate.store.now.actions.get(kept.id)
    assert looked is not None
    assert looked == await other.load(kept.id)
    assert looked.shredded is not None


async def test_a_delegation_that_another_gate_has_granted_counts_at_once(gate: World, other: World) -> None:
    """INV-13: the first gate remembers that nobody has lent anything."""
    gate.source.load_people(WITH_DEE)
    first, second = (await gate.propose()).record, (await gate.propose(payload={"amount": 7})).record
    assert isinstance(await gate.vote(first, "ana"), Done)
    await lent(other)
    done = await gate.vote(second, "dee")
    assert isinstance(done, Done), done
    assert done.record.votes[0].on_behalf_of == "ana"


async def test_a_delegation_that_another_gate_has_ended_counts_no_more(gate: World, other: World) -> None:
    """INV-07: the first gate remembers it as it stood. Another one that was granted meanwhile makes them as many."""
    given = await lent(gate)
    first, second = (await gate.propose()).record, (await gate.propose(payload={"amount": 7})).record
    assert isinstance(await gate.vote(first, "dee"), Done)
    ended = await revoke_delegation(other.deps, RevokeDelegation(delegation_id=given, person="ana"))
    assert isinstance(ended, Delegated), ended
    await lent(other, grantor="own", delegate="cho")
    assert isinstance(await gate.vote(second, "dee"), Refused)
    assert (await gate.load(second.id)).status is Status.PENDING


async def test_what_was_lent_for_later_counts_when_its_time_comes(gate: World) -> None:
    await lent(gate, start=gate.clock.now() + timedelta(minutes=5))
    first, second = (await gate.propose()).record, (await gate.propose(payload={"amount": 7})).record
    assert isinstance(await gate.vote(first, "dee"), Refused)
    gate.clock.pass_(minutes=6)
    assert isinstance(await gate.vote(second, "dee"), Done)


async def test_what_equals_a_request_of_another_gate_joins_it(gate: World, other: World) -> None:
    """INV-42 for what has no key: the first gate has heard of no such request."""
    there = (await other.propose()).record
    done = await gate.propose()
    assert done.joined
    assert done.record.id == there.id
    assert (await gate.propose()).joined, "it is remembered now"


async def test_an_agent_has_no_more_requests_open_than_it_may_over_all_gates(
    gate: World, other: World
) -> None:
    """Threat 23, at once and one after the other."""
    limits = replace(gate.deps.limits, pending_per_agent=40)
    gates = [replace(each, deps=replace(each.deps, limits=limits)) for each in (gate, other)]
    for number in range(5):
        await gates[1].propose(payload={"amount": number})
    await asyncio.gather(*(gates[0].propose(payload={"amount": number}) for number in range(5, 60)))
    last = await gates[1].propose(payload={"amount": 60})
    assert last.record.status is Status.THROTTLED
    async with gate.store.reading() as tx:
        open_ = await tx.actions.pending_count(AGENT.id)
    # On PostgreSQL those that are stored alone, near the limit, do not wait for each other.
    assert 40 <= open_ < 60 if gate.store.address.postgres else open_ == 40
