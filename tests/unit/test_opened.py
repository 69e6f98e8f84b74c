"""What was read lately is told by its row: nothing that was changed, by whomever, is answered as of before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from gate.domain.request import ActionRecord
from gate.store.opened import LARGEST, Opened

ROW = ("act_1", 3, "sealed text", True, None)


@dataclass(frozen=True)
class Made:
    id: str


def made(action_id: str = "act_1") -> ActionRecord:
    return cast("ActionRecord", Made(action_id))


def test_an_equal_row_is_read_once() -> None:
    opened = Opened()
    record = made()
    assert opened.find(ROW, "act_1") is None
    opened.keep(ROW, record)
    assert opened.find((*ROW,), "act_1") is record


@pytest.mark.parametrize(
    "row",
    [
        ("act_1", 4, "sealed text", True, None),
        ("act_1", 3, "other text", True, None),
        ("act_1", 3, "sealed text", True, 7),
    ],
)
def test_any_other_cell_makes_another_record(row: tuple[object, ...]) -> None:
    opened = Opened()
    opened.keep(ROW, made())
    assert opened.find(row, "act_1") is None
    after = made()
    opened.keep(row, after)
    assert opened.find(row, "act_1") is after
    assert opened.find(ROW, "act_1") is None


def test_it_stays_small() -> None:
    opened = Opened(most=2)
    opened.keep(ROW, made())
    large = ("act_2", "x" * (LARGEST + 1))
    opened.keep(large, made("act_2"))
    assert opened.find(large, "act_2") is None
    assert opened.find(ROW, "act_1") is not None
    opened.keep(("act_1", "x" * (LARGEST + 1)), made())  # grown too large, and the one before is let go of
    assert opened.find(ROW, "act_1") is None
    for number in range(3, 6):
        opened.keep((f"act_{number}",), made(f"act_{number}"))
    assert opened.find(("act_3",), "act_3") is None
    assert opened.find(("act_5",), "act_5") is not None
