"""The ticker says that a deadline has come; whether it still is the armed one is decided here."""

from __future__ import annotations

from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.timeouts import fire as fired
from gate.domain.transitions import Change
from gate.usecases.commands import Done, FireDeadline
from gate.usecases.judging import judge_release
from gate.usecases.ports import Deps, Transaction
from gate.usecases.transact import on_action


async def fire(deps: Deps, cmd: FireDeadline) -> Done | Refused:
    """The record after the deadline did its work, once (INV-25); refused `not_due` or `not_pending` otherwise."""

    async def change(tx: Transaction, record: ActionRecord) -> list[Change] | Refused:
        rules = deps.rules.current
        now = deps.clock.now()
        result = fired(
            record,
            seq=cmd.seq,
            now=now,
            directory=rules.directory,
            repage_sec=deps.limits.repage_sec,
            judged_again=await judge_release(tx, rules, record, now),
        )
        return result if isinstance(result, Refused) else [result]

    return await on_action(deps, cmd.action_id, change)
