"""Keeps who was asked for what, and counts by person what waits for them; whom to ask next is the domain's choice.

A row is `open` exactly while its action is pending: a vote that does not decide leaves it open, since the request
still takes its place in that person's list of what they know about, and no count has to look at votes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, select, union_all

from gate.domain.request import ActionRecord, Choice, Status
from gate.domain.routing import Load
from gate.store.bound import Bound
from gate.store.tables import OPEN, actions, asks, votes
from gate.usecases.ports import AloneOnly

Moves = Sequence[tuple[ActionRecord | None, ActionRecord]]

AT_ONCE = 100
"""People looked up in one statement."""

_APPROVING = 0x5167_A990
_CHOOSING = 0x5167_C057
"""Advisory locks of ours: approvals of one person one at a time, and choices by load one at a time, or two at once
would count the same and both find room."""


async def keep_in_step(bound: Bound, moves: Moves, now: datetime) -> None:
    """Rows for everybody asked anew, and none left open for what is decided."""
    new: list[dict[str, Any]] = []
    ended: list[str] = []
    for before, record in moves:
        pending = record.status is Status.PENDING
        known = frozenset[str]() if before is None else frozenset(before.asked)
        if before is None or record.asked is not before.asked:
            at = record.created_at if before is None else now
            new += (
                {"action_id": record.id, "person": person, "at": at, "open": pending}
                for person in dict.fromkeys(record.asked)
                if person not in known
            )
        if before is not None and before.asked and before.status is Status.PENDING and not pending:
            ended.append(record.id)
    await bound.put(asks, *new)
    await bound.change_all(asks, [{"action_id": each, "open": True} for each in ended], {"open": False})


class SqlAsks:
    """Implements `ports.Asks`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def loads(self, people: Sequence[str], *, cap: int) -> Mapping[str, Load]:
        found: dict[str, Load] = {}
        for some in _portions(people):
            statement = union_all(
                *(
                    select(
                        literal(person).label("person"),
                        select(func.count())
                        .select_from(
                            select(literal(1)).where(asks.c.person == person, OPEN).limit(cap).subquery()
                        )
                        .scalar_subquery()
                        .label("open"),
                        select(func.max(asks.c.at))
                        .where(asks.c.person == person)
                        .scalar_subquery()
                        .label("at"),
                    )
                    for person in some
                )
            )
            rows = await self._bound.rows(statement)
            found |= {row.person: Load(open=row.open, asked_at=row.at) for row in rows}
        return found

    async def approvals_of(self, people: Sequence[str], *, limit: int) -> Mapping[str, tuple[datetime, ...]]:
        found: dict[str, list[datetime]] = {person: [] for person in people}
        for some in _portions(people):
            newest = (
                select(votes.c.person, votes.c.at)
                .where(votes.c.person == person, votes.c.choice == Choice.APPROVE.value)
                .order_by(votes.c.at.desc())
                .limit(limit)
                .subquery()
                for person in some
            )
            statement = union_all(*(select(each.c.person, each.c.at) for each in newest))
            for row in await self._bound.rows(statement):
                found[row.person].append(row.at)
        return {person: tuple(sorted(times, reverse=True)) for person, times in found.items()}

    async def waiting_for(self, person: str, *, limit: int) -> tuple[str, ...]:
        statement = select(asks.c.action_id).where(asks.c.person == person, OPEN).limit(limit)
        return tuple(row.action_id for row in await self._bound.rows(statement))

    async def voted_for(self, delegate: str, grantor: str, *, limit: int) -> tuple[str, ...]:
        statement = (
            select(votes.c.action_id)
            .select_from(votes.join(actions, actions.c.id == votes.c.action_id))
            .where(
                votes.c.person == delegate,
                votes.c.on_behalf_of == grantor,
                actions.c.status == Status.PENDING.value,
            )
            .order_by(votes.c.at.desc())
            .limit(limit)
        )
        return tuple(dict.fromkeys(row.action_id for row in await self._bound.rows(statement)))

    async def alone(self, person: str) -> None:
        """On SQLite a writer is alone anyway."""
        if self._bound.postgres and self._bound.writable:
            await self._bound.rows(select(func.pg_advisory_xact_lock(_APPROVING, func.hashtext(person))))

    async def choosing(self) -> None:
        """`AloneOnly` together with others; on SQLite a writer of its own is alone anyway."""
        if not self._bound.alone:
            raise AloneOnly
        if self._bound.postgres and self._bound.writable:
            await self._bound.rows(select(func.pg_advisory_xact_lock(_CHOOSING)))


def _portions(people: Sequence[str]) -> list[Sequence[str]]:
    each = tuple(dict.fromkeys(people))
    return [each[start : start + AT_ONCE] for start in range(0, len(each), AT_ONCE)]
