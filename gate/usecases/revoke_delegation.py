"""One of the two people of a delegation ends it before its time."""

from __future__ import annotations

from gate.domain.delegating import revoke
from gate.domain.refusal import Refused
from gate.usecases.commands import Delegated, RevokeDelegation
from gate.usecases.delegate import tell_both
from gate.usecases.lending import redraw_concerned
from gate.usecases.ports import OUTBOX, Deps

UNKNOWN_DELEGATION = Refused(code="unknown_delegation", sentence="There is no such delegation.")


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
        await redraw_concerned(deps, tx, ended)
    deps.wakeups.notify(OUTBOX)
    return Delegated(delegation=ended)
