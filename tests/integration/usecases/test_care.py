"""Care for reviewers through the use-cases, on both engines: load, breaks, others in their place, second reviews."""

from __future__ import annotations

import asyncio

import pytest

from gate.delivery.brief import brief
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Choice, Status
from gate.domain.second_review import drawn
from gate.domain.verdict import ApprovalPlan
from gate.usecases import read
from gate.usecases.cards import card_view, queue
from gate.usecases.commands import Done, ReassignAction
from gate.usecases.document import to_document
from gate.usecases.reassign import reassign
from gate.usecases.rebalance import spread
from tests.fakes.world import AGENT, POLICY, World

EVEN = "fatigue_controls: {auto_rebalance: true}\n"
BREAKS = "fatigue_controls: {auto_rebalance: true, cooldown_after_approvals: 2, cooldown: 10m}\n"
REST = "fatigue_controls: {cooldown_after_approvals: 2, cooldown: 10m}\n"
BLIND = "fatigue_controls: {sampled_second_review_rate: 1}\n"
BLIND_EVEN = "fatigue_controls: {sampled_second_review_rate: 1, auto_rebalance: true}\n"
FEW = "approval_queue_policy: {max_open_requests_per_reviewer: 2}\n"


def with_care(gate: World, sections: str) -> None:
    gate.source.load(POLICY + sections)


async def proposed(gate: World, number: int = 0, **changes) -> ActionRecord:
    """Payloads differ, so that none joins another."""
    done = await gate.propose(**({"payload": {"amount": 1400, "order": str(number)}} | changes))
    return done.record


def code(result: Done | Refused) -> str:
    assert isinstance(result, Refused), result
    return result.code


def done(result: Done | Refused) -> ActionRecord:
    assert isinstance(result, Done), result
    return result.record


async def detail(gate: World, record: ActionRecord, kind: str) -> dict:
    async with gate.store.reading() as tx:
        found = [r for r in await tx.audit.of_action(record.id) if r.kind == kind]
    return dict(found[-1].detail)


async def told(gate: World, record: ActionRecord) -> list[tuple[str, str | None]]:
    """(kind, person) of everything that leaves for Slack about it."""
    async with gate.store.reading() as tx:
        rows = await tx.outbox.rows(dead_only=False, limit=500)
    mine = sorted((m for m in rows if m.action_id == record.id), key=lambda m: m.id)
    return [(m.kind, m.body.get("person")) for m in mine]


async def test_without_care_everybody_of_the_group_is_asked(gate: World) -> None:
    record = await proposed(gate)
    assert record.asked == ("ana", "bo")
    assert "skipped" not in await detail(gate, record, "approval.requested")


async def test_requests_are_shared_out_evenly(gate: World) -> None:
    with_care(gate, EVEN)
    asked = []
    for number in range(6):
        gate.clock.pass_(seconds=1)
        record = await proposed(gate, number)
        asked += record.asked
    assert asked == ["ana", "bo"] * 3


async def test_whoever_has_enough_to_do_is_passed_over_and_that_is_on_record(gate: World) -> None:
    gate.source.load(POLICY.replace("groups: [finance]\n      sla", "assignees: [ana]\n      sla") + FEW)
    waiting = [await proposed(gate, number) for number in range(3)]
    assert [record.asked for record in waiting] == [("ana",), ("ana",), ("cho",)]
    assert (await detail(gate, waiting[2], "approval.requested"))["skipped"] == ["ana:full"]
    with_care(gate, FEW)
    assert (await proposed(gate, 3)).asked == ("bo",)
    assert done(await gate.vote(waiting[2], "ana")).status is Status.APPROVED, "and may decide all the same"


async def test_a_decided_request_is_no_load(gate: World) -> None:
    with_care(gate, EVEN)
    first = await proposed(gate, 1)
    assert first.asked == ("ana",)
    done(await gate.vote(first, "ana"))
    gate.clock.pass_(seconds=1)
    second = await proposed(gate, 2)
    gate.clock.pass_(seconds=1)
    third = await proposed(gate, 3)
    assert (second.asked, third.asked) == (("bo",), ("ana",))


