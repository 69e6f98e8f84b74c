"""What was read lately, by the very row that it was made of: an action that is being decided is read many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from gate.domain.request import ActionRecord

MOST = 256
LARGEST = 16 * 1024
"""Characters of a row that is kept: most have a tenth of it, and a few large ones must not fill the memory."""


class Opened:
    """Records with the rows they were made of. Whatever is changed in a row, by whomever, makes it another one: only
    equal cells give the record of before. What hangs on an action (votes, versions, reassignments) is not compared: the
    gate adds to it or seals it anew only together with the row."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[Sequence[Any], ActionRecord]] = OrderedDict()

    def find(self, row: Sequence[Any], action_id: str) -> ActionRecord | None:
        """The record that was made of an equal row; None where there is none."""
        known = self._kept.get(action_id)
        return known[1] if known is not None and known[0] == row else None

    def keep(self, row: Sequence[Any], record: ActionRecord) -> None:
        """Remember what a row has become, in place of what its action was before."""
        self._kept.pop(record.id, None)
        if sum(len(cell) for cell in row if isinstance(cell, str)) <= LARGEST:
            self._kept[record.id] = row, record
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
