"""Keeps delegations; one is never changed but for its end before its time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Row, Select, bindparam, func, literal, select, update

from gate.domain.delegation import Delegation
from gate.store.bound import Bound
from gate.store.codec import NAMES
from gate.store.columns import Instant
from gate.store.questions import Question
from gate.store.tables import delegations

_GRANTING = 0x5167_DE1E
"""An advisory lock of ours: delegations are granted one at a time, or two at once could close a circle."""

_ORDERED = select(delegations).order_by(delegations.c.created_at, delegations.c.id)


FEW = 8
"""Delegations that are presumed to stand; where there are more they are asked for."""


class Lent:
    """The delegations that stood when they were last looked at, and when that was: not revoked, and not over."""

    def __init__(self) -> None:
        self.since: datetime | None = None
        self.standing: tuple[Delegation, ...] = ()

    def keep(self, since: datetime, standing: tuple[Delegation, ...]) -> None:
        self.since, self.standing = since, standing


class SqlDelegations:
    """Implements `ports.Delegations`."""

    def __init__(self, bound: Bound, lent: Lent) -> None:
        self._bound = bound
        self._lent = lent

    async def alone(self) -> None:
        """On SQLite a writer is alone anyway."""
        if self._bound.locks:
            await self._bound.rows(select(func.pg_advisory_xact_lock(_GRANTING)))

    async def add(self, delegation: Delegation) -> None:
        await self._bound.put(
            delegations,
            {
                "id": delegation.id,
                "grantor": delegation.grantor,
                "delegate": delegation.delegate,
                "topics": NAMES.dumps(delegation.topics),
                "groups": NAMES.dumps(delegation.groups),
                "start": delegation.start,
                "end": delegation.end,
                "reason": delegation.reason,
                "created_at": delegation.created_at,
                "revoked_at": delegation.revoked_at,
                "revoked_by": delegation.revoked_by,
            },
        )

    async def get(self, delegation_id: str) -> Delegation | None:
        row = await self._bound.row(select(delegations).where(delegations.c.id == delegation_id))
        return None if row is None else _delegation(row)

    async def revoke(self, delegation_id: str, *, at: datetime, by: str) -> bool:
        change = (
            update(delegations)
            .where(delegations.c.id == delegation_id, delegations.c.revoked_at.is_(None))
            .values(revoked_at=at, revoked_by=by)
        )
        return await self._bound.moved(change) == 1

    async def in_force(self, now: datetime, *, hold: bool = False) -> tuple[Delegation, ...]:
        """Held rows are locked for sharing (PostgreSQL); SQLite has one writer anyway. Who presumes takes for
        granted those that stood at the last look, which the commit looks at once for all."""
        if hold and self._bound.locks:
            return await self._read(
                _ORDERED.where(_open(now), delegations.c.start <= now).with_for_update(read=True)
            )
        if not self._presumed(now):
            self._lent.keep(now, tuple(map(_delegation, await self._bound.ask(_STANDING, now=now))))
        lent = tuple(each for each in self._lent.standing if each.start <= now < each.end)
        if hold:
            for each in lent:
                self._bound.rest_on(delegations, {"id": each.id, "revoked_at": None})
        return lent

    def _presumed(self, now: datetime) -> bool:
        """None is ever changed but by being revoked: so many as then, each of them still, are the same."""
        since, standing = self._lent.since, self._lent.standing
        if since is None or now < since or len(standing) > FEW or not self._bound.presuming:
            return False
        self._bound.presume(_AS_MANY, since=since, many=len(standing))
        for each in standing:
            self._bound.presume(_UNREVOKED, id=each.id)
        return True

    async def open(self, now: datetime) -> tuple[Delegation, ...]:
        return await self._read(_ORDERED.where(_open(now)))

    async def _read(self, statement: Select[Any]) -> tuple[Delegation, ...]:
        return tuple(_delegation(row) for row in await self._bound.rows(statement))


def _open(now: Any) -> Any:
    return delegations.c.revoked_at.is_(None) & (delegations.c.end > now)


_STANDING = Question(_ORDERED.where(_open(bindparam("now", type_=Instant))))
_AS_MANY = Question(
    select(literal(1)).where(
        select(func.count())
        .select_from(delegations)
        .where(_open(bindparam("since", type_=Instant)))
        .scalar_subquery()
        == bindparam("many", type_=Integer)
    )
)
_UNREVOKED = Question(
    select(delegations.c.id).where(delegations.c.id == bindparam("id"), delegations.c.revoked_at.is_(None))
)


def _delegation(row: Row[Any]) -> Delegation:
    where = f"Delegation {row.id}"
    return Delegation(
        id=row.id,
        grantor=row.grantor,
        delegate=row.delegate,
        topics=NAMES.loads(row.topics, where),
        groups=NAMES.loads(row.groups, where),
        start=row.start,
        end=row.end,
        reason=row.reason,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
    )
