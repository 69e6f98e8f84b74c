"""Knows how it is said who has to decide, who has, what was changed, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.blocks import parts
from bot.blocks.asking import needed
from bot.blocks.payload import brief, pointer_path
from bot.blocks.text import shown, trimmed
from bot.blocks.words import RESULT_WORDS, STATE_WORDS, between, listed
from gate.domain.request import Choice, Status
from gate.usecases.views import ActionView, ChangeView, DecisionView, PersonRef, VoteView

Json = dict[str, Any]

MENTIONS = 12
"""People mentioned on a card; further ones are counted. Each was also asked by a direct message."""


def change(item: ChangeView, *, limit: int = 90) -> str:
    """`amount: 1400 → 1200`; a value that was or is not there is told from null."""
    old = "(not there)" if item.absent_old else brief(item.old, limit)
    new = "(taken out)" if item.absent_new else brief(item.new, limit)
    return f"{trimmed(pointer_path(item.pointer), 120)}: {old} → {new}"


def changes(items: Sequence[ChangeView], *, most: int = 6, limit: int = 90) -> list[list[Json]]:
    """Old and new, place by place, at most `most` of them; the rest is counted."""
    found = [[parts.words(change(item, limit=limit), code=True)] for item in items[:most]]
    if len(items) > most:
        found.append([parts.words(f"… and {len(items) - most:,} more changed places, see the details")])
    return found


def people(found: Sequence[PersonRef], *, most: int = MENTIONS) -> list[Json]:
    """Mentions separated by spaces; people beyond `most` are counted."""
    elements: list[Json] = []
    for person in found[:most]:
        elements += [parts.words(" "), parts.mention(person)]
    if len(found) > most:
        elements.append(parts.words(f" and {len(found) - most:,} more"))
    return elements


def acting(person: PersonRef, grantor: PersonRef | None) -> str:
    """`Bo Lindqvist for Ana Ruiz`, or the one name where somebody acts in their own right."""
    return f"{parts.name(person)} for {parts.name(grantor)}" if grantor is not None else parts.name(person)


def voter(vote: VoteView) -> str:
    """Who voted, and for whom."""
    return acting(vote.person, vote.on_behalf_of)


def _stand_ins(view: ActionView) -> list[Json]:
    elements: list[Json] = []
    for item in view.stand_ins[:MENTIONS]:
        elements += [
            parts.words(", "),
            parts.mention(item.person),
            parts.words(f" for {parts.name(item.grantor)}"),
        ]
    return elements


def needs(view: ActionView) -> list[list[Json]]:
    """Lines: how many must agree and how many have, the open places, and the people asked."""
    agreed = view.approvals
    first = [parts.words("Needs "), parts.words(needed(view), bold=True)]
    if agreed:
        first.append(
            parts.words(
                f" · ✓ {len(agreed):,} of {view.quorum:,} so far: {listed([voter(v) for v in agreed[:5]])}"
            )
        )
    found = [first]
    if view.slots and any(slot.filled_by for slot in view.slots):
        places = [
            f"{shown(slot.group, 60)}: " + (f"✓ {parts.name(slot.filled_by)}" if slot.filled_by else "open")
            for slot in view.slots[:10]
        ]
        movable = [shown(slot.group, 60) for slot in view.slots[:10] if slot.movable]
        if movable:
            places.append(f"somebody of {' or '.join(movable)} would do as well")
        found.append([parts.words(" · ".join(places))])
    if view.asked:
        found.append([parts.words("Asked:"), *people(view.asked), *_stand_ins(view)])
    return found


def ended(view: ActionView) -> str:
    """`Approved by Ana after 41 s`; for what is still waiting, how far it is."""
    word = STATE_WORDS[view.status][1]
    decision = view.decision
    if decision is None:
        return f"{word}: {len(view.approvals):,} of {view.quorum:,} agreed"
    after = f" after {between(view.created_at, decision.at)}"
    if view.emergency is not None:
        return f"Released in an emergency by {parts.name(view.emergency.person)}{after}"
    if view.status is Status.APPROVED and view.approvals:
        names = [voter(v) for v in view.approvals[:6]]
        return f"{word} by {listed(names)}{after}"
    if decision.by is not None:
        return f"{word} by {acting(decision.by, decision.on_behalf_of)}{after}"
    said = shown(decision.words, 300).removeprefix(f"{word}: ")
    return f"{said}{after}" if said.startswith(word) else f"{word}{after} ({said[:1].lower()}{said[1:]})"


def state(view: ActionView) -> list[list[Json]]:
    """What stands in place of the buttons: how it ended, what was changed, what came of it."""
    decision = view.decision
    first = [parts.words(f"{STATE_WORDS[view.status][0]} {ended(view)}", bold=True)]
    if view.changes:
        shortened = [change(item, limit=40) for item in view.changes[:2]]
        more = f" and {len(view.changes) - 2:,} more" if len(view.changes) > 2 else ""
        first.append(parts.words(f", {'; '.join(shortened)}{more}"))
    first += _execution(view)
    if decision is not None and decision.taken_back:
        reviewed = view.emergency is not None and view.emergency.state == "unjustified"
        by = "after its review" if reviewed else "by an operator"
        if decision.taken_back_by is not None:
            by = f"by {parts.name(decision.taken_back_by)}"
        first.append(parts.words(f" · ✗ taken back {by}", bold=True))
    found = [first]
    told = _reasons(decision) if decision is not None else []
    if told:
        found.append([parts.words("Reason: "), parts.words(" · ".join(told))])
    opinions = second_review(view)
    if opinions is not None:
        found.append([parts.words(opinions)])
    return found


def second_review(view: ActionView) -> str | None:
    """What came of a blind second review; None where there was none, or nothing may be told yet."""
    first = listed([voter(v) for v in view.approvals[:2]])
    return {
        "agreed": "Blind second review: two people looked at it independently, and they agreed.",
        "disagreed": f"Blind second review: they disagreed; {first} had approved it, and nobody was told.",
        "unfinished": "Blind second review: it ended before two people had looked at it.",
    }.get(view.second_review or "")


def _reasons(decision: DecisionView) -> list[str]:
    """Category and comment, less a timer's note that the line above says already."""
    said = decision.words.casefold() if decision.by is None else ""
    return [
        shown(text, 500, newlines=True)
        for text in (decision.category, decision.comment)
        if text and text.casefold() not in said
    ]


