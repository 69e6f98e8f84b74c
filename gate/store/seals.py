"""Brings stored actions under the current sealing key: seals what is plain, and wraps the keys of the sealed anew. Also
finds those of one data subject, and destroys what they hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, exists, func, or_, select, update

from gate.domain.request import ActionRecord
from gate.domain.shredding import emptied
from gate.store.actions import SqlActions
from gate.store.bound import Bound
from gate.store.rows import (
    changing_columns,
    fixed_columns,
    reassignment_row,
    version_row,
    vote_row,
)
from gate.store.sealing import Seal, Sealer
from gate.store.tables import actions, reassignments, subjects, versions, votes


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
        marked = await self._bound.row(select(subjects.c.mark).where(subjects.c.action_id == action_id))
        record = await self._actions.get(action_id) if marked is not None or row.data_key is None else None
        if row.data_key is None:
            moved = record is not None and await self._write(
                record, self._sealer.new(action_id), data_key=None, more={}
            )
        else:
            wrapped = self._sealer.rewrapped(action_id, row.data_key)
            same = update(actions).where(actions.c.id == action_id, actions.c.data_key == row.data_key)
            moved = await self._bound.moved(same.values(data_key=wrapped)) == 1
        if moved and marked is not None and record is not None:
            await self._unmark(action_id)
            await self._bound.put(subjects, *self._actions.marks_of(action_id, record.verdict.subjects or ()))
        return moved

    async def of_subject(self, subject: str) -> tuple[str, ...]:
        marked = subjects.c.mark.in_(self._sealer.marks(subject))
        found = select(subjects.c.action_id).where(marked).distinct().order_by(subjects.c.action_id)
        return tuple(row.action_id for row in await self._bound.rows(found))

    async def shred(self, record: ActionRecord, *, at: datetime, by: str) -> bool:
        """The row gets a new key and nothing to open with it; the key that opened its content is nowhere any more, so a
        copy of the content that is left on a disk or in a log stays closed."""
        await self._actions.alone(record.id)
        row = await self._bound.row(select(actions.c.data_key).where(actions.c.id == record.id))
        if row is None:
            return False
        seal = self._sealer.new(record.id)
        more = {"shredded_at": at, "shredded_by": by, "twin": None}
        if not await self._write(emptied(record), seal, data_key=row.data_key, more=more):
            return False
        await self._unmark(record.id)
        return True

    async def _unmark(self, action_id: str) -> None:
        await self._bound.moved(delete(subjects).where(subjects.c.action_id == action_id))

    async def _write(
        self, record: ActionRecord, seal: Seal, *, data_key: str | None, more: dict[str, Any]
    ) -> bool:
        """The whole action anew under this seal; False where it is of another revision or key by now."""
        whole = fixed_columns(record, seal) | changing_columns(record, None, seal) | more
        del whole["id"]
        same = (actions.c.revision == record.revision) & actions.c.data_key.is_not_distinct_from(data_key)
        changed = update(actions).where(actions.c.id == record.id, same).values(whole)
        if await self._bound.moved(changed) != 1:
            return False
        for version in record.versions:
            row = version_row(record.id, version, seal)
            mine = (versions.c.action_id == record.id) & (versions.c.number == version.number)
            changed = update(versions).where(mine).values(payload=row["payload"], comment=row["comment"])
            await self._bound.moved(changed)
        for seq, vote in enumerate(record.votes):
            mine = (votes.c.action_id == record.id) & (votes.c.seq == seq)
            comment = vote_row(record.id, seq, vote, seal)["comment"]
            await self._bound.moved(update(votes).where(mine).values(comment=comment))
        for seq, handed_on in enumerate(record.reassignments):
            mine = (reassignments.c.action_id == record.id) & (reassignments.c.seq == seq)
            reason = reassignment_row(record.id, seq, handed_on, seal)["reason"]
            await self._bound.moved(update(reassignments).where(mine).values(reason=reason))
        return True
