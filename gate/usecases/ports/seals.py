"""Under which keys stored actions are sealed, and how one loses its content; what sealing is, the store knows."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from gate.domain.request import ActionRecord


class Seals(Protocol):
    """Brings actions under the current key, and takes what they hold."""

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

    async def of_subject(self, subject: str) -> tuple[str, ...]:
        """The ids of all actions that hold data of this subject and are not shredded, the oldest first."""
        ...

    async def shred(self, record: ActionRecord, *, at: datetime, by: str) -> bool:
        """Destroy what the action holds, for good; False, no row moved, means that somebody else changed it."""
        ...
