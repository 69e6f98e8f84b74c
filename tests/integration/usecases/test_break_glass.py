"""Emergencies through the use-cases on both engines: one transaction, races, abuse, expiry, and the review after."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gate.domain.emergency import Finding
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, GrantState, Status
from gate.usecases.break_glass import break_glass
from gate.usecases.close_review import close_review
from gate.usecases.collect import collect
from gate.usecases.commands import BreakTheGlass, CloseReview, Done, FireDeadline
from gate.usecases.deadline import fire
from gate.usecases.document import to_document
from gate.usecases.emergencies import glass, releasable, to_review
from gate.usecases.views import GlassView
from tests.fakes.world import AGENT, GLASS, POLICY, WHY, World

DENIED = POLICY.replace(
    "    decision: require_approval\n    risk: high", "    decision: deny\n    risk: high"
).split("    approval:\n      groups: [finance]\n      sla: 30m\n      on_timeout")[0]


@pytest.fixture
def open_gate(gate: World) -> World:
    gate.source.load(POLICY + GLASS)
    return gate


async def broken(gate: World, record: ActionRecord, by: str = "ana", **changes: Any) -> Done | Refused:
    fields = {"version": record.version.number, "reason": WHY, "valid_sec": 300} | changes
    return await break_glass(gate.deps, BreakTheGlass(action_id=record.id, person=by, **fields))


async def released(gate: World, by: str = "ana", **changes: Any) -> ActionRecord:
    record = (await gate.propose()).record
    done = await broken(gate, record, by, **changes)
    assert isinstance(done, Done), done
    return done.record


async def reviewed(
    gate: World, record: ActionRecord, by: str = "cho", finding: Finding = Finding.JUSTIFIED
) -> Any:
    command = CloseReview(action_id=record.id, person=by, finding=finding, comment="Looked at it")
    return await close_review(gate.deps, command)


async def sent(gate: World, action_id: str) -> list[tuple[str, str, str]]:
    async with gate.store.reading() as tx:
        rows = await tx.outbox.rows(dead_only=False, limit=200)
    return [(r.channel, r.kind, str(r.body.get("why", ""))) for r in rows if r.action_id == action_id]


def code(result: Any) -> str:
    assert isinstance(result, Refused), result
    return result.code


async def test_the_glass_is_off_unless_the_set_says_otherwise(gate: World) -> None:
    record = (await gate.propose()).record
    assert code(await broken(gate, record)) == "break_glass_off"
    assert code(await releasable(gate.deps, "ana")) == "break_glass_off"


async def test_a_release_its_record_its_calls_and_its_review_are_one_transaction(open_gate: World) -> None:
    """INV-17, INV-33, INV-44"""
    record = await released(open_gate)
    assert record.status is Status.APPROVED
    again = await open_gate.load(record.id)
    assert again.emergency == record.emergency
    assert again.in_review
    assert again.deadline == record.deadline
    assert await open_gate.story(record.id) == ["approval.requested", "approval.break_glass"]
    calls = [each for each in await sent(open_gate, record.id) if each[2] == "break_glass"]
    assert calls == [("slack", "dm", "break_glass")] * 2
    collected = await collect(open_gate.deps, AGENT, record.id)
    assert isinstance(collected, Done)


async def test_of_a_vote_and_a_broken_glass_one_wins(open_gate: World) -> None:
    """INV-03: one decision, one record of it."""
    record = (await open_gate.propose()).record
    results = await asyncio.gather(
        broken(open_gate, record, "ana"), open_gate.vote(record, "bo"), broken(open_gate, record, "bo")
    )
    assert sum(isinstance(r, Done) for r in results) == 1
    assert all(r.code == "already_decided" for r in results if isinstance(r, Refused))
    assert len(await open_gate.story(record.id)) == 2


async def test_what_the_policy_in_force_refuses_no_glass_releases(open_gate: World) -> None:
    """INV-14, INV-17"""
    record = (await open_gate.propose()).record
    open_gate.source.load(DENIED + GLASS)
    assert code(await broken(open_gate, record)) == "policy_changed"
    assert code(await glass(open_gate.deps, "ana", record.id)) == "policy_changed"


async def test_what_policy_denied_is_never_released(open_gate: World) -> None:
    record = (await open_gate.propose(payload={"amount": 60_000, "order": "881"})).record
    assert record.status is Status.DENIED
    assert code(await broken(open_gate, record)) == "already_decided"


async def test_a_deadline_that_came_first_counts_first(open_gate: World) -> None:
    """INV-28: the ticker may be late, the person is later."""
    record = (await open_gate.propose()).record
    open_gate.clock.pass_(hours=2)
    refused = await broken(open_gate, record)
    assert code(refused) == "already_decided"
    assert (await open_gate.load(record.id)).status is Status.EXPIRED


async def test_nobody_breaks_the_glass_while_a_review_is_owed(open_gate: World) -> None:
    """Threat 34: what one has done has to be looked at before one does it again."""
    first = await released(open_gate)
    second = (await open_gate.propose(payload={"amount": 2_000, "order": "882"})).record
    assert isinstance(await glass(open_gate.deps, "ana", second.id), GlassView)
    open_gate.clock.pass_(minutes=61)
    third = (await open_gate.propose(payload={"amount": 3_000, "order": "883"})).record
    assert code(await broken(open_gate, third)) == "review_owed"
    assert code(await releasable(open_gate.deps, "ana")) == "review_owed"
    assert isinstance(await broken(open_gate, third, "bo"), Done)  # another person's debt is their own
    assert isinstance(await reviewed(open_gate, first), Done)
    fourth = (await open_gate.propose(payload={"amount": 4_000, "order": "884"})).record
    assert isinstance(await broken(open_gate, fourth), Done)


async def test_a_grant_ends_with_the_release_and_none_follows(open_gate: World) -> None:
    """INV-17"""
    record = await released(open_gate, valid_sec=120)
    got = await collect(open_gate.deps, AGENT, record.id)
    assert isinstance(got, Done)
    assert got.grant is not None
    assert got.grant.expires_at <= open_gate.clock.now().replace(microsecond=0) + (
        record.emergency.until - record.emergency.at  # type: ignore[union-attr]
    )
    open_gate.clock.pass_(seconds=120)
    assert code(await collect(open_gate.deps, AGENT, record.id)) == "grant_expired"
    assert code(await open_gate.redeem(got.grant.token, record.version.payload)) == "grant_expired"


async def test_an_unjustified_release_takes_its_live_grant_with_it(open_gate: World) -> None:
    """INV-17, INV-20"""
    record = await released(open_gate)
    got = await collect(open_gate.deps, AGENT, record.id)
    assert isinstance(got, Done)
    assert got.grant is not None
    done = await reviewed(open_gate, record, finding=Finding.UNJUSTIFIED)
    assert isinstance(done, Done)
    assert done.record.grants_revoked
    assert code(await open_gate.redeem(got.grant.token, record.version.payload)) == "grant_revoked"
    assert code(await collect(open_gate.deps, AGENT, record.id)) == "grant_revoked"
    async with open_gate.store.reading() as tx:
        stored = await tx.grants.get(got.grant.jti)
    assert stored is not None
    assert stored.state is GrantState.REVOKED


async def test_the_document_says_who_why_until_when_and_how_the_review_stands(open_gate: World) -> None:
    record = (await open_gate.propose()).record
    assert to_document(record).approval.break_glass is None  # type: ignore[union-attr]
    done = await broken(open_gate, record)
    assert isinstance(done, Done)
    shown = to_document(done.record).approval
    assert shown is not None
    assert shown.break_glass is not None
    assert shown.break_glass.model_dump(mode="json") == {
        "person": "ana",
        "reason": WHY,
        "until": "2026-11-02T09:05:00.000000Z",
        "review": "open",
    }
    closed = await reviewed(open_gate, record, finding=Finding.UNJUSTIFIED)
    assert to_document(closed.record).approval.break_glass.review == "unjustified"


async def test_a_justified_release_goes_on(open_gate: World) -> None:
    record = await released(open_gate)
    assert isinstance(await reviewed(open_gate, record), Done)
    got = await collect(open_gate.deps, AGENT, record.id)
    assert isinstance(got, Done)
    assert got.grant is not None
    assert isinstance(await open_gate.redeem(got.grant.token, record.version.payload), Done)


async def test_an_unreviewed_release_calls_again_after_every_restart(open_gate: World) -> None:
    """INV-17, INV-25, INV-29: the timer lies in the database and does not stop."""
    record = await released(open_gate)
    for number in (1, 2, 3):
        stored = await open_gate.load(record.id)
        assert stored.deadline is not None
        open_gate.clock.at = stored.deadline.due_at
        async with open_gate.store.reading() as tx:
            (due,) = await tx.deadlines.due(open_gate.clock.now(), limit=9)
        done = await fire(open_gate.deps, FireDeadline(action_id=due.action_id, seq=due.seq))
        assert isinstance(done, Done)
        again = await open_gate.load(record.id)
        assert again.emergency is not None
        assert again.emergency.overdue == number
    assert (await open_gate.story(record.id)).count("review.overdue") == 3
    assert isinstance(await reviewed(open_gate, record), Done)
    async with open_gate.store.reading() as tx:
        assert await tx.deadlines.next_at() is None


async def test_the_timer_calls_those_whom_the_policy_in_force_names(open_gate: World) -> None:
    """INV-17: resolved anew, not as they were when it happened."""
    record = await released(open_gate)
    open_gate.source.load(POLICY + GLASS.replace("[cho, group:finance]", "[bo]"))
    assert record.deadline is not None
    open_gate.clock.at = record.deadline.due_at
    done = await fire(open_gate.deps, FireDeadline(action_id=record.id, seq=record.deadline.seq))
    assert isinstance(done, Done)
    async with open_gate.store.reading() as tx:
        story = await tx.audit.of_action(record.id)
    assert story[-1].detail["called"] == ["bo"]


async def test_two_supervisors_one_review(open_gate: World) -> None:
    record = await released(open_gate)
    results = await asyncio.gather(
        reviewed(open_gate, record, "cho"), reviewed(open_gate, record, "bo", Finding.UNJUSTIFIED)
    )
    assert sorted(type(r).__name__ for r in results) == ["Done", "Refused"]
    assert (await open_gate.story(record.id)).count("review.closed") == 1


async def test_who_supervises_sees_what_waits_and_the_breaker_does_not(open_gate: World) -> None:
    """INV-17, threat 34"""
    record = await released(open_gate)
    directory = open_gate.deps.rules.current.directory
    async with open_gate.store.reading() as tx:
        seen = {
            p: [r.action_id for r in await to_review(open_gate.deps, tx, directory, p)]
            for p in directory.people
        }
    assert seen == {"ana": [], "bo": [record.id], "cho": [record.id], "own": []}
    assert code(await reviewed(open_gate, record, "ana")) == "own_release"


async def test_the_choice_holds_what_this_person_may_release(open_gate: World) -> None:
    mine = (await open_gate.propose()).record
    await open_gate.propose("pay.wire")  # critical, and another topic
    found = await releasable(open_gate.deps, "ana")
    assert not isinstance(found, Refused)
    assert [line.action_id for line in found] == [mine.id]
