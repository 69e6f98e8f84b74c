"""Knows the modal in which a reviewer sees what policy masks; who may, and that it is on record, was settled before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot import ids
from bot.blocks import details, parts
from bot.blocks.masks import LOCK
from bot.blocks.pages import paged, turning
from bot.blocks.words import count
from gate.usecases.views import ActionView

Json = dict[str, Any]


def unmasked_modal(view: ActionView, state: ids.ModalState) -> Json:
    """The page that `state` names of everything there is to read, nothing masked; one past the end shows the last."""
    what = f"{count(view.masks, 'value', 'values')} that policy masks" if view.masks else "what policy masks"
    told = [
        parts.words(f"{LOCK} Unmasked, with {what}", bold=True),
        parts.words(". It is on the record that this was shown to you."),
    ]
    pages = paged([parts.lines([told]), *details.everything(view)])
    page = min(max(state.page, 0), len(pages) - 1)
    return {
        "type": "modal",
        "callback_id": ids.MODAL_UNMASKED,
        "title": parts.own("Unmasked", 24),
        "close": parts.own("Close", 24),
        "private_metadata": replace(state, page=page).encode(),
        "blocks": [*pages[page], *turning(page, len(pages))],
    }