async def _approve_two(gate: World, person: str = "ana") -> None:
    for number in range(2):
        gate.clock.pass_(seconds=10)
        done(await gate.vote(await proposed(gate, 100 + number), person))


async def test_after_many_approvals_without_a_break_no_more_count(gate: World) -> None:
    with_care(gate, REST)
    await _approve_two(gate)
    record = await proposed(gate, 7)
    assert record.asked == ("bo",)
    assert (await detail(gate, record, "approval.requested"))["skipped"] == ["ana:cooling"]
    refused = await gate.vote(record, "ana")
    assert code(refused) == "cooldown"
    assert isinstance(refused, Refused)
    assert "until 09:11 UTC" in refused.sentence
    assert (await gate.load(record.id)).revision == record.revision
    gate.clock.pass_(minutes=10)
    assert done(await gate.vote(record, "ana")).status is Status.APPROVED


async def test_of_two_approvals_at_once_the_second_counts_the_first(gate: World) -> None:
    """Nobody gets past the break by clicking twice in one instant."""
    with_care(gate, REST)
    done(await gate.vote(await proposed(gate, 50), "ana"))
    open_ones = await asyncio.gather(*(proposed(gate, number) for number in range(8)))  # as many connections
    results = await asyncio.gather(*(gate.vote(record, "ana") for record in open_ones))
    assert sorted(code(r) if isinstance(r, Refused) else "done" for r in results) == ["cooldown"] * 7 + [
        "done"
    ]


async def test_requests_that_come_at_once_are_shared_out_evenly_too(gate: World) -> None:
    with_care(gate, EVEN)
    asked = [
        p for record in await asyncio.gather(*(proposed(gate, n) for n in range(8))) for p in record.asked
    ]
    assert sorted(asked) == ["ana"] * 4 + ["bo"] * 4


async def test_a_break_leaves_everything_but_approving(gate: World) -> None:
    with_care(gate, REST)
    await _approve_two(gate)
    first, second, third = [await proposed(gate, n) for n in range(3)]
    assert done(await gate.vote(first, "ana", Choice.REJECT)).status is Status.REJECTED
    saved = done(await gate.edit(second, "ana", {"amount": 900, "order": "1"}))
    assert saved.version.number == 2
    asked = await reassign(
        gate.deps, ReassignAction(action_id=third.id, person="ana", to=("cho",), reason="busy")
    )
    assert "cho" in done(asked).asked


async def test_an_edit_that_approves_meets_the_same_check(gate: World) -> None:
    with_care(gate, REST)
    await _approve_two(gate)
    record = await proposed(gate, 1)
    assert code(await gate.edit(record, "ana", {"amount": 900, "order": "1"}, approve=True)) == "cooldown"
    assert (await gate.load(record.id)).version.number == 1


async def test_what_waits_for_somebody_who_needs_a_break_is_put_to_others(gate: World) -> None:
    with_care(gate, BREAKS)
    open_ones = []
    for number in range(4):
        gate.clock.pass_(seconds=1)
        open_ones.append(await proposed(gate, number))
    alone = [r for r in open_ones if r.asked == ("ana",)]
    assert len(alone) == 2
    others = [r for r in open_ones if r.asked == ("bo",)]
    for record in others:  # ana decides two that bo was asked for
        gate.clock.pass_(seconds=1)
        done(await gate.vote(record, "ana"))
    for record in alone:
        now = await gate.load(record.id)
        assert now.asked == ("ana", "bo")
        found = await detail(gate, record, "approval.rebalanced")
        assert (found["asked"], found["in_place_of"]) == (["bo"], "ana")
        assert (await told(gate, record))[-2:] == [("thread", None), ("dm", "bo")]
    assert await spread(gate.deps, "ana") == 0, "and once is enough"


async def test_where_others_were_asked_nobody_else_is(gate: World) -> None:
    with_care(gate, REST + "")
    record = await proposed(gate, 1)
    gate.source.load(POLICY + BREAKS)
    await _approve_two(gate)
    assert (await gate.load(record.id)).asked == ("ana", "bo")
    assert "approval.rebalanced" not in await gate.story(record.id)


