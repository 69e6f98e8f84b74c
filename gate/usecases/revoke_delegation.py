"""One of the two people of a delegation ends it before its time."""

from __future__ import annotations

from gate.domain.delegating import revoke
from gate.domain.delegation import Delegation
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.usecases.commands import Delegated, RevokeDelegation
from gate.usecases.delegate import tell_both
from gate.usecases.ports import OUTBOX, Deps, Transaction
from gate.usecases.transact import redraw

UNKNOWN_DELEGATION = Refused(code="unknown_delegation", sentence="There is no such delegation.")

SCAN_LIMIT = 1_000
"""Pending requests whose cards are looked at for votes that count no more, and for deputies who are none."""


async def revoke_delegation(deps: Deps, cmd: RevokeDelegation) -> Delegated | Refused:
    """The delegation, ended. Votes given under it on what is still pending count no more from this commit on
    (INV-07), and their cards say so."""
    async with deps.store.writing() as tx:
        now = deps.clock.now()
        found = await tx.delegations.get(cmd.delegation_id)
        if found is None:
            return UNKNOWN_DELEGATION
        result = revoke(found, person=cmd.person, now=now)
        if isinstance(result, Refused):
            return result
        ended = result.delegation
        if not await tx.delegations.revoke(ended.id, at=now, by=cmd.person):
            return Refused(code="delegation_ended", sentence="This delegation has ended already.")
        await tx.audit.append(result.audit)
        await tell_both(deps, tx, ended, "revoked")
        await _redraw(deps, tx, ended)
    deps.wakeups.notify(OUTBOX)
    return Delegated(delegation=ended)


async def _redraw(deps: Deps, tx: Transaction, ended: Delegation) -> None:
    concerned = [r.id for r in await tx.actions.pending(limit=SCAN_LIMIT) if _concerns(ended, r)]
    await redraw(deps, tx, concerned, deps.clock.now())


def _concerns(ended: Delegation, record: ActionRecord) -> bool:
    """Whether the card may count a vote given under it, or name the delegate among those asked."""
    pair = (ended.delegate, ended.grantor)
    return ended.grantor in record.asked or any((v.person, v.on_behalf_of) == pair for v in record.votes)
