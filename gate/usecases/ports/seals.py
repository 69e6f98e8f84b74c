"""Under which keys stored actions are sealed; what sealing is, the store knows."""

from __future__ import annotations

from typing import Protocol


class Seals(Protocol):
    """Brings actions under the current key."""

    async def empty(self) -> bool:
        """Whether no action was ever stored."""
        ...

    async def stale(self, *, after: str, limit: int) -> tuple[str, ...]:
        """Ids, in order, of actions that are plain or sealed under an older key."""
        ...

    async def left(self) -> int:
        """How many of them there are."""
        ...

    async def renew(self, action_id: str) -> bool:
        """Seal it where it is plain, else wrap its key anew; False, no row moved, means somebody else changed it."""
        ...
