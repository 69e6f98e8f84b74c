"""Keeps pinned Slack identities; a pin is never changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, select

from gate.store.bound import Bound
from gate.store.questions import Question
from gate.store.tables import pins
from gate.usecases.ports import Pin


class SqlPins:
    """Implements `ports.Pins`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def by_person(self, person_id: str) -> Pin | None:
        found = await self._bound.ask(_BY_PERSON, person=person_id)
        return _pin(found[0]) if found else None

    async def by_user(self, team_id: str, user_id: str) -> Pin | None:
        found = await self._bound.ask(_BY_USER, team_id=team_id, user_id=user_id)
        return _pin(found[0]) if found else None

    async def all(self) -> tuple[Pin, ...]:
        rows = await self._bound.rows(select(pins).order_by(pins.c.person))
        return tuple(pin for row in rows if (pin := _pin(row)) is not None)

    async def add(self, pin: Pin) -> bool:
        """False where the person or the Slack user is pinned already, whoever to."""
        return await self._bound.put_new(
            pins,
            {
                "person": pin.person,
                "team_id": pin.team_id,
                "user_id": pin.user_id,
                "pinned_at": pin.pinned_at,
            },
        )


_BY_USER = Question(
    select(pins).where(pins.c.team_id == bindparam("team_id"), pins.c.user_id == bindparam("user_id"))
)
_BY_PERSON = Question(select(pins).where(pins.c.person == bindparam("person")))


def _pin(row: Row[Any] | None) -> Pin | None:
    if row is None:
        return None
    return Pin(person=row.person, team_id=row.team_id, user_id=row.user_id, pinned_at=row.pinned_at)
