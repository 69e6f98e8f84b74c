"""Knows how the story of one decision is told in a modal, chapter by chapter and page by page."""

from __future__ import annotations

from typing import Any

from bot import ids
from bot.blocks import parts
from bot.blocks.masks import show_button
from bot.blocks.pages import line_blocks, paged, turning
from bot.blocks.text import shown
from gate.usecases.views import Chapter

Json = dict[str, Any]

MOST_LINES = 60
"""Lines of a chapter; the rest is on the record, which `gate audit show` tells whole."""


def history_button(action_id: str, version: int) -> Json:
    """Opens the story; `value` as on a card."""
    return parts.button("History", ids.HISTORY, ids.card_value(action_id, version))


def history_modal(chapters: tuple[Chapter, ...], state: ids.ModalState, *, hides: bool = False) -> Json:
    """The page that `state` names; one past the end shows the last. `hides`: policy masks something of it."""
    blocks: list[Json] = []
    for chapter in chapters:
        lines = [
            [
                parts.words(f"{shown(line.label, 120)}: ", bold=True),
                parts.words(shown(line.text, 1_200, newlines=True)),
            ]
            for line in chapter.lines[:MOST_LINES]
        ]
        rest = len(chapter.lines) - MOST_LINES
        if rest > 0:
            lines.append([parts.words(f"… and {rest:,} more lines on the record", italic=True)])
        blocks += line_blocks(chapter.title, lines)
    pages = paged(blocks)
    page = min(max(state.page, 0), len(pages) - 1)
    return {
        "type": "modal",
        "callback_id": ids.MODAL_HISTORY,
        "title": parts.own("History", 24),
        "close": parts.own("Close", 24),
        "private_metadata": state.encode(),
        "blocks": [*pages[page], *turning(page, len(pages)), *_unmasking(state, hides=hides)],
    }


def _unmasking(state: ids.ModalState, *, hides: bool) -> list[Json]:
    if not hides:
        return []
    told = parts.note(
        "Policy masks part of this. Reviewers can have it shown; who does is put on the record."
    )
    return [told, parts.actions(show_button(state.action_id, state.version), block_id="unmask")]
