"""Knows the forms of an emergency: what may be released, releasing it, and the review; who may is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot import ids
from bot.blocks import details, emergency, parts, progress
from bot.blocks.inputs import comment_input
from bot.blocks.pages import line_blocks, paged, turning
from bot.blocks.text import shown, trimmed
from bot.blocks.words import RISK_SYMBOLS, listed, span
from gate.usecases.views import ActionView, GlassView, QueueLine

Json = dict[str, Any]

MAX_OPTIONS = 100
SPANS = (300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400)
"""Seconds offered for how long a release is good, as far as policy lets them; its longest is always among them."""
_WAYS = {"slack": "Slack", "email": "e-mail", "pagerduty": "PagerDuty"}
_FINDINGS = (
    ("justified", "Justified: it was right not to wait"),
    ("unjustified", "Not justified: take back what was not used yet"),
)


def choose_modal(found: Sequence[QueueLine]) -> Json:
    """Step one: which request. Where this person may release none the form says so and has nothing to submit."""
    view: Json = {
        "type": "modal",
        "callback_id": ids.MODAL_BREAK_GLASS,
        "title": parts.own("Break the glass", 24),
        "close": parts.own("Cancel", 24),
    }
    if not found:
        told = [
            parts.words("Nothing waits that you may release in an emergency. ", bold=True),
            parts.words("You own the agent or asked for it, or policy keeps its topic or risk out."),
        ]
        return view | {"blocks": [parts.lines([told])], "close": parts.own("Close", 24)}
    told = [
        parts.words("For an emergency only. ", bold=True),
        parts.words(
            "You release one request without waiting for its reviewers. Supervisors are called at once, and one of "
            "them has to say afterwards whether it was justified. The next page shows what would run."
        ),
    ]
    options = [
        {
            "text": parts.own(
                f"{RISK_SYMBOLS[line.risk]} {line.risk.value.upper()} · {trimmed(shown(line.summary, 200), 58)}",
                75,
            ),
            "value": ids.card_value(line.action_id, line.version),
        }
        for line in found[:MAX_OPTIONS]
    ]
    select: Json = {
        "type": "input",
        "block_id": ids.GLASS_REQUEST,
        "label": parts.own("Which request?", 200),
        "element": {
            "type": "static_select",
            "action_id": ids.GLASS_REQUEST,
            "placeholder": parts.own("The soonest deadline first", 150),
            "options": options,
        },
    }
    return view | {"blocks": [parts.lines([told]), select], "submit": parts.own("Next", 24)}


def break_glass_modal(view: ActionView, glass: GlassView, state: ids.ModalState, page: int = 0) -> Json:
    """Step two: the whole payload, page by page, and whom it calls; only the last page can be submitted (threat 3)."""
    pages = paged([_consequences(glass), *details.opening(view), *details.whole_payload(view)])
    page = min(max(page, 0), len(pages) - 1)
    blocks = [*pages[page], *turning(page, len(pages))]
    if page < len(pages) - 1:
        blocks.append(parts.note("Breaking the glass stands on the last page."))
        title = f"Break the glass, {page + 1} of {len(pages)}"[:24]
        return _modal(ids.MODAL_BREAK_GLASS, title, blocks, replace(state, page=page))
    offered = [*(s for s in SPANS if s < glass.max_valid_sec), glass.max_valid_sec][-10:]
    spans = [(str(seconds), span(seconds)) for seconds in offered]
    reason = comment_input("Why can it not wait?", optional=False, block_id=ids.REASON)
    reason["hint"] = parts.own("The agent and whoever sees the card read it. At least 10 characters.", 200)
    blocks += [reason, _radio(ids.GLASS_VALID, "Good for", spans, preset=True)]
    state = replace(state, page=page)
    return _modal(ids.MODAL_BREAK_GLASS, "Break the glass", blocks, state, submit="Break glass")


def review_modal(view: ActionView, state: ids.ModalState, page: int = 0) -> Json:
    """What was released, by whom and why, what came of it, and the supervisor's finding on the last page."""
    pages = paged(
        [
            *line_blocks(None, emergency.banner(view)),
            *details.opening(view),
            *details.whole_payload(view),
            *line_blocks("What came of it", progress.state(view)),
        ]
    )
    page = min(max(page, 0), len(pages) - 1)
    blocks = [*pages[page], *turning(page, len(pages))]
    if page < len(pages) - 1:
        blocks.append(parts.note("The review stands on the last page."))
        return _modal(ids.MODAL_REVIEW, "Review the release", blocks, replace(state, page=page))
    comment = comment_input("How do you come to this?", optional=False)
    blocks += [_radio(ids.FINDING, "Your finding", _FINDINGS, preset=False), comment]
    state = replace(state, page=page)
    return _modal(ids.MODAL_REVIEW, "Review the release", blocks, state, submit="Close the review")


def _consequences(glass: GlassView) -> Json:
    """Whom it calls and what it owes, before anything else is read."""
    ways = listed([_WAYS.get(way, way) for way in glass.via])
    return parts.lines(
        [
            [parts.words(f"{emergency.SIREN} This releases it now, without its reviewers.", bold=True)],
            [
                parts.words("Called at once"),
                parts.words(f" by {ways}:"),
                *progress.people(glass.supervisors),
            ],
            [
                parts.words(
                    f"One of them has to review it within {span(glass.review_sla_sec)}. What is found not justified is "
                    "taken back as far as it was not used. It stands on the record under your name."
                )
            ],
        ]
    )


def _radio(name: str, label: str, choices: Sequence[tuple[str, str]], *, preset: bool) -> Json:
    options = [{"text": parts.own(text, 75), "value": value} for value, text in choices]
    element: Json = {"type": "radio_buttons", "action_id": name, "options": options}
    return {
        "type": "input",
        "block_id": name,
        "label": parts.own(label, 200),
        "element": element | ({"initial_option": options[0]} if preset else {}),
    }


def _modal(
    callback: str, title: str, blocks: Sequence[Json], state: ids.ModalState, *, submit: str | None = None
) -> Json:
    view: Json = {
        "type": "modal",
        "callback_id": callback,
        "title": parts.own(title, 24),
        "close": parts.own("Cancel", 24),
        "private_metadata": state.encode(),
        "blocks": list(blocks),
    }
    return view | ({"submit": parts.own(submit, 24)} if submit else {})
