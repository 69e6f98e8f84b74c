"""One open transaction as the aggregates see it: a connection, and what differs between the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Executable, Row, Select, Table, and_, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gate.store import arrays
from gate.store.arrays import array, columns
from gate.store.questions import Absence, Question
from gate.store.raw import array_of, grouped

S = TypeVar("S", bound=Select)

ANY = "*"
"""In a glob: one or more characters, whatever they are."""


class Bound:
    """A connection inside a transaction."""

    def __init__(self, *, connection: AsyncConnection, postgres: bool, writable: bool) -> None:
        self.connection = connection
        self.postgres = postgres
        self.writable = writable

    alone = True
    """Whether this transaction shares its commit with nobody."""
    presuming = False
    """Whether it takes for true what is mostly so, and has that looked at in the commit."""
    beside = 0
    """How many others of the same agent are under way and may be committed before it or with it."""

    @property
    def locks(self) -> bool:
        """Whether rows that are read have to be locked to stay as they are."""
        return self.postgres and self.writable

    async def ask(self, question: Question, **values: Any) -> Sequence[Any]:
        """The rows that answer a question asked so often that it is kept ready."""
        return (await self.connection.execute(question.statement, values)).all()

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

    async def change(self, table: Table, where: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
        """Set columns of the one row that has all the values of `where`, None for NULL. False: no row moved."""
        return await self.moved(update(table).where(having(table, where)).values(dict(values))) == 1

    async def change_all(
        self, table: Table, wheres: Sequence[Mapping[str, Any]], values: Mapping[str, Any]
    ) -> None:
        """Set columns of whatever rows have the values of one of `wheres`."""
        for where in wheres:
            await self.moved(update(table).where(having(table, where)).values(dict(values)))

    async def remove(self, table: Table, column: str, keys: Sequence[Any]) -> None:
        """Delete the rows that have one of these keys."""
        if not keys:
            return
        if self.postgres:
            kind = array_of(table.c[column].type)
            sql = f'DELETE FROM "{table.name}" WHERE "{column}" = ANY(%s::{kind}[])'  # noqa: S608 - names of ours
            await self.connection.exec_driver_sql(sql, (array(kind, keys),))
        else:
            await self.moved(delete(table).where(table.c[column].in_(keys)))

    async def put_unless(
        self, table: Table, column: str, where: Mapping[str, Any], *rows: dict[str, Any]
    ) -> None:
        """Insert those rows of which there is none yet with the same value in this column and the values of `where`.
        One that is there is kept as it is until this transaction ends: whoever claims rows passes it over. One that
        somebody else holds is taken for changed already."""
        if rows:
            keys = [row[column] for row in rows]
            found = select(table.c[column]).where(table.c[column].in_(keys), having(table, where))
            there = {row[0] for row in await self.rows(self.claiming(found))}
            await self.put(table, *(row for row in rows if row[column] not in there))

    def rest_on(self, table: Table, where: Mapping[str, Any]) -> None:
        """Say that this transaction rests on a row that it has read and locked."""

    def presume(self, question: Question, **values: Any) -> bool:
        """Whether it may be taken for true that the question finds a row: then it is asked in the commit."""
        return False

    def demand(self, question: Question, **values: Any) -> None:
        """What was found to be so has to be so in the commit, too. Whoever is alone has seen to that."""

    def presume_none(self, absence: Absence, *values: Any) -> bool:
        """Whether it may be taken for true that there is no such row: then it is looked for in the commit."""
        return False

    async def put(self, table: Table, *rows: dict[str, Any]) -> None:
        """Insert rows; a conflict is an error."""
        if len(rows) == 1:
            await self.connection.execute(insert(table).inline(), rows[0])
        elif rows and self.postgres:
            for how, values in grouped([(table, row) for row in rows], postgres=True).items():
                await self.connection.exec_driver_sql(arrays.insert(how), tuple(columns(how, values)))
        elif rows:
            await self.connection.execute(insert(table).inline(), list(rows))

    async def put_new(self, table: Table, row: dict[str, Any]) -> bool:
        """Insert a row unless it conflicts with a stored one; False where it did. Waits for a concurrent twin."""
        statement = self._insert(table).values(row).on_conflict_do_nothing()
        # SQLAlchemy keeps the count of an INSERT only where it is told to.
        result = await self.connection.execute(statement, execution_options={"preserve_rowcount": True})
        return result.rowcount == 1

    async def put_over(self, table: Table, *rows: dict[str, Any]) -> None:
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
        return statement.with_for_update(skip_locked=True) if self.locks else statement

    def holding(self, statement: S) -> S:
        """Lock the rows selected once whoever holds them has let go; SQLite has one writer anyway."""
        return statement.with_for_update() if self.locks else statement

    def matches(self, column: ColumnElement[Any], glob: str) -> ColumnElement[bool]:
        """Whether a text column matches a glob whose only wildcard is `ANY`; case counts."""
        if ANY not in glob:
            return column == glob
        if self.postgres:
            escaped = glob.replace("!", "!!").replace("%", "!%").replace("_", "!_")
            return column.like(escaped.replace(ANY, "_%"), escape="!")
        # SQLite's LIKE ignores case; its GLOB does not.
        return column.op("GLOB")(glob.replace("[", "[[]").replace("?", "[?]").replace(ANY, "?*"))


def having(table: Table, where: Mapping[str, Any]) -> ColumnElement[bool]:
    """The rows that have all these values, None for NULL. A planner takes a partial index only for the very words
    that are in it, so a boolean is no parameter."""
    return and_(
        *(
            table.c[name].is_(value) if value is None or isinstance(value, bool) else table.c[name] == value
            for name, value in where.items()
        )
    )
