"""The contract of stored delegations, on both engines."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from gate.domain.delegation import Delegation
from gate.store import SqlStore
from tests.contract.records import NOW, later


def lent(number: int = 1, **changes: Any) -> Delegation:
    base = Delegation(
        id=f"dlg_{number:04d}",
        grantor="ana",
        delegate="bo",
        start=NOW,
        end=NOW + timedelta(days=7),
        reason="ünï \x00 \\ away",
        created_at=later(number),
        topics=("job.*", "note.send"),
        groups=("finance",),
    )
    return replace(base, **changes)


async def put(store: SqlStore, *delegations: Delegation) -> None:
    async with store.writing() as tx:
        for delegation in delegations:
            await tx.delegations.add(delegation)


async def test_a_delegation_comes_back_as_it_was(store: SqlStore) -> None:
    await put(store, lent(), lent(2, topics=(), groups=()))
    async with store.reading() as tx:
        assert await tx.delegations.get("dlg_0001") == lent()
        assert await tx.delegations.get("dlg_0002") == lent(2, topics=(), groups=())
        assert await tx.delegations.get("dlg_none") is None


async def test_in_force_from_its_start_until_just_before_its_end(store: SqlStore) -> None:
    """INV-07"""
    future = lent(2, start=later(100), end=later(200))
    await put(store, lent(3, created_at=later(0.5)), future, lent(1))
    async with store.reading() as tx:
        assert [d.id for d in await tx.delegations.in_force(later(50))] == ["dlg_0003", "dlg_0001"]
        assert [d.id for d in await tx.delegations.open(later(50))] == ["dlg_0003", "dlg_0001", "dlg_0002"]
        assert future in await tx.delegations.in_force(later(100))
        assert future not in await tx.delegations.in_force(later(200))
        assert future not in await tx.delegations.open(later(200))


async def test_it_is_revoked_once_and_holds_no_more(store: SqlStore) -> None:
    """INV-07"""
    await put(store, lent())
    async with store.writing() as tx:
        assert await tx.delegations.revoke("dlg_0001", at=later(5), by="bo")
        assert not await tx.delegations.revoke("dlg_0001", at=later(6), by="ana")
        assert not await tx.delegations.revoke("dlg_none", at=later(6), by="ana")
        assert await tx.delegations.in_force(later(7)) == ()
        assert await tx.delegations.open(later(7)) == ()
        found = await tx.delegations.get("dlg_0001")
    assert found == lent(revoked_at=later(5), revoked_by="bo")


async def test_what_a_decision_rests_on_is_not_revoked_before_it_is_committed(
    store: SqlStore, other_store: SqlStore
) -> None:
    """INV-07, INV-13: the revocation waits for the decision, so no decision is later than it."""
    await put(store, lent())
    order: list[str] = []

    async def revoking() -> None:
        async with other_store.writing() as tx:
            await tx.delegations.revoke("dlg_0001", at=later(5), by="ana")
        order.append("revoked")

    async with store.writing() as tx:
        assert len(await tx.delegations.in_force(later(1), hold=True)) == 1
        waiting = asyncio.create_task(revoking())
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        order.append("decided")
    await waiting
    assert order == ["decided", "revoked"]


async def test_delegations_are_granted_one_at_a_time(store: SqlStore, other_store: SqlStore) -> None:
    """Threat 9: of two that would close a circle the second sees the first."""
    seen: list[int] = []

    async def granting() -> None:
        async with other_store.writing() as tx:
            await tx.delegations.alone()
            seen.append(len(await tx.delegations.open(later(1))))

    async with store.writing() as tx:
        await tx.delegations.alone()
        waiting = asyncio.create_task(granting())
        await asyncio.wait({waiting}, timeout=0.2)
        await tx.delegations.add(lent())
    await waiting
    assert seen == [1]
