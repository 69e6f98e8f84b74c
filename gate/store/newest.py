"""What this process stored last of each action that people are asked about: the next thing to happen to it is mostly
decided on just that. It may be old by then: another replica may have been quicker."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gate.domain.merkle import leaf_hash
from gate.domain.request import ActionRecord, Grant
from gate.domain.transitions import RELEASING
from gate.usecases.ports import Known

MOST = 1_024
LARGEST = 16 * 1024
"""Characters and values of a proposal that is kept: most have a tenth of it, and few large ones must not fill it."""


@dataclass(slots=True)
class Made:
    """What one transaction has written of each action: its last audit record (kind, canonical bytes), and its grant."""

    last: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)

    def known(self, record: ActionRecord) -> Known:
        """What is known of a record that was stored with that."""
        kind, canonical = self.last.get(record.id, ("", b""))
        return Known(
            record=record,
            leaf=leaf_hash(canonical) if kind in RELEASING else None,
            grant=self.grants.get(record.id) if kind == "grant.issued" else None,
        )


class Newest:
    """What was committed here, by action, the highest revision of each."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[Known, str | None]] = OrderedDict()
        self._twins: dict[tuple[str, str], None] = {}

    def keep_twin(self, agent_id: str, twin: str) -> None:
        """This agent was about to ask people for this."""
        self._twins[agent_id, twin] = None
        if len(self._twins) > self._most:
            del self._twins[next(iter(self._twins))]

    def had_twin(self, agent_id: str, twin: str) -> bool:
        """Whether it was asked for here lately."""
        return (agent_id, twin) in self._twins

    def of(self, action_id: str) -> tuple[Known, str | None] | None:
        """What is known of an action, and the wrapped key of its row."""
        return self._kept.get(action_id)

    def keep(self, record: ActionRecord, made: Made, data_key: str | None) -> None:
        """Remember what was committed; commits may be told of in another order than they were made."""
        if record.plan is None:
            return  # nobody was asked, and most is over by then
        before = self._kept.get(record.id)
        if before is not None and before[0].record.revision >= record.revision:
            return
        self._kept.pop(record.id, None)
        if not _small(record):
            return
        self._kept[record.id] = made.known(record), data_key
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, record: ActionRecord) -> None:
        """This turned out to be old; what has taken its place meanwhile is not."""
        kept = self._kept.get(record.id)
        if kept is not None and kept[0].record.revision <= record.revision:
            del self._kept[record.id]


def _small(record: ActionRecord) -> bool:
    left = LARGEST
    for version in record.versions:
        left = _less(version.payload, left)
    return left > 0


def _less(value: Any, left: int) -> int:
    """What is left of a measure after a JSON value; it is not looked at beyond that."""
    if left <= 0:
        return left
    if isinstance(value, str):
        return left - len(value)
    if isinstance(value, Mapping):
        for name, held in value.items():
            left = _less(held, left - len(name))
    elif isinstance(value, (list, tuple)):
        for held in value:
            left = _less(held, left)
    return left - 1
