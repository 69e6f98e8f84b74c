"""Takes old stretches of the record out of the database: what is there of each, what still needs it, and its removal.

A stretch goes only where `prunings` names it. On SQLite the trigger that keeps rows looks there; on PostgreSQL its
partition is detached and dropped. Leaves stay, so every proof does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Row, delete, exists, literal, select, union_all

from gate.domain.months import begins, block_of
from gate.domain.request import GrantState, Status
from gate.store.bound import Bound
from gate.store.months import PATIENCE, partition_of
from gate.store.tables import (
    actions,
    audit,
    cards,
    deadlines,
    digests,
    grants,
    leaves,
    metadata,
    outbox,
    prunings,
)
from gate.usecases.ports import AloneOnly, Pruning, StoredRow, Stretch

_OF_ACTIONS = tuple(
    table for table in reversed(metadata.sorted_tables) if "action_id" in table.c and table is not audit
)
"""Every table with rows of actions, those that refer to others first."""


class SqlRetention:
    """Implements `ports.Retention`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def stretches(self) -> tuple[Stretch, ...]:
        """One look at an index for each."""
        found: list[Stretch] = []
        start = 0
        while (row := await self._oldest(start)) is not None:
            month = block_of(row.seq)
            start, end = begins(month), begins(month + 1)
            mine = select(leaves.c.position).where(leaves.c.record >= start, leaves.c.record < end)
            first = await self._bound.row(mine.order_by(leaves.c.record).limit(1))
            last = await self._bound.row(mine.order_by(leaves.c.record.desc()).limit(1))
            newest = select(audit.c.at).where(audit.c.seq < end).order_by(audit.c.seq.desc()).limit(1)
            found.append(
                Stretch(
                    month=month,
                    first=None if first is None else first.position,
                    last=None if last is None else last.position,
                    newest=await self._bound.scalar(newest),
                )
            )
            start = end
        return tuple(found)

    async def _oldest(self, start: int) -> Row[tuple[int]] | None:
        return await self._bound.row(
            select(audit.c.seq).where(audit.c.seq >= start).order_by(audit.c.seq).limit(1)
        )

    async def rows(self, month: int, *, after: int, limit: int) -> tuple[StoredRow, ...]:
        mine = (
            select(audit.c.seq, audit.c.action_id, audit.c.at, leaves.c.position)
            .outerjoin(leaves, leaves.c.record == audit.c.seq)
            .where(audit.c.seq > max(after, begins(month) - 1), audit.c.seq < begins(month + 1))
            .order_by(audit.c.seq)
            .limit(limit)
        )
        return tuple(
            StoredRow(number=row.seq, action=row.action_id, at=row.at, leaf=row.position)
            for row in await self._bound.rows(mine)
        )

    async def needed(self, ids: Collection[str], *, now: datetime) -> Mapping[str, str]:
        live = (grants.c.state == GrantState.ISSUED.value) & (grants.c.expires_at > now)
        asked = union_all(
            select(actions.c.id, literal("waits for people").label("why")).where(
                actions.c.id.in_(ids), actions.c.status == Status.PENDING.value
            ),
            select(deadlines.c.action_id, literal("has a deadline")).where(deadlines.c.action_id.in_(ids)),
            select(grants.c.action_id, literal("has a grant that may be used")).where(
                grants.c.action_id.in_(ids), live
            ),
            select(outbox.c.action_id, literal("has messages to deliver")).where(
                outbox.c.action_id.in_(ids), outbox.c.dead.is_(False)
            ),
        )
        return {row.id: row.why for row in await self._bound.rows(asked)}

    async def prunings(self) -> tuple[Pruning, ...]:
        rows = await self._bound.rows(select(prunings).order_by(prunings.c.below))
        return tuple(
            Pruning(
                month=block_of(row.below) - 1,
                first=row.first,
                last=row.last,
                oldest=row.oldest,
                newest=row.newest,
                bundle=row.bundle,
                bundle_sha256=row.bundle_sha256,
                leaf=row.leaf,
                by=row.by,
                at=row.at,
            )
            for row in rows
        )

    async def announce(self, pruning: Pruning) -> bool:
        if await self._announced(pruning.month):
            return False
        return await self._bound.put_new(
            prunings,
            {
                "below": begins(pruning.month + 1),
                "first": pruning.first,
                "last": pruning.last,
                "oldest": pruning.oldest,
                "newest": pruning.newest,
                "bundle": pruning.bundle,
                "bundle_sha256": pruning.bundle_sha256,
                "leaf": pruning.leaf,
                "by": pruning.by,
                "at": pruning.at,
            },
        )

    async def forget(self, ids: Collection[str], *, month: int) -> int:
        later = exists(
            select(audit.c.seq).where(audit.c.action_id == actions.c.id, audit.c.seq >= begins(month + 1))
        )
        over = select(actions.c.id).where(actions.c.id.in_(ids), ~later).order_by(actions.c.id)
        gone = [row.id for row in await self._bound.rows(self._bound.holding(over))]
        if gone:
            shared = select(cards.c.digest).where(cards.c.action_id.in_(gone), cards.c.digest.is_not(None))
            messages = [row.digest for row in await self._bound.rows(shared.distinct())]
            for table in _OF_ACTIONS:
                await self._bound.moved(delete(table).where(table.c.action_id.in_(gone)))
            if messages:
                left = exists(select(cards.c.action_id).where(cards.c.digest == digests.c.id))
                await self._bound.moved(delete(digests).where(digests.c.id.in_(messages), ~left))
            await self._bound.moved(delete(actions).where(actions.c.id.in_(gone)))
        return len(gone)

    async def take_out(self, month: int, *, limit: int) -> int:
        if not await self._announced(month):
            raise ValueError("no pruning names these rows")
        if self._bound.postgres:
            return await self._drop(month)
        below = audit.c.seq < begins(month + 1)
        oldest = select(audit.c.seq).where(below).order_by(audit.c.seq).limit(limit)
        return await self._bound.moved(delete(audit).where(audit.c.seq.in_(oldest)))

    async def _announced(self, month: int) -> bool:
        names = select(prunings.c.below).where(prunings.c.below == begins(month + 1))
        return await self._bound.row(names) is not None

    async def _drop(self, month: int) -> int:
        if not self._bound.alone:
            raise AloneOnly
        name = partition_of(month)
        run = self._bound.connection.exec_driver_sql
        if (await run("SELECT to_regclass(%s)", (name,))).scalar_one() is None:
            return 0
        for statement in (PATIENCE, f"ALTER TABLE audit DETACH PARTITION {name}", f"DROP TABLE {name}"):
            await run(statement)
        return 1
