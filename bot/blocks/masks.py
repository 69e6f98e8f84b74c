"""Knows how it is said that policy masks something, and offers the view in which a reviewer sees it all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot import ids
from bot.blocks import parts
from bot.blocks.words import count
from gate.usecases.views import ActionView

Json = dict[str, Any]

LOCK = "🔒"


def said(view: ActionView) -> list[Json]:
    """One line: how much is masked, and what looking at it means."""
    what = count(view.masks, "value", "values") if view.masks else "some of the text"
    return [
        parts.words(f"{LOCK} Policy masks {what} here", bold=True),
        parts.words(". Reviewers can have it shown; who does is put on the record."),
    ]


def show_button(action_id: str, version: int) -> Json:
    """Opens the view in which nothing is masked; `value` as on a card."""
    return parts.button("Show masked values", ids.UNMASK, ids.card_value(action_id, version))


def offer(view: ActionView) -> Iterator[Json]:
    """The line and the button of a modal in which something is masked; nothing where nothing is."""
    if view.hides:
        yield parts.lines([said(view)])
        yield parts.actions(show_button(view.action_id, view.version), block_id="unmask")
