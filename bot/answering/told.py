"""Knows the sentence a person is told after what they did took effect; refusals bring their own sentence."""

from __future__ import annotations

from bot.blocks.words import utc
from gate.domain.eligibility import could_stay_open, risk_of, slots, voices
from gate.domain.emergency import Finding
from gate.domain.people import Directory
from gate.domain.request import ActionRecord, Status
from gate.domain.second_review import blind
from gate.domain.verdict import ApprovalPlan


def approved(record: ActionRecord, directory: Directory) -> str:
    """After an approval: released, or what is still missing."""
    if record.status is Status.APPROVED:
        return f"Approved{_for(record, directory)}. Released to {record.agent.name}."
    return f"Your approval counts{_for(record, directory)}. {_missing(record, directory)}"


def broken(record: ActionRecord, directory: Directory) -> str:
    """After the glass was broken: what it released, until when, and who looks at it now."""
    emergency = record.emergency
    if emergency is None:
        return approved(record, directory)
    names = [directory.people[p].name if p in directory.people else p for p in emergency.supervisors]
    return (
        f"Released to {record.agent.name} in an emergency, good until {utc(emergency.until)}. Called to review it: "
        f"{_and(names)}, by {utc(emergency.review_due_at)}."
    )


def reviewed(record: ActionRecord) -> str:
    """After a review."""
    emergency = record.emergency
    if emergency is None or emergency.review is None or emergency.review.finding is Finding.JUSTIFIED:
        return "Justified. The review is closed, and the card says so."
    if record.redeemed_jti is not None:
        return (
            "Not justified. It was used already, so it cannot be taken back; the card and the record say so."
        )
    return "Not justified. The release is taken back, and nothing more is issued for it."


def taken_back(record: ActionRecord) -> str:
    """After a release was taken back."""
    return f"The release to {record.agent.name} is taken back: its grant is dead, and nothing more is issued for it."


def rejected(record: ActionRecord) -> str:
    """After a rejection."""
    return f"Rejected. {record.agent.name} is told, and nothing is released."


def saved(record: ActionRecord, directory: Directory, *, voted: bool) -> str:
    """After an edit, with or without the editor's own vote."""
    number = record.version.number
    if not voted:
        return f"Saved as version {number}. Earlier approvals no longer count; nobody has approved it yet."
    if record.status is Status.APPROVED:
        return f"Saved as version {number} and approved. Released to {record.agent.name}."
    return f"Saved as version {number}, and your approval counts. {_missing(record, directory)}"


def reassigned(record: ActionRecord, directory: Directory, to: tuple[str, ...]) -> str:
    """After others were asked."""
    names = [directory.people[p].name if p in directory.people else p for p in to]
    return f"Asked {_and(names)}. Whoever was asked before may still decide."


def _for(record: ActionRecord, directory: Directory) -> str:
    """In whose right the last vote was cast, where not in the voter's own."""
    grantor = record.votes[-1].on_behalf_of if record.votes else None
    if grantor is None:
        return ""
    return f" for {directory.people[grantor].name if grantor in directory.people else grantor}"


def _missing(record: ActionRecord, directory: Directory) -> str:
    plan = record.plan or ApprovalPlan()
    if blind(record):
        return "A second person looks at it independently."
    counted = voices(record, directory)
    needed = max(plan.quorum, len(plan.distinct_groups))
    seats = slots(plan, counted, directory, risk_of(record))
    open_slots = [group for group, who in seats.items() if who is None]
    missing = max(needed - len(counted), len(open_slots), 1)
    if missing > 1:
        of = f", among them someone of {_and(open_slots)}" if open_slots else ""
        return f"{missing} more people are needed ({len(counted)} of {needed}){of}."
    last = could_stay_open(plan, counted, directory, risk_of(record))
    whom = f": someone of {' or '.join(last)}" if open_slots else ""
    return f"One more person is needed ({len(counted)} of {needed}){whom}."


def _and(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
