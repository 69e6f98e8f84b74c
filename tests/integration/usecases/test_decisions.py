"""Commands against a real store on both engines: what is committed, who wins, what the loser hears."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gate.domain.action import Agent
from gate.domain.refusal import Refused
from gate.domain.request import Choice, GrantState, Result, Status
from gate.usecases import cards, collect, deadline, outcome, read, revoke
from gate.usecases.commands import Done, FireDeadline, ReportOutcome, RevokeGrants
from tests.fakes.world import AGENT, EXECUTOR, POLICY, World


def ok(result: Done | Refused) -> Done:
    assert isinstance(result, Done), result
    return result


def code(result: Done | Refused) -> str:
    assert isinstance(result, Refused), result
    return result.code


async def test_an_allowed_action_is_answered_with_its_grant_and_on_record(gate: World):
    """INV-23, INV-44: grant and record are committed together with the decision."""
    done = await gate.propose("crm.read", payload={"id": 1})
    assert done.record.status is Status.ALLOWED
    assert done.grant is not None
    stored = await gate.load(done.record.id)
    assert stored == done.record
    assert await gate.story(stored.id) == ["action.allowed", "grant.issued"]


async def test_a_denied_action_has_no_grant(gate: World):
    done = await gate.propose(payload={"amount": 60000, "order": "1"})
    assert (done.record.status, done.grant) == (Status.DENIED, None)
    assert code(await collect.collect(gate.deps, AGENT, done.record.id)) == "not_approved"


async def test_the_whole_way_from_proposal_to_outcome(gate: World):
    """INV-21: what is executed has the digest that was approved, which is the edited one."""
    record = (await gate.propose()).record
    edited = ok(await gate.edit(record, "ana", {"amount": 1200, "order": "881"}, approve=True)).record
    assert edited.status is Status.APPROVED
    grant = ok(await collect.collect(gate.deps, AGENT, record.id)).grant
    assert grant is not None
    assert code(await gate.redeem(grant.token, {"amount": 1400, "order": "881"})) == "payload_mismatch"
    used = ok(await gate.redeem(grant.token, {"amount": 1200, "order": "881"}))
    assert used.grant is not None
    assert used.grant.state is GrantState.REDEEMED
    report = ReportOutcome(agent=EXECUTOR, action_id=record.id, result=Result.SUCCEEDED)
    ok(await outcome.report(gate.deps, report))
    assert ok(await outcome.report(gate.deps, report)).replayed
    assert await gate.story(record.id) == [
        "approval.requested",
        "approval.edited",
        "approval.granted",
        "grant.issued",
        "grant.redeemed",
        "outcome.reported",
    ]


@pytest.mark.parametrize("other", [Choice.APPROVE, Choice.REJECT])
async def test_of_two_simultaneous_clicks_one_wins_and_the_other_is_told(gate: World, other: Choice):
    """INV-03: one decision, one record of it, and the loser hears who was first."""
    record = (await gate.propose()).record
    results = await asyncio.gather(gate.vote(record, "ana"), gate.vote(record, "bo", other))
    won = [r for r in results if isinstance(r, Done)]
    lost = [r for r in results if isinstance(r, Refused)]
    assert len(won) == len(lost) == 1
    assert lost[0].code == "already_decided"
    assert won[0].record.decided_by in ("ana", "bo")
    name = {"ana": "Ana Ruiz", "bo": "Bo Lindqvist"}[won[0].record.decided_by or ""]
    assert name in lost[0].sentence
    story = await gate.story(record.id)
    assert len([k for k in story if k in ("approval.granted", "approval.rejected")]) == 1


async def test_three_clicks_by_one_person_are_one(gate: World):
    """INV-04, INV-08, INV-36"""
    record = (await gate.propose("pay.wire")).record
    results = await asyncio.gather(*(gate.vote(record, "ana") for _ in range(3)))
    assert [isinstance(r, Done) for r in results].count(True) == 1
    assert (await gate.load(record.id)).status is Status.PENDING
    assert ok(await gate.vote(record, "bo")).record.status is Status.APPROVED


async def test_edit_against_approve_gives_one_order_and_one_truth(gate: World):
    """INV-10, INV-11: whoever comes second sees what the first did (threat 10)."""
    record = (await gate.propose()).record
    edit, vote = await asyncio.gather(
        gate.edit(record, "ana", {"amount": 1, "order": "881"}), gate.vote(record, "bo")
    )
    assert isinstance(edit, Done) != isinstance(vote, Done)
    after = await gate.load(record.id)
    if isinstance(edit, Done):
        assert (after.status, code(vote)) == (Status.PENDING, "stale_version")
    else:
        assert (after.status, code(edit)) == (Status.APPROVED, "already_decided")


async def test_concurrent_twins_create_one_action(gate: World):
    """INV-40, INV-42"""
    results = await asyncio.gather(*(gate.propose(key="k1") for _ in range(8)))
    assert len({r.record.id for r in results}) == 1
    assert [r.replayed for r in results].count(False) == 1


async def test_a_key_reused_with_another_body_is_refused_and_other_agents_are_apart(gate: World):
    """INV-41, and threat 33"""
    first = await gate.propose(key="k1")
    assert code(await gate.try_propose(key="k1", body="other")) == "key_reused"
    stranger = Agent(id="agt_2", name="other", team="x", owner="own")
    second = await gate.propose(key="k1", body="other", agent=stranger)
    assert second.record.id != first.record.id
    assert await read.get(gate.deps, stranger, first.record.id) is None
    assert code(await collect.collect(gate.deps, stranger, first.record.id)) == "unknown_action"


async def test_a_grant_is_redeemed_once_by_many_at_the_same_time(gate: World):
    """INV-19"""
    done = await gate.propose("crm.read", payload={"id": 1})
    assert done.grant is not None
    results = await asyncio.gather(*(gate.redeem(done.grant.token, {"id": 1}) for _ in range(6)))
    assert [isinstance(r, Done) for r in results].count(True) == 1
    assert {r.code for r in results if isinstance(r, Refused)} == {"grant_redeemed"}


async def test_collectors_at_the_same_time_get_the_same_grant(gate: World):
    """INV-18"""
    record = (await gate.propose()).record
    ok(await gate.vote(record, "ana"))
    results = await asyncio.gather(*(collect.collect(gate.deps, AGENT, record.id) for _ in range(5)))
    assert len({ok(r).grant.jti for r in results}) == 1  # type: ignore[union-attr]


async def test_an_expired_grant_is_replaced_while_the_approval_is_valid_and_then_no_more(gate: World):
    """INV-18, INV-20"""
    record = (await gate.propose()).record
    ok(await gate.vote(record, "ana"))
    first = ok(await collect.collect(gate.deps, AGENT, record.id)).grant
    gate.clock.pass_(minutes=16)
    second = ok(await collect.collect(gate.deps, AGENT, record.id)).grant
    assert first is not None
    assert second is not None
    assert first.jti != second.jti
    assert code(await gate.redeem(first.token, record.version.payload)) == "grant_expired"
    ok(await gate.redeem(second.token, record.version.payload))
    other = (await gate.propose(payload={"amount": 5, "order": "2"})).record
    ok(await gate.vote(other, "ana"))
    gate.clock.pass_(hours=25)
    assert code(await collect.collect(gate.deps, AGENT, other.id)) == "grant_expired"


async def test_a_revoked_release_is_dead_at_once(gate: World):
    """INV-20"""
    done = await gate.propose("crm.read", payload={"id": 1})
    assert done.grant is not None
    ok(await revoke.revoke(gate.deps, RevokeGrants(action_id=done.record.id, operator="root", reason="x")))
    assert code(await gate.redeem(done.grant.token, {"id": 1})) == "grant_revoked"


async def test_a_forged_or_foreign_token_is_no_grant(gate: World):
    for token in ("", "a.b.c", gate.signer.sign({"jti": "grt_unknown"})):
        assert code(await gate.redeem(token, {})) == "invalid_grant"


async def test_a_vote_after_the_deadline_finds_the_deadline_result(gate: World):
    """INV-28: one result, also when the ticker was late."""
    record = (await gate.propose()).record
    gate.clock.pass_(minutes=30)
    refused = await gate.vote(record, "ana")
    assert code(refused) == "already_decided"
    after = await gate.load(record.id)
    assert after.status is Status.EXPIRED
    assert await gate.story(record.id) == [
        "approval.requested",
        "approval.escalated",
        "approval.expired",
    ]


async def test_a_vote_and_the_deadline_at_once_yield_one_result(gate: World):
    """INV-28"""
    record = (await gate.propose()).record
    assert record.deadline is not None
    gate.clock.at = record.deadline.due_at - timedelta(microseconds=1)
    vote = gate.vote(record, "ana")
    gate.clock.pass_(minutes=20)
    fire = deadline.fire(gate.deps, FireDeadline(action_id=record.id, seq=record.deadline.seq))
    await asyncio.gather(vote, fire)
    ends = [k for k in await gate.story(record.id) if k in ("approval.granted", "approval.expired")]
    assert len(ends) == 1


async def test_the_same_deadline_fires_once_however_many_tickers_there_are(gate: World):
    """INV-25, INV-27"""
    record = (await gate.propose()).record
    assert record.deadline is not None
    gate.clock.pass_(minutes=10)
    command = FireDeadline(action_id=record.id, seq=record.deadline.seq)
    results = await asyncio.gather(*(deadline.fire(gate.deps, command) for _ in range(5)))
    assert [isinstance(r, Done) for r in results].count(True) == 1
    assert await gate.story(record.id) == ["approval.requested", "approval.escalated"]


async def test_every_pending_request_has_one_armed_deadline(gate: World):
    """INV-24"""
    for number in range(3):
        await gate.propose(payload={"amount": number})
    decided = (await gate.propose()).record
    ok(await gate.vote(decided, "ana"))
    async with gate.store.reading() as tx:
        due = await tx.deadlines.due(gate.clock.now() + timedelta(days=1), limit=100)
    assert len(due) == len({d.action_id for d in due}) == 3
    assert decided.id not in {d.action_id for d in due}


async def test_a_stricter_policy_after_a_reload_holds_for_what_is_pending(gate: World):
    """INV-14"""
    record = (await gate.propose()).record
    gate.source.load(POLICY.replace("amount_usd_above: 50000", "amount_usd_above: 1000"))
    refused = await gate.vote(record, "ana")
    assert code(refused) == "policy_changed"
    assert (await gate.load(record.id)).status is Status.PENDING


async def test_a_looser_policy_after_a_reload_releases_nothing(gate: World):
    """INV-14"""
    record = (await gate.propose("pay.wire")).record
    gate.source.load(POLICY.replace("risk: critical", "risk: low").replace("quorum: 2", "quorum: 1"))
    assert ok(await gate.vote(record, "ana")).record.status is Status.PENDING
    assert ok(await gate.vote(record, "bo")).record.status is Status.APPROVED


async def test_edits_are_refused_on_the_field(gate: World):
    record = (
        await gate.propose(
            payload_schema={"type": "object", "properties": {"amount": {"type": "integer", "maximum": 2000}}}
        )
    ).record
    outside = await gate.edit(record, "ana", {"amount": 1400, "order": "882"})
    assert isinstance(outside, Refused)
    assert [p.pointer for p in outside.problems] == ["/order"]
    over = await gate.edit(record, "ana", {"amount": 3000, "order": "881"})
    assert isinstance(over, Refused)
    assert [p.pointer for p in over.problems] == ["/amount"]
    policy = await gate.edit((await gate.propose()).record, "ana", {"amount": 60000, "order": "881"})
    assert isinstance(policy, Refused)
    assert "Over the cap" in policy.sentence


async def test_state_and_messages_commit_together_or_not_at_all(gate: World):
    """INV-33, INV-45: a failure after the last write leaves nothing behind."""
    record = (await gate.propose()).record

    class Broken(Exception):
        pass

    async def broken() -> None:
        async with gate.store.writing() as tx:
            await tx.actions.save(replace(await gate.load(record.id), revision=2), expected_revision=1)
            await tx.audit.append((await tx.audit.of_action(record.id))[0])
            raise Broken

    with pytest.raises(Broken):
        await broken()
    assert await gate.story(record.id) == ["approval.requested"]
    async with gate.store.reading() as tx:
        rows = await tx.outbox.rows(dead_only=False, limit=50)
    assert {(r.channel, r.kind) for r in rows} == {("slack", "card"), ("slack", "dm")}


async def test_a_waiter_is_answered_as_soon_as_a_person_decides(gate: World):
    """INV-46 in part: a wait that nobody reads any more loses nothing."""
    record = (await gate.propose()).record
    waiting = asyncio.create_task(read.wait_decided(gate.deps, record.id, 30))
    abandoned = asyncio.create_task(read.wait_decided(gate.deps, record.id, 30))
    await asyncio.sleep(0)
    abandoned.cancel()
    ok(await gate.vote(record, "ana"))
    answered = await waiting
    assert answered is not None
    assert answered.status is Status.APPROVED


async def test_an_agent_with_too_many_open_requests_is_throttled(gate: World):
    """Threat 23: a flood of requests does not reach people."""
    gate.deps = type(gate.deps)(
        **{
            name: getattr(gate.deps, name) for name in ("store", "clock", "ids", "signer", "rules", "wakeups")
        },
        limits=type(gate.deps.limits)(pending_per_agent=2),
    )
    first = (await gate.propose()).record
    await gate.propose(payload={"amount": 2})
    third = (await gate.propose(payload={"amount": 3})).record
    assert (await gate.propose()).record.id == first.id, "what joins opens nothing"
    assert third.status is Status.THROTTLED
    assert third.verdict.retry_after_sec


async def test_a_queue_holds_what_its_person_may_decide(gate: World):
    record = (await gate.propose("pay.wire")).record
    assert [line.action_id for line in (await cards.queue(gate.deps, "ana")).mine] == [record.id]
    assert (await cards.queue(gate.deps, "own")).mine == ()
    ok(await gate.vote(record, "ana"))
    assert (await cards.queue(gate.deps, "ana")).mine == ()
    ok(await gate.vote(record, "bo"))
    assert [d.action_id for d in (await cards.queue(gate.deps, "ana")).decided] == [record.id]


async def test_a_card_view_tells_what_the_gate_knows(gate: World):
    for amount in (100, 900):
        record = (await gate.propose(payload={"amount": amount, "order": "1"})).record
        ok(await gate.vote(record, "ana"))
    record = (await gate.propose()).record
    view = await cards.card_view(gate.deps, record.id)
    assert view is not None
    assert (view.history.total, view.history.approved) == (2, 2)
    assert (view.history.amount_low, view.history.amount_high) == (100, 900)
    assert not view.history.first_time
    assert {p.id for p in view.asked} == {"ana", "bo"}
    assert "amount_usd" not in view.claimed


async def test_an_executor_of_another_audience_reports_no_outcome(gate: World):
    done = await gate.propose("crm.read", payload={"id": 1})
    assert done.grant is not None
    ok(await gate.redeem(done.grant.token, {"id": 1}))
    other = replace(EXECUTOR, id="agt_other", audiences=frozenset({"payments-executor"}))
    told = ReportOutcome(agent=other, action_id=done.record.id, result=Result.SUCCEEDED)
    assert code(await outcome.report(gate.deps, told)) == "unknown_action"
    ok(await outcome.report(gate.deps, replace(told, agent=EXECUTOR)))
