"""Knows the form that takes a release back; who may is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot import ids
from bot.blocks import parts
from bot.blocks.inputs import comment_input
from bot.blocks.text import shown, trimmed
from bot.blocks.words import RISK_SYMBOLS, utc
from gate.usecases.views import ReleaseLine

Json = dict[str, Any]

MAX_OPTIONS = 100


def revoke_modal(found: Sequence[ReleaseLine], *, named: bool = False) -> Json:
    """Which release, and why. One that was `named` is chosen already; where there is none the form says so and has
    nothing to submit."""
    view: Json = {
        "type": "modal",
        "callback_id": ids.MODAL_REVOKE,
        "title": parts.own("Take back a release", 24),
        "close": parts.own("Cancel", 24),
    }
    if not found:
        told = [
            parts.words("There is nothing you may take back. ", bold=True),
            parts.words(
                "Only releases that were not used yet are listed, of your own agents and of what you decide."
            ),
        ]
        return view | {"blocks": [parts.lines([told])], "close": parts.own("Close", 24)}
    told = [
        parts.words("Its grant is dead at once, and none follows. ", bold=True),
        parts.words(
            "What an executor has begun already cannot be taken back. Card and record name you and your reason."
        ),
    ]
    options = [_option(line) for line in found[:MAX_OPTIONS]]
    element: Json = {
        "type": "static_select",
        "action_id": ids.RELEASE,
        "placeholder": parts.own("The newest first", 150),
        "options": options,
    }
    select: Json = {
        "type": "input",
        "block_id": ids.RELEASE,
        "label": parts.own("Which release?", 200),
        "element": element | ({"initial_option": options[0]} if named else {}),
    }
    listed = [
        [parts.words(f"{shown(line.summary, 200)} · {shown(line.agent_name, 80)} · released {utc(line.at)}")]
        for line in found[:1]
        if named
    ]
    reason = comment_input("Why?", optional=False, block_id=ids.REASON)
    blocks = [parts.lines([told, *listed]), select, reason]
    return view | {"blocks": blocks, "submit": parts.own("Take back", 24)}


def _option(line: ReleaseLine) -> Json:
    words = f"{RISK_SYMBOLS[line.risk]} {line.risk.value.upper()} · {trimmed(shown(line.summary, 200), 58)}"
    return {"text": parts.own(words, 75), "value": line.action_id}
