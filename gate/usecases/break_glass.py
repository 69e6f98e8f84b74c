"""A person releases one waiting request in an emergency; everything is looked at again inside the transaction."""

from __future__ import annotations

from datetime import datetime

from gate.domain.acting import already
from gate.domain.breaking import break_glass as broken
from gate.domain.emergency import Emergency
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.transitions import Change
from gate.domain.verdict import Verdict
from gate.usecases.commands import BreakTheGlass, Done
from gate.usecases.decide import overdue
from gate.usecases.directory import directory_now
from gate.usecases.judging import judge_payload
from gate.usecases.ports import Deps, Rules, Transaction
from gate.usecases.transact import on_action

MOST_OPEN = 1_000
"""Open reviews looked through; a gate with more of them has a greater trouble, and the longest due come first."""


async def break_glass(deps: Deps, cmd: BreakTheGlass) -> Done | Refused:
    """The record released, its supervisors called and its review armed, or why not. Deadlines that have come are
    fired first, as for a vote: what they ended no glass releases (INV-17, INV-28)."""
    late: Refused | None = None

    async def change(tx: Transaction, before: ActionRecord) -> list[Change] | Refused:
        nonlocal late
        late = None
        rules = deps.rules.current
        now = deps.clock.now()
        directory = await directory_now(deps, tx, hold=True)
        fired = await overdue(deps, tx, before, directory)
        record = fired[-1].record if fired else before
        result = broken(
            record,
            person=cmd.person,
            version=cmd.version,
            reason=cmd.reason,
            valid_sec=cmd.valid_sec,
            rules=rules.policy.break_glass,
            policy_digest=rules.policy.digest,
            directory=directory,
            now=now,
            judged_again=await judged_again(tx, rules, record, now),
            unreviewed=await unreviewed(tx, cmd.person),
        )
        if not isinstance(result, Refused):
            return [*fired, result]
        if fired:
            late = result if not record.status.terminal else already(record, directory)
        return fired or result

    done = await on_action(deps, cmd.action_id, change)
    return late if late is not None and isinstance(done, Done) else done


async def judged_again(tx: Transaction, rules: Rules, record: ActionRecord, now: datetime) -> Verdict | None:
    """The verdict of the policy in force where another one judged the version (INV-14)."""
    if record.status.terminal or rules.policy.digest == record.version.policy_digest:
        return None
    return await judge_payload(tx, rules, record, record.version.payload, now)


async def unreviewed(tx: Transaction, person_id: str) -> tuple[Emergency, ...]:
    """The emergency releases of this person that no supervisor has looked at yet (threat 34)."""
    waiting = (record.emergency for record in await tx.actions.in_review(limit=MOST_OPEN))
    return tuple(e for e in waiting if e is not None and e.person == person_id)