def _execution(view: ActionView) -> list[Json]:
    done = view.execution
    if done is None:
        return []
    found: list[Json] = []
    if done.result is not None:
        symbol, word = RESULT_WORDS[done.result]
        found.append(parts.words(f" · {symbol} {word} "))
        found += [parts.when(done.at, parts.CLOCK)] if done.at else []
    elif done.redeemed_at is not None:
        found += [parts.words(" · handed to the executor at "), parts.when(done.redeemed_at, parts.CLOCK)]
    found += [parts.words(" · ▲ defect reported", bold=True)] if done.defect else []
    found += [parts.words(" · ▲ incident reported", bold=True)] if done.incident else []
    if done.detail:
        found.append(parts.words(f" · “{shown(done.detail, 200)}”"))
    return found


def votes(view: ActionView) -> list[list[Json]]:
    """Every vote ever cast, newest last; one on an earlier version says that it counts no more."""
    found: list[list[Json]] = []
    for vote in view.votes[-30:]:
        verb = "approved" if vote.choice is Choice.APPROVE else "rejected"
        counts = "" if vote.current else ", counts no more"
        entry = [
            parts.words(voter(vote), bold=True),
            parts.words(f" {verb} version {vote.version}{counts} · "),
            parts.when(vote.at),
        ]
        if vote.comment:
            entry.append(parts.words(f": “{shown(vote.comment, 300)}”"))
        found.append(entry)
    if len(view.votes) > 30:
        found.insert(0, [parts.words(f"{len(view.votes) - 30:,} earlier votes are on the record.")])
    return found
