"""Prepares for months of the record and begins them; which numbers a month has, `domain.months` knows.

A month begins when the counter of rows is moved on to its block. On PostgreSQL no row is being written at that moment,
so every row of the month before is numbered in the tree before any of the new one: each month is a stretch of leaves.
"""

from __future__ import annotations

from collections.abc import Iterable

from gate.domain.months import begins, block_of, label
from gate.store.bound import Bound
from gate.store.tables import REST, keeps_table
from gate.usecases.ports import AloneOnly

PATIENCE = "SET LOCAL lock_timeout = '200ms'"
"""Whoever writes waits behind a lock that is waited for, and for less long than that is given up."""
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(6817420611)"
_PARTITIONS = (
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'audit'::regclass"
)


def partition_of(block: int) -> str:
    """The name of a block's partition."""
    return f"audit_{label(block).replace('-', '_')}"


class SqlMonths:
    """Implements `ports.Months`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def unprepared(self, months: Iterable[int]) -> tuple[int, ...]:
        if not self._bound.postgres:
            return ()
        there = await self._partitions()
        return tuple(month for month in months if partition_of(month) not in there)

    async def prepare(self, month: int) -> None:
        """The table is made by itself and then attached: no reader or writer of other partitions waits for that."""
        if not self._bound.postgres:
            return
        await self._alone(_ONE_AT_A_TIME, PATIENCE)
        if not await self.unprepared([month]):
            return
        name = partition_of(month)
        await self._alone(
            f"CREATE TABLE {name} (LIKE audit)",
            f"ALTER TABLE audit ATTACH PARTITION {name} FOR VALUES FROM ({begins(month)}) TO ({begins(month + 1)})",
            keeps_table(name),
        )

    async def current(self) -> int:
        if self._bound.postgres:
            return block_of(await self._number("SELECT last_value FROM audit_seq_seq"))
        return block_of(
            await self._number("SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0)")
        )

    async def begin(self, month: int) -> bool:
        if await self.current() >= month:
            return False
        if not self._bound.postgres:
            # The counter's last number, so that the next one is the block's second.
            moved = f"UPDATE sqlite_sequence SET seq = {begins(month)} WHERE name = 'audit'"  # noqa: S608
            made = f"INSERT INTO sqlite_sequence (name, seq) VALUES ('audit', {begins(month)})"  # noqa: S608
            if (await self._bound.connection.exec_driver_sql(moved)).rowcount != 1:
                await self._alone(made)
            return True
        await self._alone(_ONE_AT_A_TIME)
        if await self.unprepared([month]):
            return False
        await self._alone(PATIENCE, "LOCK TABLE ONLY audit IN SHARE ROW EXCLUSIVE MODE")
        if await self.current() >= month:  # another replica was quicker
            return False
        await self._alone(f"SELECT setval('audit_seq_seq', {begins(month)}, false)")
        return True

    async def astray(self) -> bool:
        if not self._bound.postgres or REST not in await self._partitions():
            return False
        return bool(await self._number(f"SELECT EXISTS (SELECT 1 FROM {REST})::int"))  # noqa: S608

    async def _partitions(self) -> frozenset[str]:
        return frozenset((await self._bound.connection.exec_driver_sql(_PARTITIONS)).scalars())

    async def _number(self, statement: str) -> int:
        return (await self._bound.connection.exec_driver_sql(statement)).scalar_one()

    async def _alone(self, *statements: str) -> None:
        if not self._bound.alone:
            raise AloneOnly
        for statement in statements:
            await self._bound.connection.exec_driver_sql(statement)
