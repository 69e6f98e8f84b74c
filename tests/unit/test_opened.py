"""What was read lately is told by its cells: nothing that was changed, by whomever, is answered as of before."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gate.domain.request import ActionRecord
from gate.store.opened import LARGEST, Opened

ROW = ("act_1", 3, "sealed text", True, None)
VOTE = ("act_1", 0, "ana", "approve")


def made(opened: Opened, cells: tuple[Any, ...], action_id: str = "act_1") -> ActionRecord:
    return opened.of(action_id, cells, lambda: cast("ActionRecord", object()))


def test_equal_cells_are_read_once() -> None:
    opened = Opened()
    first = made(opened, (ROW, [], [VOTE], []))
    assert made(opened, ((*ROW,), [], [(*VOTE,)], [])) is first


@pytest.mark.parametrize(
    "cells",
    [
        (("act_1", 4, "sealed text", True, None), [], [VOTE], []),
        (("act_1", 3, "other text", True, None), [], [VOTE], []),
        (ROW, [], [("act_1", 0, "bo", "approve")], []),
        (ROW, [], [], []),
    ],
)
def test_any_other_cell_makes_another_record(cells: tuple[Any, ...]) -> None:
    opened = Opened()
    first = made(opened, (ROW, [], [VOTE], []))
    second = made(opened, cells)
    assert second is not first
    assert made(opened, cells) is second


def test_what_cannot_be_read_is_not_kept() -> None:
    opened = Opened()
    before = made(opened, (ROW, [], [], []))

    def damaged() -> ActionRecord:
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        opened.of("act_1", (("act_1", 9), [], [], []), damaged)
    assert made(opened, (ROW, [], [], [])) is not before


def test_it_stays_small() -> None:
    opened = Opened(most=2)
    first = made(opened, (ROW, [], [], []))
    large = (("act_2", "x" * (LARGEST + 1)), [], [], [])
    assert made(opened, large, "act_2") is not made(opened, large, "act_2")
    assert made(opened, (ROW, [], [], [])) is first
    for number in (3, 4):
        made(opened, (ROW, [], [], []), f"act_{number}")
    assert made(opened, (ROW, [], [], [])) is not first
