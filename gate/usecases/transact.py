"""Commit one change whole, and do it again on fresh data when somebody else was quicker; decides nothing itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import TypeVar

from gate.domain.eligibility import risk_of
from gate.domain.quiet import can_be_held, held_until
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.risk import Risk
from gate.domain.transitions import CARD, Change, Intent
from gate.usecases.commands import Done
from gate.usecases.ports import DEADLINES, OUTBOX, RECORD, Crowded, Deps, Message, Outrun, Store, Transaction

R = TypeVar("R")

ATTEMPTS = 8
"""How often a command is decided anew after losing a race; each loss means that another one won."""

FIRST = timedelta(minutes=1)
"""So much sooner than it was written what is critical is due: it stands in line before a flood of the last minute."""

UNKNOWN = Refused(code="unknown_action", sentence="There is no such action.")


Decide = Callable[[Transaction, ActionRecord], Awaitable["list[Change] | Refused"]]
First = Callable[[Transaction], Awaitable[None]]


def road(deps: Deps, attempt: int, turn: str) -> AbstractAsyncContextManager[Transaction]:
    """The transaction for an attempt: first together with others, and where that was outrun, alone."""
    return deps.store.together(turn) if attempt == 0 else deps.store.writing()


async def together_or_alone(store: Store, turn: str, what: Callable[[Transaction], Awaitable[R]]) -> R:
    """Do this in one commit with what others store, and in one of its own where that cannot be."""
    try:
        async with store.together(turn) as tx:
            return await what(tx)
    except (Outrun, Crowded):
        async with store.writing() as tx:
            return await what(tx)


ALONE = 2
"""The attempt of `presuming_road` that shares its commit with nobody."""


def presuming_road(deps: Deps, attempt: int, turn: str) -> AbstractAsyncContextManager[Transaction]:
    """As `road`, with an attempt before it that presumes what is mostly so."""
    return deps.store.together(turn, presuming=True) if attempt == 0 else road(deps, attempt - 1, turn)


async def commit(deps: Deps, tx: Transaction, before: ActionRecord | None, changes: list[Change]) -> None:
    """Write changes in the open transaction: state, audit records and outbox rows together (INV-33, INV-44).

    `before` is the record as loaded; None where the action was added by the caller. Raises `Outrun` where
    its revision is no longer the stored one.
    """
    last = changes[-1].record
    if before is not None and not await tx.actions.save(last, expected_revision=before.revision):
        raise Outrun
    await _tell(deps, tx, changes)


async def _tell(deps: Deps, tx: Transaction, changes: list[Change]) -> None:
    """What is on record about the changes, and what leaves because of them, in their order."""
    await tx.audit.append(*(change.audit for change in changes))
    messages: list[Message] = []
    redrawn: dict[str, Message] = {}
    for change in changes:
        for intent in change.intents:
            if intent == CARD and change.record.id in redrawn:
                continue
            at = change.audit.at
            until = None
            if can_be_held(intent):  # a verb of the command line that calls nobody has no directory to ask
                until = held_until(intent, change.record, deps.rules.current.directory, at)
            ahead = FIRST if risk_of(change.record) is Risk.CRITICAL else timedelta(0)
            message = _message(deps, change.record.id, intent, at, until, ahead=ahead)
            if intent == CARD and change.record.revision > 1:
                redrawn[change.record.id] = message
            else:
                messages.append(message)
    if messages:
        await tx.outbox.add(*messages)
    if redrawn:
        await tx.outbox.add_cards(*redrawn.values())


def _message(
    deps: Deps,
    action_id: str,
    intent: Intent,
    at: datetime,
    until: datetime | None = None,
    *,
    ahead: timedelta = timedelta(0),
) -> Message:
    """The row of the outbox for something to be told, held back `until` then for somebody's quiet hours; `ahead` of
    what was to be told since so long."""
    return Message(
        id=deps.ids.new("msg"),
        action_id=action_id,
        channel=intent.channel,
        kind=intent.kind,
        body=intent.body if until is None else {**intent.body, "held": True},
        created_at=at,
        due_at=until or at - ahead,
        not_before=until,
    )


async def redraw(deps: Deps, tx: Transaction, action_ids: Sequence[str], at: datetime) -> None:
    """Bring cards to the present state, one message each: one that nobody has claimed yet will do (INV-37)."""
    await tx.outbox.add_cards(*(_message(deps, each, CARD, at) for each in dict.fromkeys(action_ids)))


def announce(deps: Deps, action_id: str, changes: list[Change]) -> None:
    """Count what happened and wake whoever waits, after the commit. For what is new nobody can wait yet."""
    deps.meter.committed(changes)
    if not changes or changes[0].record.revision > 1:
        deps.wakeups.notify(action_id)
    if any(change.record.plan is not None for change in changes):  # nothing else ever has a deadline
        deps.wakeups.notify(DEADLINES)
    deps.wakeups.notify(RECORD)
    if any(change.intents for change in changes):
        deps.wakeups.notify(OUTBOX)


async def on_action(
    deps: Deps, action_id: str, decide: Decide, *, first: First | None = None
) -> Done | Refused:
    """Load an action, let `decide` make changes of it, commit them in one transaction, wake the waiting.

    A refusal commits nothing. Losing a race decides again on what the winner left (INV-03). What `first` locks is
    locked before the action and in a transaction of its own, so that two who need both never wait for each other.

    At first it is decided on what this process stored last of the action, which the commit finds unchanged or not at
    all; nobody is refused for what may be old.
    """
    for attempt in range(ATTEMPTS):
        try:
            own = first is not None
            async with deps.store.writing() if own else presuming_road(deps, attempt, action_id) as tx:
                if first is not None:
                    await first(tx)
                # Or a flood of small changes could outrun a person for ever.
                if attempt >= (1 if own else ALONE):
                    await tx.actions.alone(action_id)
                known = tx.actions.known(action_id)
                before = known.record if known is not None else await tx.actions.get(action_id)
                if before is None:
                    return UNKNOWN
                result = await decide(tx, before)
                if isinstance(result, Refused):
                    if attempt == 0 and not own:
                        continue
                    return result
                await commit(deps, tx, before, result)
        except Outrun:
            continue
        announce(deps, action_id, result)
        return Done(record=result[-1].record)
    return Refused(code="conflict", sentence="Too much is happening to this action at once; try again.")


async def on_actions(deps: Deps, action_ids: Sequence[str], decide: Decide) -> dict[str, Done | Refused]:
    """As `on_action` for many at once, decided in the order given and committed in one transaction.

    A refusal holds back no other action. One that somebody else is changing at this moment has no entry in the
    answer. Raises whatever goes wrong with any of them, `Outrun` too: then nothing is committed, and the caller
    goes on one by one.
    """
    answers: dict[str, Done | Refused] = {}
    made: list[Change] = []
    async with deps.store.writing() as tx:
        for before in await tx.actions.claim(action_ids):
            result = await decide(tx, before)
            if isinstance(result, Refused):
                answers[before.id] = result
                continue
            answers[before.id] = Done(record=result[-1].record)
            made += result
        changed = {change.record.id: change.record for change in made}
        if not await tx.actions.save_claimed(list(changed.values())):
            raise Outrun
        await _tell(deps, tx, made)
    for change in made:
        announce(deps, change.record.id, [change])
    return answers
