"""Knows which views are so large that drawing them would keep everybody else waiting, and draws those beside the event
loop; what is drawn is the blocks' business."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gate.usecases.views import ActionView

T = TypeVar("T")

LARGE_BYTES = 32 * 1024
"""Up to this size drawing takes a few milliseconds; a payload of 256 KiB can take a third of a second."""


async def drawn(view: ActionView, draw: Callable[[], T]) -> T:
    """What `draw` makes of the view. It is pure, so that it may run in a thread while others are served."""
    if view.payload_bytes <= LARGE_BYTES:
        return draw()
    return await asyncio.to_thread(draw)
