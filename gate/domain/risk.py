"""Risk levels and their order; what counts as risky is the policy's business."""

from __future__ import annotations

from enum import Enum


class Risk(Enum):
    """How much harm an action can do; comparable, `LOW < MEDIUM < HIGH < CRITICAL`."""

    LOW = "low"
    """Easily undone, nobody outside notices."""
    MEDIUM = "medium"
    """Visible to others or tedious to undo; also what an action without a stated risk is taken for."""
    HIGH = "high"
    """Hard to undo or costly; no timer ever approves it."""
    CRITICAL = "critical"
    """Irreversible or with a wide blast radius; two different people decide."""

    @property
    def rank(self) -> int:
        """0 for low up to 3 for critical."""
        return _RANK[self]

    def __lt__(self, other: Risk) -> bool:
        return self.rank < other.rank

    def __le__(self, other: Risk) -> bool:
        return self.rank <= other.rank

    def __gt__(self, other: Risk) -> bool:
        return self.rank > other.rank

    def __ge__(self, other: Risk) -> bool:
        return self.rank >= other.rank


_RANK = {Risk.LOW: 0, Risk.MEDIUM: 1, Risk.HIGH: 2, Risk.CRITICAL: 3}


def higher(*levels: Risk | None) -> Risk | None:
    """The highest of the levels given; None where none is known."""
    known = [level for level in levels if level is not None]
    return max(known, key=lambda level: level.rank) if known else None
