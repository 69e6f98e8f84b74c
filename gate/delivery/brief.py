"""What a person needs to know about a waiting request or an emergency release, for channels that are no Slack card."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gate.delivery.inert import inert
from gate.domain.masking import masked, spelled
from gate.domain.people import Directory
from gate.domain.request import ActionRecord, Choice
from gate.usecases.views import ActionView, VoteView

MOST_ITEMS = 20
"""Pieces of evidence, votes and comments of each kind that are told in full."""
Link = Callable[[str], Awaitable[str | None]]
"""Action id -> where its card stands in Slack; None where nobody can say now."""
_TONES = {"emerald": "good", "amber": "care", "red": "risk", "blue": "info", "slate": "note"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A heading and its lines. All of it is inert already; `exact` lines keep their spaces."""

    title: str
    lines: tuple[str, ...]
    exact: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Brief:
    """One request as told: `headline` is risk and summary, `time` how long there is, `parts` all else in order."""

    headline: str
    time: str
    parts: tuple[Part, ...]


def brief(view: ActionView, record: ActionRecord, directory: Directory, *, payload_limit: int) -> Brief:
    """The whole context as it stands now: request, evidence, edits, earlier comments, votes so far (INV-38). What
    policy masks is not in it."""
    record = masked(record)
    parts = (
        Part(title="Released in an emergency", lines=_emergency(view)),
        Part(title="Who asks", lines=_asker(view)),
        Part(title="Why it stopped here", lines=_stopped(view)),
        Part(title="What would run", lines=_payload(view, payload_limit), exact=True),
        Part(title="Evidence", lines=_evidence(view)),
        Part(title="In the agent's words", lines=(inert(view.rationale, 1_000),) if view.rationale else ()),
        Part(title="What Signoff knows", lines=(_known(view),)),
        Part(title="Votes so far", lines=_votes(view)),
        Part(title="What happened before", lines=_story(view, record, directory)),
    )
    return Brief(
        headline=f"{'EMERGENCY RELEASE, ' if view.emergency else ''}{view.risk.value.upper()}: "
        f"{inert(view.summary, 300)}",
        time=_time(view),
        parts=tuple(part for part in parts if part.lines),
    )


def _asker(view: ActionView) -> tuple[str, ...]:
    run = [f"workflow {inert(view.workflow, 120)}"] if view.workflow else []
    run += [f"step {inert(view.workflow_step, 120)}"] if view.workflow_step else []
    who = f"{inert(view.agent_name, 120)}, team {inert(view.agent_team, 120)}, owner {_name(view.owner.name)}"
    lines = [", ".join([who, *run])]
    if view.original_request:
        lines.append(f"Asked for originally: {inert(view.original_request, 500)}")
    return tuple(lines)


def _stopped(view: ActionView) -> tuple[str, ...]:
    trigger = f" ({inert(view.trigger, 300)})" if view.trigger else ""
    tags = f", {', '.join(inert(tag, 60) for tag in view.risk_tags)}" if view.risk_tags else ""
    return (f"Rule {view.rule}: {inert(view.reason, 500)}{trigger}", f"Risk: {view.risk.value}{tags}")


def _payload(view: ActionView, limit: int) -> tuple[str, ...]:
    text = json.dumps(spelled(view.payload), ensure_ascii=False, indent=2, sort_keys=True)
    what = " ".join(inert(part, 200) for part in (view.tool, view.topic, view.environment) if part)
    version = f", version {view.version}, changed by a reviewer" if view.changes else ""
    hidden = (
        ("", "Reviewers can have what is [masked] shown in Slack; who does is put on the record.")
        if view.hides
        else ()
    )
    return (f"{what}{version}:", *inert(text, limit, newlines=True).split("\n"), *hidden)


