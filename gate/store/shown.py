"""Keeps the digest of what Slack shows of each action: of its card, and of the pages each person opened."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import bindparam, or_, select

from gate.store.bound import Bound
from gate.store.questions import Question
from gate.store.tables import shown
from gate.usecases.ports import Shown

EVERYBODY = ""
"""In the place of a person: what all see."""


class SqlSights:
    """Implements `ports.Sights`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def put(self, seen: Shown) -> None:
        row = {
            "action_id": seen.action_id,
            "surface": seen.surface,
            "person": seen.person or EVERYBODY,
            "version": seen.version,
            "sha256": seen.sha256,
            "at": seen.at,
        }
        await self._bound.put_over(shown, row)

    async def of(self, action_id: str, version: int, person: str) -> Mapping[str, str]:
        found = await self._bound.ask(_OF, action_id=action_id, version=version, all=EVERYBODY, one=person)
        return {row.surface: row.sha256 for row in found}


_OF = Question(
    select(shown.c.surface, shown.c.sha256).where(
        shown.c.action_id == bindparam("action_id"),
        shown.c.version == bindparam("version"),
        or_(shown.c.person == bindparam("all"), shown.c.person == bindparam("one")),
    )
)
