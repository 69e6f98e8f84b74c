"""Knows how it is said that the content of an action was destroyed."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from bot.blocks import parts
from bot.blocks.messages import CardMessage
from bot.blocks.text import shown
from gate.usecases.views import ActionView

Json = dict[str, Any]


LINE = "[shredded]"
"""What is left of a line in the thread."""


def line() -> CardMessage:
    """A line of the thread whose words are gone."""
    return CardMessage(text=LINE, blocks=[parts.note(LINE)], metadata={})


def said(view: ActionView) -> list[Json]:
    """One line in place of the payload; empty where the content is still there."""
    gone = view.shredded
    if gone is None:
        return []
    day = f"{gone.at.astimezone(UTC):%-d %b %Y, %H:%M} UTC"
    return [
        parts.words(f"🗑 Its content was shredded on {day} by {shown(gone.by, 60)}", bold=True),
        parts.words(". What was decided, by whom and on which digests stays on the record."),
    ]