def _evidence(view: ActionView) -> tuple[str, ...]:
    lines = [
        f"{_TONES.get(item.tone, 'note')} - {inert(item.label, 120)}: {inert(item.value, 500)}"
        f"{f' ({inert(item.url, 500)})' if item.url else ''}{'' if item.by_gate else ' [claimed by the agent]'}"
        for item in view.evidence[:MOST_ITEMS]
    ]
    if view.confidence is not None:
        claimed = " [claimed by the agent]" if "confidence" in view.claimed else ""
        lines.append(f"Confidence: {view.confidence:g}{claimed}")
    return (*lines, *_rest(len(view.evidence)))


def _emergency(view: ActionView) -> tuple[str, ...]:
    held = view.emergency
    if held is None:
        return ()
    return (
        f"{_name(held.person.name)} broke the glass {_utc(held.at)}, without waiting for {view.quorum} to agree",
        f'Why: "{inert(held.reason, 1_000)}"',
        f"Good until {_utc(held.until)}",
        f"Called to review it: {', '.join(_name(p.name) for p in held.supervisors[:MOST_ITEMS])}",
        f"Review due by {_utc(held.review_due_at)}{', and overdue' if held.state == 'overdue' else ''}",
    )


def _known(view: ActionView) -> str:
    past = view.history
    first = "First of its kind by this agent; " if past.first_time else ""
    return (
        f"{first}{past.total} like it in 30 days: {past.approved} approved, {past.rejected} rejected, "
        f"{past.allowed} released by policy"
    )


def _votes(view: ActionView) -> tuple[str, ...]:
    lines = [f"{len(view.approvals)} of {view.quorum} needed"]
    lines += [_vote(vote) for vote in view.votes[-MOST_ITEMS:]]
    lines += [f"Open: one person of {slot.group}" for slot in view.slots if slot.filled_by is None]
    return tuple(lines)


def _vote(vote: VoteView) -> str:
    verb = "approved" if vote.choice is Choice.APPROVE else "rejected"
    acting = f" for {_name(vote.on_behalf_of.name)}" if vote.on_behalf_of else ""
    void = "" if vote.current else " (counts no more)"
    said = f': "{inert(vote.comment, 1_000)}"' if vote.comment else ""
    return f"{_name(vote.person.name)}{acting} {verb} version {vote.version}, {_utc(vote.at)}{void}{said}"


def _story(view: ActionView, record: ActionRecord, directory: Directory) -> tuple[str, ...]:
    def who(person: str) -> str:
        found = directory.people.get(person)
        return _name(found.name if found else person)

    told: list[tuple[datetime, str]] = []
    for edit in view.edits[-MOST_ITEMS:]:
        places = ", ".join(inert(change.pointer or "all of it", 80) for change in edit.changes[:5])
        said = f': "{inert(edit.comment, 1_000)}"' if edit.comment else ""
        told.append((edit.at, f"{_name(edit.editor.name)} changed {places}{said}"))
    for handed in record.reassignments[-MOST_ITEMS:]:
        to = ", ".join(who(person) for person in handed.to)
        told.append((handed.at, f'{who(handed.by)} asked {to}: "{inert(handed.reason, 1_000)}"'))
    lines = [f"{_utc(at)}: {line}" for at, line in sorted(told)]
    if view.escalation_step:
        lines.append(f"Ladder steps so far: {view.escalation_step}")
    if view.asked:
        lines.append(f"Asked so far: {', '.join(_name(p.name) for p in view.asked[:MOST_ITEMS])}")
    return tuple(lines)


def _time(view: ActionView) -> str:
    if view.emergency is not None:
        return f"Released already; please review it by {_utc(view.emergency.review_due_at)}"
    if view.held:
        return "Its time is over; it is held until a person decides"
    if view.sla_at is None:
        return "No time limit"
    left = view.sla_at - view.now
    if left <= timedelta(0):
        return f"Its time ended {_utc(view.sla_at)}; it is refused soon"
    minutes = int(left.total_seconds()) // 60
    words = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    return f"{words if minutes else 'Less than a minute'} left, until {_utc(view.sla_at)}"


def _rest(count: int) -> tuple[str, ...]:
    return (f"and {count - MOST_ITEMS} more, in Slack",) if count > MOST_ITEMS else ()


def _name(name: str) -> str:
    return inert(name, 120)


def _utc(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %H:%M} UTC"
