"""The contract behind joining: one pending action of what equals it, on both engines, whoever comes at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gate.domain.action import Agent
from gate.domain.request import Status
from gate.store import SqlStore
from tests.contract.records import BOT, action, approved

OTHER = Agent(id="agt_other", name="other-bot", team="support", owner="own")


async def add(
    store: SqlStore, number: int, *, twin: str | None = "t", key: str | None = None, **changes: object
) -> bool:
    async with store.writing() as tx:
        stored = await tx.actions.add(
            action(number, **changes),
            idempotency_key=key,
            body_sha256="b",
            twin=twin,  # pyright: ignore[reportArgumentType]
        )
        if not stored:
            raise _GivenUpError
    return stored


class _GivenUpError(Exception):
    pass


async def twin(store: SqlStore, agent: str = BOT.id, of: str = "t") -> str | None:
    async with store.writing() as tx:
        found = await tx.actions.waiting_twin(agent, of)
    return None if found is None else found.id


async def test_a_pending_action_is_found_by_its_twin_and_by_its_agent_only(store: SqlStore) -> None:
    """INV-42, threat 33: what another agent proposed is never joined."""
    assert await add(store, 1)
    assert await twin(store) == "act_0001"
    assert await twin(store, OTHER.id) is None
    assert await twin(store, of="u") is None
    assert await add(store, 2, agent=OTHER)
    assert await twin(store, OTHER.id) == "act_0002"


async def test_a_second_pending_one_is_not_stored_and_takes_no_key(store: SqlStore) -> None:
    """INV-42"""
    assert await add(store, 1)
    with pytest.raises(_GivenUpError):
        await add(store, 2, key="k")
    async with store.reading() as tx:
        assert await tx.actions.get("act_0002") is None
        assert await tx.actions.by_key(BOT.id, "k") is None


async def test_once_decided_it_is_no_twin_any_more(store: SqlStore) -> None:
    assert await add(store, 1)
    async with store.writing() as tx:
        assert await tx.actions.save(approved(action(1)), expected_revision=1)
    assert await twin(store) is None
    assert await add(store, 2)
    assert await twin(store) == "act_0002"


async def test_actions_without_a_twin_never_stand_in_each_others_way(store: SqlStore) -> None:
    assert await add(store, 1, twin=None)
    assert await add(store, 2, twin=None)
    assert await add(store, 3, twin=None, status=Status.ALLOWED)


async def test_one_more_key_leads_to_the_same_action(store: SqlStore) -> None:
    """INV-40, INV-41: with the body it came with; a key that leads anywhere is never taken again."""
    assert await add(store, 1, key="first")
    async with store.writing() as tx:
        assert await tx.actions.add_key(action(1), idempotency_key="second", body_sha256="c")
        assert not await tx.actions.add_key(action(1), idempotency_key="first", body_sha256="c")
    async with store.reading() as tx:
        assert await tx.actions.by_key(BOT.id, "second") == ("act_0001", "c")
        assert await tx.actions.by_key(BOT.id, "first") == ("act_0001", "b")


async def test_of_two_equal_ones_at_once_one_is_stored(store: SqlStore, other_store: SqlStore) -> None:
    """INV-42: on two connections, none of which has seen the other's."""
    for number in range(1, 11, 2):
        same = f"twin {number}"
        results = await asyncio.gather(
            add(store, number, twin=same), add(other_store, number + 1, twin=same), return_exceptions=True
        )
        assert sorted(map(str, results)) == ["", "True"]
        assert await twin(store, of=same) is not None


async def test_whoever_finds_a_twin_keeps_it_as_it_is(store: SqlStore, other_store: SqlStore) -> None:
    """What joins it is stored before anybody decides, or comes after the decision and joins nothing."""
    assert await add(store, 1)
    deciding = asyncio.Event()

    async def decide() -> bool:
        deciding.set()
        async with other_store.writing() as tx:
            return await tx.actions.save(approved(action(1)), expected_revision=1)

    async with store.writing() as tx:
        found = await tx.actions.waiting_twin(BOT.id, "t")
        assert found is not None
        task = asyncio.create_task(decide())
        await deciding.wait()
        joined = replace(found, joined=1, revision=2)
        assert await tx.actions.save(joined, expected_revision=1)
    assert not await task
    async with store.reading() as tx:
        stored = await tx.actions.get("act_0001")
    assert stored is not None
    assert (stored.status, stored.joined) == (Status.PENDING, 1)


async def test_who_has_the_action_alone_is_never_outrun(store: SqlStore, other_store: SqlStore) -> None:
    assert await add(store, 1)
    trying = asyncio.Event()

    async def meanwhile() -> bool:
        trying.set()
        async with other_store.writing() as tx:
            return await tx.actions.save(replace(action(1), joined=1, revision=2), expected_revision=1)

    async with store.writing() as tx:
        await tx.actions.alone("act_0001")
        record = await tx.actions.get("act_0001")
        assert record is not None
        task = asyncio.create_task(meanwhile())
        await trying.wait()
        assert await tx.actions.save(approved(record), expected_revision=record.revision)
    assert not await task
