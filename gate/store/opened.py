"""What was read lately, by the very cells that it was made of: an action that is being decided is read many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from gate.domain.request import ActionRecord

MOST = 256
LARGEST = 16 * 1024
"""Characters of a row that is kept: most have a tenth of it, and a few large ones must not fill the memory."""


class Opened:
    """Records with the rows they were made of. Whatever is changed in a row, by whomever, makes it another one: only
    equal cells give the record of before."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[Sequence[Any], ActionRecord]] = OrderedDict()

    def of(self, action_id: str, cells: Sequence[Any], make: Callable[[], ActionRecord]) -> ActionRecord:
        """The record of these cells: the row of the action, then what hangs on it."""
        known = self._kept.get(action_id)
        if known is not None and known[0] == cells:
            return known[1]
        self._kept.pop(action_id, None)
        record = make()
        if sum(len(cell) for cell in cells[0] if isinstance(cell, str)) <= LARGEST:
            self._kept[action_id] = cells, record
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return record
