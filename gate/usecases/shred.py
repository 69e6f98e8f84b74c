"""The content of finished actions is destroyed, for good, and that it was is on record in the same commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.shredding import noted, still_needed
from gate.usecases.ports import OUTBOX, RECORD, Deps
from gate.usecases.transact import UNKNOWN, redraw

CHANGED = Refused(code="conflict", sentence="Somebody changed it at the same moment; run the command again.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An action that is to lose its content; `stays` says why it cannot now, or need not."""

    record: ActionRecord
    stays: Refused | None


async def of_subject(deps: Deps, subject: str) -> tuple[str, ...]:
    """The ids of all actions that policy found to hold data of this subject."""
    async with deps.store.reading() as tx:
        return await tx.seals.of_subject(subject)


async def candidates(deps: Deps, action_ids: Sequence[str]) -> tuple[Candidate, ...]:
    """What would happen to each; an id that no action has is left out."""
    found: list[Candidate] = []
    for action_id in action_ids:
        async with deps.store.reading() as tx:
            record = await tx.actions.get(action_id)
        if record is not None:
            found.append(Candidate(record=record, stays=still_needed(record, deps.clock.now())))
    return tuple(found)


async def shred(deps: Deps, action_id: str, *, operator: str, found_by: str) -> Refused | None:
    """None once the content is gone, the record says so and the card is to be drawn again; otherwise why it is still
    there. Doing it again is refused as done and changes nothing."""
    now = deps.clock.now()
    async with deps.store.writing() as tx:
        await tx.actions.alone(action_id)
        record = await tx.actions.get(action_id)
        if record is None:
            return UNKNOWN
        stays = still_needed(record, now)
        if stays is not None:
            return stays
        if not await tx.seals.shred(record, at=now, by=operator):
            return CHANGED
        await tx.audit.append(noted(record, operator=operator, found_by=found_by, now=now))
        if await tx.cards.get(action_id) is not None:
            await redraw(deps, tx, [action_id], now)
    deps.wakeups.notify(action_id)
    deps.wakeups.notify(RECORD)
    deps.wakeups.notify(OUTBOX)
    return None
