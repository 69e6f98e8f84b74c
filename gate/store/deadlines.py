"""Reads the armed deadlines; `actions.py` arms and disarms them with the action they belong to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from gate.store.bound import Bound
from gate.store.questions import Question
from gate.store.tables import deadlines
from gate.usecases.ports import Due


class SqlDeadlines:
    """Implements `ports.Deadlines`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def due(self, now: datetime, *, limit: int) -> tuple[Due, ...]:
        """Reads the index up to `now` only. Inside `writing`, PostgreSQL locks the rows until the transaction ends and
        passes over those that another replica has locked."""
        statement = (
            select(deadlines.c.action_id, deadlines.c.seq, deadlines.c.due_at)
            .where(deadlines.c.due_at <= now)
            .order_by(deadlines.c.due_at, deadlines.c.action_id)
            .limit(limit)
        )
        rows = await self._bound.rows(self._bound.claiming(statement))
        return tuple(Due(action_id=row.action_id, seq=row.seq, due_at=row.due_at) for row in rows)

    async def next_at(self) -> datetime | None:
        ((soonest,),) = await self._bound.ask(_NEXT)
        return soonest


_NEXT = Question(select(func.min(deadlines.c.due_at)))
