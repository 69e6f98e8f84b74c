"""What the use-cases need to keep the record in months and to let go of old ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A month of the record that is there: its first and last leaf (None while nothing of it has a number), and the
    time of its newest record."""

    month: int
    first: int | None
    last: int | None
    newest: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRow:
    """A row of the record without what it says. `leaf` is None while it has no number."""

    number: int
    action: str | None
    at: datetime
    leaf: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruning:
    """A month that was taken out, or is being: its leaves, the times of its records, the file they were exported to
    (its name and digest), the hash of the record that says so, in hex, who did it, and when."""

    month: int
    first: int
    last: int
    oldest: datetime
    newest: datetime
    bundle: str
    bundle_sha256: str
    leaf: str
    by: str
    at: datetime


class Retention(Protocol):
    """Old months of the record, and how they go."""

    async def stretches(self) -> tuple[Stretch, ...]:
        """The months of which rows are there, the oldest first."""
        ...

    async def rows(self, month: int, *, after: int, limit: int) -> tuple[StoredRow, ...]:
        """The rows of a month beyond number `after`, in their order."""
        ...

    async def needed(self, ids: Collection[str], *, now: datetime) -> Mapping[str, str]:
        """Those of the actions that are not over, and in a few words why."""
        ...

    async def prunings(self) -> tuple[Pruning, ...]:
        """What was taken out, the oldest first."""
        ...

    async def announce(self, pruning: Pruning) -> bool:
        """From the commit on its rows may be taken out. False where that is so already."""
        ...

    async def forget(self, ids: Collection[str], *, month: int) -> int:
        """Remove all that is stored of those actions that have no record after this month; how many they were."""
        ...

    async def take_out(self, month: int, *, limit: int) -> int:
        """Remove rows of an announced month, at most so many where they go one by one; 0 where none was left. Raises
        ValueError where it was not announced, StoreUnavailable where others are in the way."""
        ...
