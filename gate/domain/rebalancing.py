"""Asking others too, where those who were asked need a break; nobody loses the right to decide, nobody is blamed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gate.domain.action import Json
from gate.domain.care import Care
from gate.domain.eligibility import counting
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.routing import Load, able_of_asked, next_one, used_people
from gate.domain.submission import asking, progress
from gate.domain.transitions import CARD, Change, move, thread
from gate.domain.verdict import ApprovalPlan

NOBODY_NEEDED = Refused(code="no_change", sentence="Enough people were asked who can decide this.")


def rebalance(
    record: ActionRecord,
    *,
    person: str,
    directory: Directory,
    care: Care,
    loads: Mapping[str, Load],
    now: datetime,
) -> Change | Refused:
    """Ask as many others as are missing now that `person` needs a break; refused where nobody is, or nobody is left
    to ask who needs none. Harmless when it comes late: it looks at the request as it is by then."""
    if record.status.terminal:
        return Refused(code="not_pending", sentence="The request is decided.")
    if person not in record.asked:
        return NOBODY_NEEDED
    plan = record.plan or ApprovalPlan()
    missing = max(1, plan.people_needed - len(counting(record, directory)))
    missing -= len(able_of_asked(record, directory, loads=loads, now=now))
    tired = [p for p, load in loads.items() if load.cooling_until is not None and now < load.cooling_until]
    out = {person, *tired, *used_people(record, directory)}
    wider, more = record, list[str]()
    while len(more) < missing:
        found = next_one(wider, directory, care=care, loads=loads, now=now, without=out)
        if found is None:
            break
        more.append(found)
        wider = replace(wider, asked=(*wider.asked, found))
    if not more:
        return NOBODY_NEEDED
    people: list[Json] = list(more)
    return move(
        record,
        "approval.rebalanced",
        actor="policy",
        now=now,
        detail={"asked": people, "in_place_of": person, "why": "cooldown"},
        intents=(
            CARD,
            thread("approval.rebalanced", now, None, mention=people),
            *asking(record, tuple(more), directory),
            *progress(record, "approval.rebalanced"),
        ),
        asked=wider.asked,
    )
