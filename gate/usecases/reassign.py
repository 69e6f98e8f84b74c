"""A reviewer asks others to decide."""

from __future__ import annotations

from gate.domain.handing_on import reassign as reassigned
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.transitions import Change
from gate.usecases.commands import Done, ReassignAction
from gate.usecases.directory import directory_now
from gate.usecases.ports import Deps, Transaction
from gate.usecases.transact import on_action


async def reassign(deps: Deps, cmd: ReassignAction) -> Done | Refused:
    """The record with the people asked in addition, who may decide from now on."""

    async def change(tx: Transaction, record: ActionRecord) -> list[Change] | Refused:
        result = reassigned(
            record,
            person=cmd.person,
            to=cmd.to,
            reason=cmd.reason,
            directory=await directory_now(deps, tx, hold=True),
            now=deps.clock.now(),
        )
        return result if isinstance(result, Refused) else [result]

    return await on_action(deps, cmd.action_id, change)
