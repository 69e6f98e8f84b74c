"""Knows how a long run of blocks is spread over the pages of a modal so that every page is within Slack's limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bot import ids
from bot.blocks import parts
from bot.blocks.payload import chunks, written
from bot.blocks.text import units
from gate.usecases.views import ActionView

Json = dict[str, Any]
Line = list[Json]

PAGE_BLOCKS = 40
PAGE_BYTES = 150_000
"""Bytes of a page as JSON with every other character escaped, the longest way in which it can be sent."""
BLOCK_UNITS = 2_800


def payload_blocks(view: ActionView) -> list[Json]:
    """The whole payload, every character of it, as preformatted blocks."""
    return [
        parts.rich(parts.pre(text or " ")) for text in chunks(written(view.payload), max_units=BLOCK_UNITS)
    ]


def line_blocks(heading: str | None, found: Sequence[Line]) -> Iterator[Json]:
    """Lines as rich text blocks of bounded size, under a heading; nothing where there are no lines."""
    if not found:
        return
    kept: list[Line] = [[parts.words(heading, bold=True)]] if heading else []
    size = 0
    for line in found:
        length = sum(units(element.get("text", "")) + 20 for element in line)
        if kept and size + length > BLOCK_UNITS:
            yield parts.lines(kept)
            kept, size = [], 0
        kept.append(line)
        size += length
    yield parts.lines(kept)


def paged(blocks: Sequence[Json]) -> list[list[Json]]:
    """The blocks in order, as many pages as they need, at least one."""
    pages: list[list[Json]] = [[]]
    size = 0
    for block in blocks:
        length = len(json.dumps(block))
        if pages[-1] and (len(pages[-1]) >= PAGE_BLOCKS or size + length > PAGE_BYTES):
            pages.append([])
            size = 0
        pages[-1].append(block)
        size += length
    return pages


def turning(page: int, pages: int) -> list[Json]:
    """Where the reader is, and the buttons that lead on; nothing where there is one page."""
    if pages < 2:
        return []
    buttons: list[Json] = []
    if page > 0:
        buttons.append(parts.button("← Previous page", ids.PAGE_PREVIOUS, ids.page_value(page - 1)))
    if page < pages - 1:
        buttons.append(parts.button("Next page →", ids.PAGE_NEXT, ids.page_value(page + 1), style="primary"))
    return [parts.note(f"Page {page + 1:,} of {pages:,}"), parts.actions(*buttons, block_id="paging")]
