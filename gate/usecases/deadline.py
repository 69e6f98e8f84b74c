"""The ticker says that a deadline has come; whether it still is the armed one is decided here."""

from __future__ import annotations

from dataclasses import replace

from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.timeouts import fire as act
from gate.domain.transitions import Change
from gate.usecases.commands import Done, FireDeadline
from gate.usecases.directory import directory_now
from gate.usecases.judging import judge_release
from gate.usecases.ports import Deps, Transaction
from gate.usecases.transact import on_action


async def fire(deps: Deps, cmd: FireDeadline) -> Done | Refused:
    """The record after the deadline did its work, once (INV-25); refused `not_due` or `not_pending` otherwise."""

    fired: list[Change] = []

    async def change(tx: Transaction, record: ActionRecord) -> list[Change] | Refused:
        now = deps.clock.now()
        result = act(
            record,
            seq=cmd.seq,
            now=now,
            directory=await directory_now(deps, tx),
            repage_sec=deps.limits.repage_sec,
            judged_again=await judge_release(tx, deps.rules.current, record, now),
        )
        if isinstance(result, Refused):
            return result
        fired.append(result)
        return [result]

    done = await on_action(deps, cmd.action_id, change)
    if isinstance(done, Refused):
        return done
    detail = fired[-1].audit.detail
    return replace(
        done,
        nobody_reached=detail.get("nobody_reached") is True,
        unreached=tuple(detail.get("unreached", ())),
    )