async def test_inv_04_a_second_review_takes_two_people(gate: World) -> None:
    """INV-04: whoever approved first does not count as the second."""
    with_care(gate, BLIND)
    record = await proposed(gate)
    assert record.plan is not None
    assert record.plan.second_review
    assert done(await gate.vote(record, "ana")).status is Status.PENDING
    assert code(await gate.vote(record, "ana")) == "already_voted"
    assert done(await gate.vote(record, "bo")).status is Status.APPROVED
    assert (await detail(gate, record, "approval.granted"))["second_review"] == "agreed"


async def test_until_it_is_decided_nothing_shows_the_first_vote(gate: World) -> None:
    with_care(gate, BLIND)
    record = await proposed(gate)
    before = await card_view(gate.deps, record.id)
    document = to_document(record)
    people = gate.source.current.directory
    assert before is not None
    letter = brief(before, record, people, payload_limit=2_000)
    sent = await told(gate, record)
    line = next(q for q in (await queue(gate.deps, "bo")).mine if q.action_id == record.id)
    done(await gate.vote(record, "ana", comment="looks fine"))
    assert await card_view(gate.deps, record.id) == before
    assert brief(before, await gate.load(record.id), people, payload_limit=2_000) == letter
    assert to_document(await gate.load(record.id)) == document
    assert await told(gate, record) == sent
    assert [q for q in (await queue(gate.deps, "bo")).mine if q.action_id == record.id] == [line]
    assert not [q for q in (await queue(gate.deps, "ana")).mine if q.action_id == record.id]
    assert (line.approvals, line.quorum) == (0, 1)
    assert document.approval is not None
    assert (document.approval.required, document.approval.votes) == (1, [])
    done(await gate.vote(record, "bo"))
    after = await card_view(gate.deps, record.id)
    assert after is not None
    assert after.second_review == "agreed"
    assert [v.person.id for v in after.approvals] == ["ana", "bo"]


async def test_a_disagreement_is_shown_once_it_is_decided(gate: World) -> None:
    with_care(gate, BLIND)
    record = await proposed(gate)
    done(await gate.vote(record, "ana"))
    done(await gate.vote(record, "bo", Choice.REJECT))
    view = await card_view(gate.deps, record.id)
    assert view is not None
    assert view.second_review == "disagreed"
    assert (await detail(gate, record, "approval.rejected"))["second_review"] == "disagreed"


async def test_the_next_person_is_asked_where_nobody_else_was(gate: World) -> None:
    with_care(gate, BLIND_EVEN)
    record = await proposed(gate)
    assert record.asked == ("ana",)
    done(await gate.vote(record, "ana"))
    assert (await gate.load(record.id)).asked == ("ana", "bo")
    assert (await told(gate, record))[-1] == ("dm", "bo")
    assert done(await gate.vote(await gate.load(record.id), "bo")).status is Status.APPROVED


async def test_the_draw_is_by_the_id(gate: World) -> None:
    with_care(gate, "fatigue_controls: {sampled_second_review_rate: 0.5}\n")
    for number in range(12):
        record = await proposed(gate, number)
        assert (record.plan or ApprovalPlan()).second_review == drawn(record.id, 0.5)


async def test_an_agent_that_follows_hears_nothing_of_the_first_vote(gate: World) -> None:
    with_care(gate, BLIND)
    record = await proposed(gate)
    done(await gate.vote(record, "ana"))
    seen = await read.get(gate.deps, AGENT, record.id)
    assert seen is not None
    assert to_document(seen).model_dump_json() == to_document(record).model_dump_json()


@pytest.mark.parametrize("person", ["own", "zed"])
async def test_inv_05_no_care_lets_anybody_in(gate: World, person: str) -> None:
    """INV-05: a first hidden vote opens nothing for owner or stranger."""
    with_care(gate, BLIND)
    record = await proposed(gate)
    done(await gate.vote(record, "ana"))
    assert code(await gate.vote(record, person)) in ("own_agent", "inactive_person")
