"""Knows how an emergency release reads: on its card, in the message that calls supervisors, in their Home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot import ids
from bot.blocks import asking, parts, progress
from bot.blocks.messages import Line
from bot.blocks.payload import excerpt
from bot.blocks.text import clip_bytes, inert, shown
from bot.blocks.words import count, risk_word, utc
from gate.usecases.views import ActionView, EmergencyView, ReviewLine

Json = dict[str, Any]
Paragraphs = list[list[Json]]

SIREN = "🚨"
MAX_FALLBACK = 3_800
MAX_REVIEWS = 6
"""Releases on a Home, three blocks each."""
PAYLOAD_UNITS = 1_500
PAYLOAD_LINES = 20
WHYS = frozenset({"break_glass", "review_overdue"})
"""What a direct message about an emergency release says it is for."""


def banner(view: ActionView, *, limit: int = 1_000) -> Paragraphs:
    """Who broke the glass, why, until when it is good, and where the review stands; nothing where nobody did."""
    emergency = view.emergency
    if emergency is None:
        return []
    had = f" ({count(len(view.approvals), 'person', 'people')} had agreed)" if view.approvals else ""
    first = (
        f"{SIREN} {parts.name(emergency.person)} broke the glass: released without waiting for "
        f"{asking.needed(view)}{had}"
    )
    return [
        [parts.words(first, bold=True)],
        [parts.words("Why: "), parts.words(f"“{shown(emergency.reason, limit, newlines=True)}”")],
        [
            parts.words("Good until "),
            parts.when(emergency.until),
            parts.words(" · called to review it:"),
            *progress.people(emergency.supervisors),
        ],
        review(view, limit=limit),
    ]


def review(view: ActionView, *, limit: int = 1_000) -> list[Json]:
    """One line: due, overdue, or what a supervisor made of it."""
    emergency = view.emergency
    if emergency is None:
        return [parts.words("Nobody broke the glass.")]
    if emergency.reviewer is None:
        if emergency.state == "overdue":
            return [
                parts.words("⏰ Review OVERDUE", bold=True),
                parts.words(" since "),
                parts.when(emergency.review_due_at, parts.COUNTDOWN),
            ]
        return [
            parts.words("Review due by ", bold=True),
            parts.when(emergency.review_due_at, parts.COUNTDOWN),
        ]
    return [
        parts.words(f"{finding(emergency)}, says {parts.name(emergency.reviewer)}", bold=True),
        parts.words(f": “{shown(emergency.comment or '', limit, newlines=True)}” "),
        *([parts.when(emergency.reviewed_at)] if emergency.reviewed_at else []),
    ]


def finding(emergency: EmergencyView) -> str:
    """What came of the review, with its symbol."""
    return "✓ Justified" if emergency.state == "justified" else "✗ NOT justified"


def emergency_message(view: ActionView, emergency: EmergencyView, why: str, link: str | None) -> Line:
    """What a supervisor is told when it happened (`break_glass`) and when nobody reviewed it in time
    (`review_overdue`): all there is to know, and the button that opens the review."""
    late = why == "review_overdue"
    who = parts.name(emergency.person)
    begin = (
        f"An emergency release of {who} waits past its time for a review"
        if late
        else f"{who} broke the glass"
    )
    text = (
        f"{SIREN} {begin}: “{shown(view.summary, 600)}” ({view.risk.value.upper()} risk) was released without waiting "
        f"for {asking.needed(view)}. Why: {shown(emergency.reason, 600)}. Good until {utc(emergency.until)}. "
        f"Please review it by {utc(emergency.review_due_at)}."
    )
    asks = (
        f"{begin}. Please look at it now." if late else "You supervise this release: please look at it now."
    )
    first: Paragraphs = [
        [parts.words(f"{SIREN} {asks}", bold=True)],
        [parts.words(f"{risk_word(view.risk)} · {shown(view.summary, 700)}")],
        asking.asker(view),
        asking.stopped_by(view),
    ]
    payload = excerpt(view.payload, max_units=PAYLOAD_UNITS, max_lines=PAYLOAD_LINES)
    cut = "" if payload.whole else ", its beginning"
    runs = [parts.words("Released to run "), parts.words(asking.what_runs(view), bold=True)]
    blocks = [
        parts.lines(first),
        parts.rich(parts.line(*runs, parts.words(f" with this{cut}:")), parts.pre(payload.text or "…")),
        parts.lines([*banner(view), *progress.state(view)]),
        parts.actions(*_buttons(view, link), block_id=ids.buttons_block(view.version)),
    ]
    return Line(clip_bytes(inert(text), MAX_FALLBACK), blocks)


def _buttons(view: ActionView, link: str | None) -> list[Json]:
    value = ids.card_value(view.action_id, view.version)
    found = [parts.button("Review", ids.REVIEW, value, style="primary")]
    url = parts.web_address(link)
    if url is not None:
        found.append(parts.button("Open the card", ids.OPEN_CARD, view.action_id) | {"url": url})
    found.append(parts.button("Details", ids.DETAILS, value))
    return found


def home_blocks(found: Sequence[ReviewLine], links: Mapping[str, str]) -> list[Json]:
    """The releases a supervisor has to look at, each with the button that opens its review."""
    if not found:
        return []
    late = sum(1 for line in found if line.overdue)
    blocks = [parts.header("Emergency releases to review")]
    blocks.append(parts.note(f"{count(len(found), 'release')}{f', {late} overdue' if late else ''}"))
    for line in found[:MAX_REVIEWS]:
        front = f"{SIREN} OVERDUE · " if line.overdue else f"{SIREN} "
        label = f"Review: {shown(line.summary, 60)}"
        value = ids.card_value(line.action_id, line.version)
        button = parts.button("Review", ids.REVIEW, value, style="primary", label=label)
        title = f"{front}{risk_word(line.risk)} · {shown(line.summary, 280)}"
        told = [
            parts.words("⏰ review overdue since " if line.overdue else "⏳ review by ", bold=line.overdue)
        ]
        told += [parts.when(line.due_at, parts.COUNTDOWN)]
        told.append(parts.words(f" · {parts.name(line.person)} broke the glass "))
        told.append(parts.when(line.at))
        link = parts.web_address(links.get(line.action_id))
        if link is not None:
            told += [parts.words(" · "), {"type": "link", "url": link, "text": "go to the card"}]
        blocks += [
            {"type": "section", "text": parts.own(title, 3_000), "accessory": button},
            parts.lines([told]),
        ]
    if len(found) > MAX_REVIEWS:
        blocks.append(parts.note(f"… and {len(found) - MAX_REVIEWS:,} more."))
    return [*blocks, parts.divider()]
