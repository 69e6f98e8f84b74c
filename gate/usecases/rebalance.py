"""Somebody has just come to need a break: what waits for them alone is put to others too."""

from __future__ import annotations

from gate.domain.rebalancing import rebalance as rebalanced
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.transitions import Change
from gate.usecases.directory import directory_now
from gate.usecases.loads import loads_around, resting
from gate.usecases.ports import Deps, StoreUnavailable, Transaction
from gate.usecases.transact import on_action

AT_MOST = 50
"""Requests of one person that are put to others at once; further ones have their ladders."""


async def spread(deps: Deps, person: str) -> int:
    """After a vote of this person: how many of their open requests somebody else was asked for.

    Each request in a transaction of its own, and looked at again there. It only helps: where it cannot be done now,
    the ladders do their work, and the vote stands.
    """
    care = deps.rules.current.policy.care
    if not care.rebalance or care.cooldown_after is None:
        return 0
    try:
        async with deps.store.reading() as tx:
            if await resting(tx, person, care, deps.clock.now()) is None:
                return 0
            waiting = await tx.asks.waiting_for(person, limit=AT_MOST)
        return sum([await _ask_others(deps, action_id, person) for action_id in waiting])
    except StoreUnavailable:
        return 0


async def _ask_others(deps: Deps, action_id: str, person: str) -> bool:
    async def change(tx: Transaction, record: ActionRecord) -> list[Change] | Refused:
        care = deps.rules.current.policy.care
        directory = await directory_now(deps, tx)
        found = rebalanced(
            record,
            person=person,
            directory=directory,
            care=care,
            loads=await loads_around(tx, record, directory, care),
            now=deps.clock.now(),
        )
        return found if isinstance(found, Refused) else [found]

    return not isinstance(await on_action(deps, action_id, change), Refused)
