"""Cards that show somebody's delegation: redrawn when it begins and when it ends, in whatever way."""

from __future__ import annotations

from gate.domain.delegation import Delegation
from gate.usecases.ports import OUTBOX, Deps, Transaction
from gate.usecases.transact import redraw

AT_MOST = 1_000
"""Pending requests of one grantor whose cards are redrawn; decisions are right whatever a card shows."""


async def redraw_concerned(deps: Deps, tx: Transaction, delegation: Delegation) -> None:
    """In the open transaction: the cards that count a vote given under it, or name the delegate among those asked.

    It costs in proportion to what waits for the grantor, not to what is pending.
    """
    asked = await tx.asks.waiting_for(delegation.grantor, limit=AT_MOST)
    voted = await tx.asks.voted_for(delegation.delegate, delegation.grantor, limit=AT_MOST)
    await redraw(deps, tx, (*asked, *voted), deps.clock.now())


async def at_its_turn(deps: Deps, delegation_id: str) -> None:
    """A delegation has begun or ended by its own time. One that somebody ended was looked at then."""
    async with deps.store.writing() as tx:
        found = await tx.delegations.get(delegation_id)
        if found is None or found.revoked_at is not None:
            return
        await redraw_concerned(deps, tx, found)
    deps.wakeups.notify(OUTBOX)
