"""A release that was not used yet is taken back: by an operator, or by a person from Slack."""

from __future__ import annotations

from datetime import timedelta

from gate.domain.masking import masked
from gate.domain.refusal import Refused
from gate.domain.release import may_revoke, revocable
from gate.domain.release import revoke as revoked
from gate.domain.request import ActionRecord, GrantState
from gate.domain.transitions import Change
from gate.usecases.commands import Done, RevokeGrants
from gate.usecases.directory import directory_now
from gate.usecases.ports import ActionFilter, Deps, Transaction
from gate.usecases.transact import UNKNOWN, on_action
from gate.usecases.views import ReleaseLine

LOOK_BACK = timedelta(days=7)
SCAN_LIMIT = 500
"""Actions looked through for what one person may take back; any other is named by its id."""
MOST_SHOWN = 100
"""What a list to choose from takes."""


async def revoke(deps: Deps, cmd: RevokeGrants) -> Done | Refused:
    """The record with its grants revoked: the live one is dead from this commit on, and none follows (INV-20). Whether
    the person may is looked at again inside the transaction (INV-13)."""

    async def change(tx: Transaction, record: ActionRecord) -> list[Change] | Refused:
        now = deps.clock.now()
        if cmd.person is not None:
            problem = may_revoke(record, cmd.person, await directory_now(deps, tx, hold=True))
            if problem is not None:
                return problem
        result = revoked(record, operator=cmd.operator, person=cmd.person, reason=cmd.reason, now=now)
        if isinstance(result, Refused):
            return result
        live = await tx.grants.latest(record.id, record.version.number)
        if live is not None and live.state is GrantState.ISSUED:
            await tx.grants.move(live.jti, to=GrantState.REVOKED, at=now)
        return [result]

    return await on_action(deps, cmd.action_id, change)


async def releases(
    deps: Deps, person_id: str, action_id: str | None = None
) -> tuple[ReleaseLine, ...] | Refused:
    """What this person may take back now, the newest first; with `action_id` that one alone, or why not."""
    now = deps.clock.now()
    async with deps.store.reading() as tx:
        directory = await directory_now(deps, tx)
        if action_id is not None:
            record = await tx.actions.get(action_id)
            if record is None:
                return UNKNOWN
            problem = may_revoke(record, person_id, directory) or revocable(record)
            return problem or (_line(record),)
        recent = await tx.actions.page(ActionFilter(since=now - LOOK_BACK), cursor=None, limit=SCAN_LIMIT)
    found = (r for r in recent.items if revocable(r) is None and may_revoke(r, person_id, directory) is None)
    return tuple(_line(record) for record in found)[:MOST_SHOWN]


def _line(record: ActionRecord) -> ReleaseLine:
    return ReleaseLine(
        action_id=record.id,
        summary=masked(record).proposal.summary,
        risk=record.verdict.effective.risk,
        agent_name=record.agent.name,
        at=record.decided_at or record.created_at,
    )
