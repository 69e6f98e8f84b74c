"""Rows as the drivers take them: SQL text made once for each table and set of columns, and what values become."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Double, Integer, LargeBinary, Table

from gate.store.columns import Instant
from gate.store.questions import POSTGRESQL, SQLITE
from gate.store.tables import metadata

Into = Callable[[Any], Any]


class Plan:
    """How rows with these columns of a table are written. `columns` are in the order of the values."""

    def __init__(self, table: Table, columns: tuple[str, ...], *, postgres: bool) -> None:
        self.table = table
        self.columns = columns
        self.key = tuple(column.name for column in table.primary_key)
        dialect = POSTGRESQL if postgres else SQLITE
        kinds = [table.c[name].type for name in columns]
        found = [kind.dialect_impl(dialect).bind_processor(dialect) for kind in kinds]
        plain = (Boolean, LargeBinary)
        self.into: list[tuple[int, Into]] = [
            (at, into)
            for at, into in enumerate(found)
            if into is not None and not isinstance(kinds[at], plain)
        ]
        self.types = tuple(array_of(kind) for kind in kinds)
        self.names = ", ".join(f'"{name}"' for name in columns)
        self.returning = ", ".join(f'"{name}"' for name in self.key)
        self.name = f'"{table.name}"'
        replaced = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in self.key)
        self.over = f"ON CONFLICT ({self.returning}) DO UPDATE SET {replaced}"
        self.of_key = tuple(columns.index(name) for name in self.key) if set(self.key) <= set(columns) else ()

    def values(self, row: Mapping[str, Any]) -> list[Any]:
        """The row's values in order."""
        values = list(row.values())
        for at, into in self.into:
            if values[at] is not None:
                values[at] = into(values[at])
        return values


@cache
def plan(table: Table, columns: tuple[str, ...], postgres: bool) -> Plan:
    """The plan for rows of these columns."""
    return Plan(table, columns, postgres=postgres)


def grouped(
    rows: Sequence[tuple[Table, Mapping[str, Any]]], *, postgres: bool
) -> dict[Plan, list[list[Any]]]:
    """The values of rows, by plan, in the order given."""
    found: dict[Plan, list[list[Any]]] = {}
    for table, row in rows:
        how = plan(table, tuple(row), postgres)
        found.setdefault(how, []).append(how.values(row))
    return found


def by_plan(
    claims: Sequence[tuple[int, Table, dict[str, Any]]], *, postgres: bool
) -> dict[Plan, list[tuple[int, dict[str, Any]]]]:
    """Rows with the number of whose they are, by plan, in the order given."""
    found: dict[Plan, list[tuple[int, dict[str, Any]]]] = {}
    for number, table, row in claims:
        found.setdefault(plan(table, tuple(row), postgres), []).append((number, row))
    return found


_PLACES = {table: number for number, table in enumerate(metadata.sorted_tables)}
place = _PLACES.__getitem__
"""Where a table stands in an order in which every row comes after those it refers to."""


class Change:
    """How one row found by some columns is changed, or looked at."""

    def __init__(
        self, table: Table, where: tuple[tuple[str, Any], ...], columns: tuple[str, ...], *, postgres: bool
    ) -> None:
        mark = "%s" if postgres else "?"
        dialect = POSTGRESQL if postgres else SQLITE
        asked = [name for name, fixed in where if fixed is _OPEN]
        self._into = [
            table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
            if not isinstance(table.c[name].type, Boolean | LargeBinary)
            else None
            for name in (*columns, *asked)
        ]
        sets = ", ".join(f'"{name}" = {mark}' for name in columns)
        said = {None: "NULL", True: "true" if postgres else "1", False: "false" if postgres else "0"}
        self.condition = condition = " AND ".join(
            f'"{name}" = {mark}' if fixed is _OPEN else f'"{name}" IS {said[fixed]}' for name, fixed in where
        )
        lock = " FOR SHARE SKIP LOCKED" if postgres else ""
        self.update = f'UPDATE "{table.name}" SET {sets} WHERE {condition}'  # noqa: S608 - names of ours
        # Never wait for an action: whoever holds it may hold it long, and everybody in the batch would wait.
        free = f'SELECT "id" FROM actions WHERE {condition} FOR NO KEY UPDATE SKIP LOCKED'  # noqa: S608
        skips = postgres and table.name == "actions"
        self.move = f'UPDATE actions SET {sets} WHERE "id" = ({free})' if skips else self.update  # noqa: S608
        self.look = f'SELECT 1 FROM "{table.name}" WHERE {condition} LIMIT 1{lock}'  # noqa: S608

    def values(self, where: Mapping[str, Any], values: Mapping[str, Any]) -> list[Any]:
        """The parameters, in order."""
        given = [*values.values(), *(value for value in where.values() if not _fixed(value))]
        return [
            value if into is None or value is None else into(value)
            for into, value in zip(self._into, given, strict=True)
        ]


@cache
def _change(
    table: Table, where: tuple[tuple[str, Any], ...], columns: tuple[str, ...], postgres: bool
) -> Change:
    return Change(table, where, columns, postgres=postgres)


def change(table: Table, where: Mapping[str, Any], values: Mapping[str, Any], *, postgres: bool) -> Change:
    """How rows found by these columns get these values."""
    asked = tuple((name, value if _fixed(value) else _OPEN) for name, value in where.items())
    return _change(table, asked, tuple(values), postgres)


_OPEN = "?"


def _fixed(value: Any) -> bool:
    """Whether a value asked for stands in the text: a partial index is taken only for the very words that are in it."""
    return value is None or isinstance(value, bool)


def array_of(kind: Any) -> str:
    """What PostgreSQL calls the elements of an array of such values."""
    if isinstance(kind, Instant | BigInteger):
        return "int8"
    if isinstance(kind, Integer):
        return "int4"
    if isinstance(kind, Boolean):
        return "bool"
    if isinstance(kind, Double):
        return "float8"
    if isinstance(kind, LargeBinary):
        return "bytea"
    return "text"
