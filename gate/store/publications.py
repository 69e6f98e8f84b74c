"""Keeps how far each place outside the database got with checkpoints, and the stamps of authorities."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, or_, select, update

from gate.store.bound import Bound
from gate.store.tables import checkpoints, publications, stamps
from gate.usecases.ports import Publication, Stamp

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class SqlPublications:
    """Implements `ports.Publications`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def last(self, place: str) -> Publication | None:
        row = await self._bound.row(select(publications).where(publications.c.place == place))
        if row is None:
            return None
        return Publication(place=row.place, size=row.size, at=row.at, not_before=row.not_before)

    async def claim(self, place: str, *, now: datetime, until: datetime) -> bool:
        """Of two replicas at once the second waits for the first, and finds the place taken."""
        row = {"place": place, "size": 0, "at": _NEVER, "not_before": until}
        if await self._bound.put_new(publications, row):
            return True
        free = or_(publications.c.not_before.is_(None), publications.c.not_before <= now)
        taken = update(publications).where(publications.c.place == place, free).values(not_before=until)
        return await self._bound.moved(taken) == 1

    async def done(self, place: str, *, size: int, at: datetime) -> None:
        """Whoever comes late with an older one changes nothing."""
        mine = update(publications).where(publications.c.place == place, publications.c.size < size)
        await self._bound.moved(mine.values(size=size, at=at, not_before=None))

    async def postpone(self, place: str, *, until: datetime) -> None:
        mine = update(publications).where(publications.c.place == place)
        await self._bound.moved(mine.values(not_before=until))

    async def stamp(self, size: int, answer: bytes, *, at: datetime) -> None:
        await self._bound.put_new(stamps, {"size": size, "answer": answer, "at": at})

    async def stamps(self, *, at_most: int) -> tuple[Stamp, ...]:
        count = await self._bound.scalar(select(func.count()).select_from(stamps))
        number = func.row_number().over(order_by=stamps.c.size.desc()).label("number")
        numbered = (
            select(stamps.c.size, stamps.c.answer, checkpoints.c.note, number)
            .join(checkpoints, checkpoints.c.size == stamps.c.size)
            .subquery()
        )
        every = -(-count // at_most) or 1
        chosen = select(numbered).where((numbered.c.number - 1) % every == 0).order_by(numbered.c.size)
        rows = await self._bound.rows(chosen)
        return tuple(Stamp(size=row.size, answer=bytes(row.answer), note=row.note) for row in rows)
