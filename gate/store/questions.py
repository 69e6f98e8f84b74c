"""Statements that are asked so often that their text is made once; asking them is the transaction's work."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Dialect, Select, Table
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

SQLITE: Dialect = SQLiteDialect_pysqlite()
POSTGRESQL: Dialect = PGDialect_psycopg(paramstyle="format")


FLOAT8 = 701
"""What PostgreSQL calls the one type whose processors ask for it."""


class Question:
    """A SELECT whose open values are `bindparam`s, each of them named once in `ask`."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self.statement = statement
        self.on: Callable[[bool], Text] = cache(self._on)
        """Its text for PostgreSQL (True) or SQLite."""

    def _on(self, postgres: bool) -> Text:
        return Text(self.statement, POSTGRESQL if postgres else SQLITE)


class Absence:
    """A kind of row that is expected not to be there: some columns equal, and the last at or after a value. `beside`:
    those of them that the index to go by does not have."""

    def __init__(self, table: Table, *columns: str, beside: frozenset[str] = frozenset()) -> None:
        self.table = table
        self.columns = columns
        self.beside = beside
        self.on: Callable[[bool], AbsenceText] = cache(self._on)
        """Its text for PostgreSQL (True) or SQLite."""

    def _on(self, postgres: bool) -> AbsenceText:
        return AbsenceText(self, postgres=postgres)


class AbsenceText:
    """The SQL that tells which of many wanted rows are there after all."""

    def __init__(self, absence: Absence, *, postgres: bool) -> None:
        dialect = POSTGRESQL if postgres else SQLITE
        kinds = [absence.table.c[name].type for name in absence.columns]
        self._into = [kind.dialect_impl(dialect).bind_processor(dialect) for kind in kinds]
        # Nothing but the columns to go by stands plain, or an engine that has counted nothing yet may go by another
        # index that holds many more.
        *same, since = [
            f'"{name}"' + (" || ''" if name in absence.beside else "") for name in absence.columns
        ]
        found = [f"{name} = c{at}" for at, name in enumerate(same)] + [f"{since} + 0 >= c{len(same)}"]
        self._places = ", ".join(f"c{at}" for at in range(len(kinds)))
        # Counted, not EXISTS: PostgreSQL would make a join of that, and read the whole table for it.
        self._there = f'(SELECT count(*) FROM "{absence.table.name}" WHERE {" AND ".join(found)}) > 0'  # noqa: S608
        self.kinds = kinds
        self._texts: dict[int, str] = {}

    def values(self, given: Sequence[Any]) -> list[Any]:
        """One row's values as the driver takes them."""
        return [value if into is None else into(value) for into, value in zip(self._into, given, strict=True)]

    def listed(self, count: int) -> str:
        """With so many rows of parameters, each preceded by its number."""
        found = self._texts.get(count)
        if found is None:
            marks = f"({', '.join('?' * (len(self.kinds) + 1))})"
            rows = ", ".join([marks] * count)
            found = (
                f"WITH wanted(n, {self._places}) AS (VALUES {rows}) SELECT n FROM wanted WHERE {self._there}"  # noqa: S608
            )
            self._texts[count] = found
        return found

    def unnested(self, types: Sequence[str]) -> str:
        """With one array for the numbers and one for each column."""
        arrays = ", ".join(f"%s::{kind}[]" for kind in ("int4", *types))
        return f"SELECT n FROM unnest({arrays}) AS wanted(n, {self._places}) WHERE {self._there}"  # noqa: S608


class Text:
    """The SQL of a question for one driver, how values go in, and how rows come out."""

    def __init__(self, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._order: Sequence[str] | None = getattr(compiled, "positiontup", None)
        self._into = {
            name: into
            for name, bound in compiled.binds.items()
            if (into := bound.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        columns = list(statement.selected_columns)
        self._out = [
            (place, out)
            for place, column in enumerate(columns)
            if (out := column.type.dialect_impl(dialect).result_processor(dialect, FLOAT8)) is not None
        ]
        names = [str(getattr(column, "name", f"c{place}")) for place, column in enumerate(columns)]
        self._row: Any = namedtuple("Found", names, rename=True)

    def values(self, given: Mapping[str, Any]) -> Any:
        """The parameters as the driver takes them."""
        values = {**self._fixed, **given}
        for name, into in self._into.items():
            values[name] = into(values[name])
        return values if self._order is None else [values[name] for name in self._order]

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        """What the driver returned, as rows with named columns."""
        if not self._out:
            return [self._row(*row) for row in found]
        rows: list[Any] = []
        for row in found:
            cells = list(row)
            for place, out in self._out:
                cells[place] = out(cells[place])
            rows.append(self._row(*cells))
        return rows
