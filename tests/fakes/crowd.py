"""Thousands of pending requests in a moment: rows like those of one real request, each with times of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Table,
    Text,
    cast,
    func,
    insert,
    literal,
    null,
    select,
    text,
    true,
    type_coerce,
)
from sqlalchemy.sql.elements import ColumnElement

from gate.domain.request import ActionRecord
from gate.store import SqlStore, migrate
from gate.store.columns import Instant
from gate.store.tables import actions, asks, deadlines, versions

_MICROSECOND = timedelta(microseconds=1)


def crowd(
    store: SqlStore,
    like: ActionRecord,
    count: int,
    *,
    due_at: datetime,
    apart: timedelta,
    name: str = "crowd",
) -> None:
    """`count` requests as `like` was when it was asked for, the first due at `due_at`, each `apart` after the last."""
    assert like.deadline is not None
    shift = (due_at - like.deadline.due_at) // _MICROSECOND
    number = select(literal(0, BigInteger).label("i")).cte("number", recursive=True)
    number = number.union_all(select(number.c.i + 1).where(number.c.i < count - 1))
    later = shift + number.c.i * (apart // _MICROSECOND)
    new_id = literal(f"act_{name}_", Text) + func.substr(cast(10_000_000 + number.c.i, Text), 2)

    def value(column: Any) -> ColumnElement[Any]:
        if column.name == "twin":
            return null()
        if column in (actions.c.id, *(t.c.action_id for t in (versions, deadlines, asks))):
            return new_id
        return type_coerce(column, BigInteger) + later if isinstance(column.type, Instant) else column

    def rows(table: Table) -> Any:
        key = actions.c.id if table is actions else table.c.action_id
        names = [column.name for column in table.columns]
        chosen = select(*(value(column) for column in table.columns))
        return insert(table).from_select(
            names,
            chosen.select_from(table.join(number, true())).where(key == like.id),
            include_defaults=False,
        )

    engine = migrate.engine_of(store.address)
    try:
        with engine.begin() as connection:
            for table in (actions, versions, deadlines, asks):
                connection.execute(rows(table))
        with (
            engine.connect() as connection
        ):  # a planner that has seen the table, as on any database that runs
            connection.execute(text("ANALYZE"))
            connection.commit()
    finally:
        engine.dispose()
