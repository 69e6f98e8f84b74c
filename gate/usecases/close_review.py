"""A supervisor looks at an emergency release; what was not justified is taken back as far as it was not used."""

from __future__ import annotations

from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, GrantState
from gate.domain.supervision import close_review as closed
from gate.domain.transitions import Change
from gate.usecases.commands import CloseReview, Done
from gate.usecases.directory import directory_now
from gate.usecases.ports import Deps, Transaction
from gate.usecases.transact import on_action


async def close_review(deps: Deps, cmd: CloseReview) -> Done | Refused:
    """The record with the review on it. Where the release is taken back a live grant is dead from this commit on
    (INV-17, INV-20)."""

    async def change(tx: Transaction, record: ActionRecord) -> list[Change] | Refused:
        now = deps.clock.now()
        result = closed(
            record,
            person=cmd.person,
            finding=cmd.finding,
            comment=cmd.comment,
            rules=deps.rules.current.policy.break_glass,
            directory=await directory_now(deps, tx),
            now=now,
        )
        if isinstance(result, Refused):
            return result
        if result.record.grants_revoked and not record.grants_revoked:
            live = await tx.grants.latest(record.id, record.version.number)
            if live is not None and live.state is GrantState.ISSUED:
                await tx.grants.move(live.jti, to=GrantState.REVOKED, at=now)
        return [result]

    return await on_action(deps, cmd.action_id, change)
