"""What the use-cases need to keep the record in months and to let go of old ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Months(Protocol):
    """The months the record is kept in, each a block of row numbers (`domain.months`)."""

    async def unprepared(self, months: Iterable[int]) -> tuple[int, ...]:
        """Those for which there is no place of their own yet, where the engine needs one."""
        ...

    async def prepare(self, month: int) -> None:
        """Make its place; nothing where it is there. Raises StoreUnavailable where others are in the way."""
        ...

    async def current(self) -> int:
        """The month in which the next record is written, unless another begins first."""
        ...

    async def begin(self, month: int) -> bool:
        """Whatever is written from now on is in this month. False where it, or a later one, has begun, or its place is
        missing. Raises StoreUnavailable where others are in the way."""
        ...

    async def astray(self) -> bool:
        """Whether records are where those go that have no month's place."""
        ...
