"""A person lends their authority to another for a while; both are told."""

from __future__ import annotations

from datetime import datetime

from gate.domain.delegating import grant
from gate.domain.delegation import Delegation
from gate.domain.refusal import Refused
from gate.usecases.commands import Delegate, Delegated
from gate.usecases.lending import redraw_concerned
from gate.usecases.ports import OUTBOX, Deps, Message, Transaction


async def delegate(deps: Deps, cmd: Delegate) -> Delegated | Refused:
    """The delegation as stored. `Refused.problems` point at `/to`, `/topics`, `/groups`, `/from`, `/until` and
    `/reason`. Two people who lend to each other at the same instant are refused one of the two (threat 9)."""
    async with deps.store.writing() as tx:
        await tx.delegations.alone()
        now = deps.clock.now()
        wanted = Delegation(
            id=deps.ids.new("dlg"),
            grantor=cmd.grantor,
            delegate=cmd.delegate,
            topics=tuple(dict.fromkeys(cmd.topics)),
            groups=tuple(dict.fromkeys(cmd.groups)),
            start=cmd.start or now,
            end=cmd.end,
            reason=cmd.reason,
            created_at=now,
        )
        result = grant(
            wanted,
            directory=deps.rules.current.directory,
            others=await tx.delegations.open(now),
            now=now,
        )
        if isinstance(result, Refused):
            return result
        await tx.delegations.add(result.delegation)
        await tx.audit.append(result.audit)
        await tell_both(deps, tx, result.delegation, "granted")
        await show_while_it_holds(deps, tx, result.delegation)
    deps.wakeups.notify(OUTBOX)
    return Delegated(delegation=result.delegation)


async def show_while_it_holds(deps: Deps, tx: Transaction, delegation: Delegation) -> None:
    """The cards that it concerns are brought up to date when it begins, and again when it ends (INV-37)."""
    now = deps.clock.now()
    if delegation.start <= now:
        await redraw_concerned(deps, tx, delegation)
    else:
        await tx.outbox.add(_turn(deps, delegation, "begins", delegation.start))
    await tx.outbox.add(_turn(deps, delegation, "ends", delegation.end))


def _turn(deps: Deps, delegation: Delegation, event: str, at: datetime) -> Message:
    return Message(
        id=deps.ids.new("msg"),
        action_id=delegation.id,
        channel="slack",
        kind="delegation",
        body={"event": event},
        created_at=deps.clock.now(),
        due_at=at,
        not_before=at,
    )


async def tell_both(deps: Deps, tx: Transaction, delegation: Delegation, event: str) -> None:
    """A direct message to each of the two, in the open transaction."""
    now = deps.clock.now()
    for person in (delegation.delegate, delegation.grantor):
        await tx.outbox.add(
            Message(
                id=deps.ids.new("msg"),
                action_id=delegation.id,
                channel="slack",
                kind="delegation",
                body={"person": person, "event": event},
                created_at=now,
                due_at=now,
            )
        )
