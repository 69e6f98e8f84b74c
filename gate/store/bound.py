"""One open transaction as the aggregates see it: a connection, and what differs between the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Executable, Row, Select, Table, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

S = TypeVar("S", bound=Select)

ANY = "*"
"""In a glob: one or more characters, whatever they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """A connection inside a transaction."""

    connection: AsyncConnection
    postgres: bool
    writable: bool

    async def rows(self, statement: Executable) -> Sequence[Row[Any]]:
        return (await self.connection.execute(statement)).all()

    async def row(self, statement: Executable) -> Row[Any] | None:
        """The first row, None where there is none."""
        return (await self.connection.execute(statement)).first()

    async def scalar(self, statement: Executable) -> Any:
        """The one value of a statement that always answers with one row."""
        return (await self.connection.execute(statement)).scalar_one()

    async def moved(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> int:
        """How many rows an UPDATE or DELETE changed, over all sets of parameters where several are given."""
        return (await self.connection.execute(statement, parameters)).rowcount

    async def put(self, table: Table, *rows: Mapping[str, Any]) -> None:
        """Insert rows; a conflict is an error."""
        if len(rows) == 1:
            await self.connection.execute(insert(table).inline(), rows[0])
        elif rows:
            await self.connection.execute(insert(table).inline(), list(rows))

    async def put_new(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Insert a row unless it conflicts with a stored one; False where it did. Waits for a concurrent twin."""
        statement = self._insert(table).values(row).on_conflict_do_nothing()
        # SQLAlchemy keeps the count of an INSERT only where it is told to.
        result = await self.connection.execute(statement, execution_options={"preserve_rowcount": True})
        return result.rowcount == 1

    async def put_over(self, table: Table, *rows: Mapping[str, Any]) -> None:
        """Insert rows of the same columns; each replaces the one with the same primary key."""
        if not rows:
            return
        key = [column.name for column in table.primary_key]
        statement = self._insert(table)
        changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
        over = statement.on_conflict_do_update(index_elements=key, set_=changed).inline()
        await self.connection.execute(over, rows[0] if len(rows) == 1 else list(rows))

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        return postgresql.insert(table) if self.postgres else sqlite.insert(table)

    def claiming(self, statement: S) -> S:
        """Lock the rows selected, passing over those another replica holds; SQLite has one writer anyway."""
        return statement.with_for_update(skip_locked=True) if self.postgres and self.writable else statement

    def holding(self, statement: S) -> S:
        """Lock the rows selected once whoever holds them has let go; SQLite has one writer anyway."""
        return statement.with_for_update() if self.postgres and self.writable else statement

    def matches(self, column: ColumnElement[Any], glob: str) -> ColumnElement[bool]:
        """Whether a text column matches a glob whose only wildcard is `ANY`; case counts."""
        if ANY not in glob:
            return column == glob
        if self.postgres:
            escaped = glob.replace("!", "!!").replace("%", "!%").replace("_", "!_")
            return column.like(escaped.replace(ANY, "_%"), escape="!")
        # SQLite's LIKE ignores case; its GLOB does not.
        return column.op("GLOB")(glob.replace("[", "[[]").replace("?", "[?]").replace(ANY, "?*"))
