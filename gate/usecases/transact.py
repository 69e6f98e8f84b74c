"""Commit one change whole, and do it again on fresh data when somebody else was quicker; decides nothing itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.transitions import Change
from gate.usecases.commands import Done
from gate.usecases.ports import DEADLINES, OUTBOX, Deps, Message, Transaction

R = TypeVar("R")

ATTEMPTS = 8
"""How often a command is decided anew after losing a race; each loss means that another one won."""

UNKNOWN = Refused(code="unknown_action", sentence="There is no such action.")


class Outrun(Exception):
    """The row moved between load and save; the transaction is rolled back and the command decided anew."""


Decide = Callable[[Transaction, ActionRecord], Awaitable["list[Change] | Refused"]]


async def commit(deps: Deps, tx: Transaction, before: ActionRecord | None, changes: list[Change]) -> None:
    """Write changes in the open transaction: state, audit records and outbox rows together (INV-33, INV-44).

    `before` is the record as loaded; None where the action was added by the caller. Raises `Outrun` where
    its revision is no longer the stored one.
    """
    last = changes[-1].record
    if before is not None and not await tx.actions.save(last, expected_revision=before.revision):
        raise Outrun
    for change in changes:
        await tx.audit.append(change.audit)
        for intent in change.intents:
            await tx.outbox.add(
                Message(
                    id=deps.ids.new("msg"),
                    action_id=last.id,
                    channel=intent.channel,
                    kind=intent.kind,
                    body=intent.body,
                    created_at=change.audit.at,
                    due_at=change.audit.at,
                )
            )


def announce(deps: Deps, action_id: str, changes: list[Change]) -> None:
    """Wake whoever waits, after the commit."""
    deps.wakeups.notify(action_id)
    deps.wakeups.notify(DEADLINES)
    if any(change.intents for change in changes):
        deps.wakeups.notify(OUTBOX)


async def on_action(deps: Deps, action_id: str, decide: Decide) -> Done | Refused:
    """Load an action, let `decide` make changes of it, commit them in one transaction, wake the waiting.

    A refusal commits nothing. Losing a race decides again on what the winner left (INV-03).
    """
    for _ in range(ATTEMPTS):
        try:
            async with deps.store.writing() as tx:
                before = await tx.actions.get(action_id)
                if before is None:
                    return UNKNOWN
                result = await decide(tx, before)
                if isinstance(result, Refused):
                    return result
                await commit(deps, tx, before, result)
        except Outrun:
            continue
        announce(deps, action_id, result)
        return Done(record=result[-1].record)
    return Refused(code="conflict", sentence="Too much is happening to this action at once; try again.")
