"""The executor, or the proposing agent, reports what came of an execution."""

from __future__ import annotations

from gate.domain.action import Agent
from gate.domain.refusal import Refused
from gate.domain.reporting import report as reported
from gate.domain.request import ActionRecord
from gate.domain.transitions import Change
from gate.usecases.commands import Done, ReportOutcome
from gate.usecases.ports import Deps, Transaction
from gate.usecases.transact import UNKNOWN, on_action


async def report(deps: Deps, cmd: ReportOutcome) -> Done | Refused:
    """The record with its outcome. Telling the same again changes nothing and is answered alike."""
    told_before: Done | None = None

    async def change(tx: Transaction, record: ActionRecord) -> list[Change] | Refused:
        nonlocal told_before
        told_before = None
        if record.agent.id != cmd.agent.id and not await _executes(tx, record, cmd.agent):
            return UNKNOWN
        result = reported(
            record,
            reporter=cmd.agent,
            result=cmd.result,
            detail=cmd.detail,
            defect=cmd.defect,
            incident=cmd.incident,
            now=deps.clock.now(),
        )
        if isinstance(result, Refused):
            known = record.outcome
            if result.code == "outcome_reported" and known is not None and known.result is cmd.result:
                told_before = Done(record=record, replayed=True)
            return result
        return [result]

    done = await on_action(deps, cmd.action_id, change)
    return told_before or done


async def _executes(tx: Transaction, record: ActionRecord, key: Agent) -> bool:
    """Whether this key could have redeemed the grant that was: an executor of another audience has no say."""
    if "execute" not in key.scopes:
        return False
    grant = await tx.grants.get(record.redeemed_jti) if record.redeemed_jti else None
    return grant is None or grant.audience in key.audiences
