"""Large payloads are drawn beside the event loop, so that nobody else waits for them."""

from __future__ import annotations

import threading

import pytest

from bot.surfaces.drawing import LARGE_BYTES, drawn
from tests.fakes.views import REFUND, with_payload


@pytest.mark.parametrize(
    ("size", "beside"), [(10, False), (LARGE_BYTES + 1, True)], ids=["a usual one", "a large one"]
)
async def test_only_a_large_payload_is_drawn_in_a_thread(size: int, beside: bool) -> None:
    view = with_payload(REFUND, {"note": "x" * size})
    where = await drawn(view, threading.get_ident)
    assert (where != threading.get_ident()) is beside
