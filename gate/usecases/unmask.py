"""A reviewer sees what policy masks: that they do is on record before they do."""

from __future__ import annotations

from gate.domain.audit import AuditRecord
from gate.domain.eligibility import may_decide
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.supervision import may_review
from gate.usecases.cards import view_of
from gate.usecases.directory import directory_now
from gate.usecases.ports import RECORD, Deps
from gate.usecases.transact import UNKNOWN
from gate.usecases.views import ActionView

NOT_FOR_YOU = Refused(
    code="not_a_reviewer",
    sentence="What policy masks is shown to those who may decide this request, and to nobody else.",
)
NOTHING = Refused(code="not_offered", sentence="Policy masks nothing of this request.")


async def unmask(deps: Deps, action_id: str, person_id: str, *, page: int) -> ActionView | Refused:
    """The view with nothing masked, once it is on record that this person sees this page of it (pages count from 0);
    or why they do not see it."""
    async with deps.store.writing() as tx:
        record = await tx.actions.get(action_id)
        if record is None:
            return UNKNOWN
        directory = await directory_now(deps, tx, hold=True)
        if record.verdict.mask is None:
            return NOTHING
        if not _reviews(deps, record, person_id, directory):
            return NOT_FOR_YOU
        view = await view_of(deps, tx, record, directory, whole=True)
        await tx.audit.append(
            AuditRecord(
                kind="action.unmasked",
                actor=f"person:{person_id}",
                at=deps.clock.now(),
                action=action_id,
                detail={
                    "version": record.version.number,
                    "payload_sha256": record.version.payload_sha256,
                    "values": view.masks,
                    "page": page + 1,
                },
            )
        )
    deps.wakeups.notify(RECORD)
    return view


def _reviews(deps: Deps, record: ActionRecord, person_id: str, directory: Directory) -> bool:
    """Whether this person may decide it, also where that is done, or has an emergency release of it to look at."""
    if may_decide(record, person_id, directory) is None:
        return True
    glass = deps.rules.current.policy.break_glass
    return record.in_review and may_review(record, person_id, glass, directory, deps.clock.now()) is None
