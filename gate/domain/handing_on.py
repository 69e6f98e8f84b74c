"""A pending request is passed to others by who was asked, or taken back by who asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gate.domain.acting import DONE, HANDED_ON, acting
from gate.domain.eligibility import may_decide
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Reassignment, Status
from gate.domain.submission import asking, callback, progress
from gate.domain.transitions import CARD, Change, move, thread


def reassign(
    record: ActionRecord,
    *,
    person: str,
    to: tuple[str, ...],
    reason: str,
    directory: Directory,
    now: datetime,
) -> Change | Refused:
    """Ask others too; whoever is asked may decide. Nobody who was asked before loses the right."""
    mine = acting(record, person, record.version.number, "reassign", directory)
    if isinstance(mine, Refused):
        return mine
    if mine.on_behalf_of is not None:
        return HANDED_ON
    if not reason.strip():
        return Refused(code="comment_required", sentence="Say in a few words why you hand this on.")
    if not to:
        return Refused(code="unknown_person", sentence="Choose at least one person.")
    wider = replace(record, called=tuple(dict.fromkeys((*record.called, *to))))
    for name in to:
        problem = may_decide(wider, name, directory)
        if problem is not None:
            who = directory.people[name].name if name in directory.people else "That person"
            why = "would decide about their own request" if problem.code in ("own_agent", "requester") else ""
            return Refused(
                code="unknown_person", sentence=f"{who} cannot be asked: {why or 'not an active reviewer'}."
            )
    asked = tuple(dict.fromkeys((*record.asked, *to)))
    return move(
        record,
        "approval.reassigned",
        actor=f"person:{person}",
        now=now,
        detail={"to": list(to)},
        intents=(
            CARD,
            thread("approval.reassigned", now, person, mention=list(to)),
            *asking(wider, to, directory),
            *progress(record, "approval.reassigned"),
        ),
        asked=asked,
        called=wider.called,
        reassignments=(*record.reassignments, Reassignment(by=person, to=to, reason=reason.strip(), at=now)),
    )


def cancel(record: ActionRecord, *, reason: str | None, now: datetime) -> Change | Refused:
    """The proposing agent takes it back, while it is pending."""
    if record.status.terminal:
        return Refused(code="not_pending", sentence=f"The action is already {DONE[record.status]}.")
    return move(
        record,
        "action.cancelled",
        actor=f"agent:{record.agent.id}",
        now=now,
        detail={"reason": bool(reason)},
        intents=(CARD, thread("action.cancelled", now, None), *callback(record, Status.CANCELLED)),
        decided_by=record.agent.id,
        decision_note=reason,
    )
