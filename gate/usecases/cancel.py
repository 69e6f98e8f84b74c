"""The proposing agent takes a pending request back."""

from __future__ import annotations

from gate.domain.handing_on import cancel as cancelled
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.transitions import Change
from gate.usecases.commands import CancelAction, Done
from gate.usecases.ports import Deps, Transaction
from gate.usecases.transact import UNKNOWN, on_action


async def cancel(deps: Deps, cmd: CancelAction) -> Done | Refused:
    """The cancelled record; other agents' actions do not exist for this agent."""

    async def change(tx: Transaction, record: ActionRecord) -> list[Change] | Refused:
        if record.agent.id != cmd.agent.id:
            return UNKNOWN
        result = cancelled(record, reason=cmd.reason, now=deps.clock.now())
        return result if isinstance(result, Refused) else [result]

    return await on_action(deps, cmd.action_id, change)
