"""An operator takes back a release that was not used yet."""

from __future__ import annotations

from gate.domain.refusal import Refused
from gate.domain.release import revoke as revoked
from gate.domain.request import ActionRecord, GrantState
from gate.domain.transitions import Change
from gate.usecases.commands import Done, RevokeGrants
from gate.usecases.ports import Deps, Transaction
from gate.usecases.transact import on_action


async def revoke(deps: Deps, cmd: RevokeGrants) -> Done | Refused:
    """The record with its grants revoked: the live one is dead from this commit on, and none follows (INV-20)."""

    async def change(tx: Transaction, record: ActionRecord) -> list[Change] | Refused:
        now = deps.clock.now()
        result = revoked(record, operator=cmd.operator, reason=cmd.reason, now=now)
        if isinstance(result, Refused):
            return result
        live = await tx.grants.latest(record.id, record.version.number)
        if live is not None and live.state is GrantState.ISSUED:
            await tx.grants.move(live.jti, to=GrantState.REVOKED, at=now)
        return [result]

    return await on_action(deps, cmd.action_id, change)
