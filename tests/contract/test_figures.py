"""What figures are read from, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from gate.domain.emergency import Emergency
from gate.domain.request import ActionRecord, Choice, Status, Version, Vote
from gate.domain.risk import Risk
from gate.domain.verdict import ApprovalPlan
from gate.store import SqlStore
from gate.store.tables import asks
from gate.store.transaction import SqlTransaction
from tests.contract.records import NOW, action, later

BLIND = ApprovalPlan(groups=("finance",), second_review=True)


async def store_it(store: SqlStore, record: ActionRecord, **changes: Any) -> ActionRecord:
    """Add `record`, and save it once more with `changes`."""
    async with store.writing() as tx:
        assert await tx.actions.add(record, idempotency_key=None, body_sha256="b")
        if changes:
            record = replace(record, revision=2, **changes)
            assert await tx.actions.save(record, expected_revision=1)
    return record


def ended(status: Status, at: datetime, by: str = "ana", **changes: Any) -> dict[str, Any]:
    return {"status": status, "decided_at": at, "decided_by": by, "deadline": None} | changes


def vote(person: str, seconds: float, choice: Choice = Choice.APPROVE, **changes: Any) -> Vote:
    return replace(Vote(person=person, choice=choice, version=1, at=later(seconds)), **changes)


async def test_what_waits_is_counted_by_risk_the_highest_first(store: SqlStore):
    low = replace(action(3).verdict, effective=replace(action(3).verdict.effective, risk=Risk.LOW))
    await store_it(store, replace(action(1, at=later(-60)), sla_at=later(-1)))
    await store_it(store, replace(action(2), sla_at=later(-1), held=True))
    await store_it(store, replace(action(3, at=later(5)), verdict=low, sla_at=later(60)))
    await store_it(store, action(4), **ended(Status.APPROVED, NOW))
    async with store.reading() as tx:
        high, small = await tx.figures.waiting(NOW)
    assert (high.risk, high.count, high.oldest_at, high.overdue, high.held) == (
        Risk.HIGH,
        2,
        later(-60),
        2,
        1,
    )
    assert (small.risk, small.count, small.overdue, small.held) == (Risk.LOW, 1, 0, 0)


async def test_what_became_of_requests_is_told_by_columns(store: SqlStore):
    broken = Emergency(
        person="ana",
        reason="Down",
        at=later(9),
        until=later(99),
        supervisors=("cho",),
        review_due_at=later(999),
    )
    await store_it(store, action(1, status=Status.ALLOWED))
    await store_it(
        store, action(2), **ended(Status.APPROVED, later(30), breached=True, escalation_step=2, joined=3)
    )
    await store_it(store, action(3, at=later(1)), **ended(Status.APPROVED, later(40), "timer"))
    in_review = ended(Status.APPROVED, later(9), emergency=broken) | {"deadline": action(4).deadline}
    await store_it(store, action(4, at=later(2)), **in_review)
    await store_it(store, action(5, at=later(-1)))
    async with store.reading() as tx:
        found = await tx.figures.asked(NOW, limit=10)
        newest = await tx.figures.asked(NOW, limit=1)
    people, timer, emergency = sorted(found, key=lambda each: each.at)
    assert (people.status, people.decided_at, people.by_timer, people.emergency) == (
        Status.APPROVED,
        later(30),
        False,
        False,
    )
    assert (people.breached, people.escalations, people.joined) == (True, 2, 3)
    assert timer.by_timer
    assert not timer.emergency
    assert emergency.emergency
    assert not emergency.by_timer
    assert newest == (emergency,)


async def test_votes_are_read_with_when_the_version_was_there_and_who_made_it(store: SqlStore):
    edit = Version(
        number=2,
        payload={"amount": 2},
        payload_sha256="c" * 64,
        policy_digest="sha256:one",
        rule="refunds",
        created_at=later(20),
        editor="ana",
        comment="half of it",
    )
    first = action(1)
    await store_it(
        store,
        first,
        versions=(*first.versions, edit),
        votes=(
            vote("bo", 10, comment="fine", on_behalf_of="cho"),
            vote("ana", 20, version=2),
            vote("bo", 50, version=2),
        ),
    )
    async with store.reading() as tx:
        given = sorted(await tx.figures.given(NOW, limit=10), key=lambda each: each.at)
        of_bo = await tx.figures.given(NOW, person="bo", limit=10)
        none = await tx.figures.given(NOW, person="cho", limit=10)
        newest = await tx.figures.given(later(11), limit=1)
    lent, own, again = given
    assert (lent.person, lent.since, lent.at, lent.commented, lent.corrected) == (
        "bo",
        NOW,
        later(10),
        True,
        False,
    )
    assert (own.version, own.since, own.commented, own.corrected) == (2, later(20), True, True)
    assert (again.since, again.commented, again.corrected) == (later(20), False, False)
    assert sorted(of_bo, key=lambda each: each.at) == [lent, again]
    assert none == (), "whoever lent the authority did not click"
    assert newest == (again,)


async def test_a_person_asked_later_did_not_see_it_before(store: SqlStore):
    record = await store_it(store, action(1), votes=(vote("bo", 60), vote("dee", 70)))
    async with store.writing() as tx:
        assert isinstance(tx, SqlTransaction)
        row = {"action_id": record.id, "person": "bo", "at": later(50), "open": False}
        await tx.actions._bound.put_over(
            asks, row
        )  # whoever asks people writes it; here only its time matters
    async with store.reading() as tx:
        found = {each.person: each.since for each in await tx.figures.given(NOW, limit=10)}
    assert found == {"bo": later(50), "dee": NOW}


async def test_a_second_review_is_told_from_a_plan_that_only_has_the_words_in_a_schema(store: SqlStore):
    two = (vote("ana", 10), vote("bo", 20, Choice.REJECT))
    over = ended(Status.REJECTED, later(20), "bo")
    words = ApprovalPlan(
        groups=("finance",),
        editable=replace(ApprovalPlan().editable, schema={"properties": {"second_review": True}}),
    )
    await store_it(store, replace(action(1), plan=BLIND), votes=two, **over)
    await store_it(store, replace(action(2), plan=words), votes=two, **over)
    await store_it(store, action(3), votes=two, **over)
    await store_it(store, replace(action(4), plan=BLIND), votes=two[:1], **over)
    async with store.reading() as tx:
        given = await tx.figures.given(NOW, limit=10)
    assert {each.action_id for each in given if each.second_review} == {"act_0001"}


async def test_figures_do_not_give_away_a_vote_that_is_still_blind(store: SqlStore):
    await store_it(store, replace(action(1), plan=BLIND), votes=(vote("ana", 10),))
    await store_it(store, replace(action(2), plan=BLIND), votes=(vote("ana", 20),))
    async with store.writing() as tx:
        record = await tx.actions.get("act_0002")
        assert record is not None
        both = (*record.votes, vote("bo", 30))
        over = replace(record, revision=3, votes=both, **ended(Status.APPROVED, later(30)))
        assert await tx.actions.save(over, expected_revision=2)
    async with store.reading() as tx:
        found = await tx.figures.given(NOW, limit=10)
    assert {(each.action_id, each.person) for each in found} == {("act_0002", "ana"), ("act_0002", "bo")}
