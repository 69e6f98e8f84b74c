"""Brings stored actions under the current sealing key: seals what is plain, and wraps the keys of the sealed anew."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, exists, func, or_, select, update

from gate.store.actions import SqlActions
from gate.store.bound import Bound
from gate.store.rows import (
    changing_columns,
    fixed_columns,
    reassignment_row,
    version_row,
    vote_row,
)
from gate.store.sealing import Sealer
from gate.store.tables import actions, reassignments, versions, votes


class SqlSeals:
    """Implements `ports.Seals`."""

    def __init__(self, bound: Bound, own: SqlActions, sealer: Sealer) -> None:
        self._bound = bound
        self._actions = own
        self._sealer = sealer

    async def empty(self) -> bool:
        return not await self._bound.scalar(select(exists(select(actions.c.id))))

    async def stale(self, *, after: str, limit: int) -> tuple[str, ...]:
        found = self._stale(select(actions.c.id)).where(actions.c.id > after)
        return tuple(row.id for row in await self._bound.rows(found.order_by(actions.c.id).limit(limit)))

    async def left(self) -> int:
        return await self._bound.scalar(self._stale(select(func.count()).select_from(actions)))

    def _stale(self, statement: Select[Any]) -> Select[Any]:
        current = self._sealer.key_id() or ""
        other = or_(actions.c.data_key < f"{current}.", actions.c.data_key >= f"{current}/")
        return statement.where(or_(actions.c.data_key.is_(None), other))

    async def renew(self, action_id: str) -> bool:
        """Whoever has read the action in another transaction finds another key in its row, and reads it again."""
        await self._actions.alone(action_id)
        row = await self._bound.row(select(actions.c.data_key).where(actions.c.id == action_id))
        if row is None:
            return False
        if row.data_key is not None:
            wrapped = self._sealer.rewrapped(action_id, row.data_key)
            moved = update(actions).where(actions.c.id == action_id, actions.c.data_key == row.data_key)
            return await self._bound.moved(moved.values(data_key=wrapped)) == 1
        return await self._seal(action_id)

    async def _seal(self, action_id: str) -> bool:
        record = await self._actions.get(action_id)
        if record is None:
            return False
        seal = self._sealer.new(action_id)
        whole = fixed_columns(record, seal) | changing_columns(record, None, seal)
        del whole["id"]
        plain = actions.c.data_key.is_(None)
        if (
            await self._bound.moved(update(actions).where(actions.c.id == action_id, plain).values(whole))
            != 1
        ):
            return False
        for version in record.versions:
            row = version_row(action_id, version, seal)
            mine = (versions.c.action_id == action_id) & (versions.c.number == version.number)
            changed = update(versions).where(mine).values(payload=row["payload"], comment=row["comment"])
            await self._bound.moved(changed)
        for seq, vote in enumerate(record.votes):
            mine = (votes.c.action_id == action_id) & (votes.c.seq == seq)
            comment = vote_row(action_id, seq, vote, seal)["comment"]
            await self._bound.moved(update(votes).where(mine).values(comment=comment))
        for seq, handed_on in enumerate(record.reassignments):
            mine = (reassignments.c.action_id == action_id) & (reassignments.c.seq == seq)
            reason = reassignment_row(action_id, seq, handed_on, seal)["reason"]
            await self._bound.moved(update(reassignments).where(mine).values(reason=reason))
        return True
