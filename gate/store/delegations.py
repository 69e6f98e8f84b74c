"""Keeps delegations; one is never changed but for its end before its time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, select, update

from gate.domain.delegation import Delegation
from gate.store.bound import Bound
from gate.store.codec import NAMES
from gate.store.columns import Instant
from gate.store.questions import Question
from gate.store.tables import delegations

_GRANTING = 0x5167_DE1E
"""An advisory lock of ours: delegations are granted one at a time, or two at once could close a circle."""

_ORDERED = select(delegations).order_by(delegations.c.created_at, delegations.c.id)


class SqlDelegations:
    """Implements `ports.Delegations`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

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
        """Held rows are locked for sharing (PostgreSQL); SQLite has one writer anyway."""
        if hold and self._bound.locks:
            return await self._read(
                _ORDERED.where(_open(now), delegations.c.start <= now).with_for_update(read=True)
            )
        lent = tuple(map(_delegation, await self._bound.ask(_IN_FORCE, now=now)))
        if hold:
            for each in lent:
                self._bound.rest_on(delegations, {"id": each.id, "revoked_at": None})
        return lent

    async def open(self, now: datetime) -> tuple[Delegation, ...]:
        return await self._read(_ORDERED.where(_open(now)))

    async def _read(self, statement: Select[Any]) -> tuple[Delegation, ...]:
        return tuple(_delegation(row) for row in await self._bound.rows(statement))


def _open(now: Any) -> Any:
    return delegations.c.revoked_at.is_(None) & (delegations.c.end > now)


_NOW = bindparam("now", type_=Instant)
_IN_FORCE = Question(_ORDERED.where(_open(_NOW), delegations.c.start <= _NOW))


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
