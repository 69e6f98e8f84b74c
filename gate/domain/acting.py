"""In whose right a person acts on a request, and what is said to whoever comes too late, too often or without one."""

from __future__ import annotations

from collections.abc import Mapping

from gate.domain.action import Json
from gate.domain.eligibility import Standing, standing, voices
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Status
from gate.domain.second_review import blind
from gate.domain.verdict import ApprovalPlan

DONE = {
    Status.APPROVED: "approved",
    Status.REJECTED: "rejected",
    Status.EXPIRED: "closed: nobody decided in time",
    Status.CANCELLED: "taken back by the agent",
    Status.ALLOWED: "released by policy",
    Status.DENIED: "refused by policy",
    Status.THROTTLED: "refused by policy for now",
}
"""How an ended request is said to have ended."""

NOTHING_SHOWN: Mapping[str, str] = {}

HANDED_ON = Refused(
    code="delegated",
    sentence="You may decide this for somebody else, but not hand it on; ask them to.",
)
"""Nothing that was lent is passed on (INV-07): whoever is asked by a reviewer may decide as their own right."""


def already(record: ActionRecord, directory: Directory, person: str | None = None) -> Refused:
    """The answer to whoever comes after the decision: what it was, and by whom (INV-03)."""
    by = record.decided_by
    name = directory.people[by].name if by is not None and by in directory.people else None
    if by is not None and by == person:
        name = "you"
    words = DONE[record.status] + (f" by {name}" if name else "")
    return Refused(code="already_decided", sentence=f"This was already {words}. Nothing has changed.")


def acting(
    record: ActionRecord, person: str, version: int, verb: str, directory: Directory
) -> Standing | Refused:
    """In whose right a person acts on the version they saw, or what stands in the way, in the order a person wants
    to hear it."""
    if record.status.terminal:
        return already(record, directory, person)
    used = frozenset[str]().union(*(voice.uses_up for voice in voices(record, directory)))
    mine = standing(record, person, directory, used)
    if isinstance(mine, Refused):
        return mine
    if verb not in (record.plan or ApprovalPlan()).allow:
        return Refused(code="not_offered", sentence=f"Policy does not offer “{verb}” for this request.")
    if version != record.version.number:
        editor = record.version.editor
        who = directory.people[editor].name if editor and editor in directory.people else "Somebody"
        return Refused(
            code="stale_version",
            sentence=f"{who} changed the payload in the meantime; look at version {record.version.number} first.",
        )
    return mine


def used_up(record: ActionRecord, mine: Standing, directory: Directory) -> Refused | None:
    """A person counts once, and with whoever they act for, or who acts for them, as one (INV-04, INV-06)."""
    others = "this request still needs somebody else's."
    for voice in voices(record, directory):
        if mine.uses_up.isdisjoint(voice.uses_up):
            continue
        if voice.person == mine.person:
            return Refused(code="already_voted", sentence=f"Your approval already counts; {others}")
        if blind(record):  # as little as can be said about the other's vote
            return Refused(
                code="already_voted",
                sentence="You and whoever acts for you, or you for them, count as one; somebody else has to decide.",
            )
        by = _name(voice.person, directory)
        if voice.on_behalf_of == mine.person:
            return Refused(code="already_voted", sentence=f"{by} has approved this for you; {others}")
        whose = _name(mine.on_behalf_of or "", directory)
        done = "has approved this" if voice.person == mine.on_behalf_of else f"has had {by} approve this"
        return Refused(code="already_voted", sentence=f"You act for {whose}, who {done}; {others}")
    return None


def for_whom(mine: Standing, *, with_id: bool = False) -> dict[str, Json]:
    """Who lent the authority, and by which delegation, for the record; empty for somebody's own right."""
    if mine.delegation is None:
        return {}
    found: dict[str, Json] = {"on_behalf_of": mine.delegation.grantor}
    return found | ({"delegation": mine.delegation.id} if with_id else {})


def _name(person_id: str, directory: Directory) -> str:
    return directory.people[person_id].name if person_id in directory.people else person_id


def saw(shown: Mapping[str, str]) -> dict[str, Json]:
    """What a person was shown, for the record; empty where that is not known."""
    return {"shown": dict(shown)} if shown else {}
