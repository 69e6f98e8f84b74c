"""The contract of `Actions.claim` and `save_claimed`: several actions changed in one transaction."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate.domain.request import Status
from gate.store import SqlStore
from tests.contract.records import action, approved, later


async def put(store: SqlStore, *records) -> None:
    async with store.writing() as tx:
        for record in records:
            assert await tx.actions.add(record, idempotency_key=None, body_sha256="b")


async def test_claimed_actions_come_whole_in_the_order_asked_for(store: SqlStore) -> None:
    await put(store, action(1), action(2), action(3))
    async with store.writing() as tx:
        assert await tx.actions.claim(["act_0003", "act_0001", "act_0009", "act_0003"]) == (
            action(3),
            action(1),
        )
        assert await tx.actions.claim([]) == ()


async def test_what_is_saved_together_is_saved_as_one_by_one(store: SqlStore) -> None:
    """INV-24: states, votes and the armed deadlines of all of them, though each changed in its own way."""
    await put(store, *(action(n) for n in (1, 2, 3)))
    waiting = action(2).deadline
    assert waiting is not None
    changed = (
        approved(action(1)),
        replace(action(2), revision=2, escalation_step=1, deadline=replace(waiting, seq=2, due_at=later(90))),
        replace(action(3), revision=2, asked=("ana", "bo")),
    )
    async with store.writing() as tx:
        await tx.actions.claim([each.id for each in changed])
        assert await tx.actions.save_claimed(changed)
    async with store.reading() as tx:
        assert [await tx.actions.get(each.id) for each in changed] == list(changed)
        due = await tx.deadlines.due(later(10**6), limit=9)
    assert [(each.action_id, each.seq) for each in due] == [("act_0002", 2), ("act_0003", 1)]


async def test_nothing_is_saved_that_was_not_read(store: SqlStore) -> None:
    await put(store, action(1))
    async with store.writing() as tx:
        with pytest.raises(ValueError, match="not read"):
            await tx.actions.save_claimed([approved(action(1))])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_claiming_passes_over_what_another_transaction_is_changing(
    store: SqlStore, other_store: SqlStore
) -> None:
    """INV-28: it waits for nobody; and what it claims nobody else changes or claims meanwhile."""
    await put(store, *(action(n) for n in (1, 2, 3)))
    ids = [f"act_{n:04d}" for n in (1, 2, 3)]
    async with store.writing() as voting:
        assert await voting.actions.save(approved(action(2)), expected_revision=1)
        async with other_store.writing() as batch:
            assert [each.id for each in await batch.actions.claim(ids)] == ["act_0001", "act_0003"]
            assert await voting.actions.claim(["act_0001", "act_0003"]) == ()
    async with store.reading() as tx:
        record = await tx.actions.get("act_0002")
    assert record is not None
    assert record.status is Status.APPROVED


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_one_that_moved_since_it_was_read_stops_the_whole_save(
    store: SqlStore, other_store: SqlStore
) -> None:
    """INV-03: read without claiming, changed by somebody else, and so not saved over."""
    await put(store, action(1), action(2))
    async with store.writing() as tx:
        for each in ("act_0001", "act_0002"):
            await tx.actions.get(each)
        async with other_store.writing() as other:
            assert await other.actions.save(approved(action(2), "bo"), expected_revision=1)
        assert not await tx.actions.save_claimed([approved(action(1)), approved(action(2))])
