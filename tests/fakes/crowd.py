"""Thousands of pending requests in a moment: rows like those of one real request, each with times of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Table,
    Text,
    bindparam,
    cast,
    func,
    insert,
    literal,
    null,
    select,
    text,
    true,
    type_coerce,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from gate.domain.request import ActionRecord
from gate.store import SqlStore, standing
from gate.store.columns import Instant
from gate.store.rows import SEALED, changing_columns, fixed_columns, version_row
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

    engine = standing.engine_of(store.address)
    try:
        with engine.begin() as connection:
            for table in (actions, versions, deadlines, asks):
                connection.execute(rows(table))
            _seal(connection, store, like, [f"act_{name}_{each:07}" for each in range(count)])
        with (
            engine.connect() as connection
        ):  # a planner that has seen the table, as on any database that runs
            connection.execute(text("ANALYZE"))
            connection.commit()
    finally:
        engine.dispose()


def _seal(connection: Connection, store: SqlStore, like: ActionRecord, ids: list[str]) -> None:
    """A sealed text opens in no other action, so each gets the texts of `like` under a key of its own."""
    wholes: list[dict[str, Any]] = []
    payloads: list[dict[str, Any]] = []
    for action_id in ids:
        seal = store._sealer.new(action_id)
        if seal.data_key is None:
            return
        row = fixed_columns(like, seal) | changing_columns(like, None, seal)
        texts = {column: row[column] for column in SEALED[actions] if column in row}
        wholes.append({"of": action_id, "data_key": seal.data_key, **texts})
        version = version_row(action_id, like.proposed, seal)
        payloads.append({"of": action_id} | {column: version[column] for column in SEALED[versions]})
    for key, rows in ((actions.c.id, wholes), (versions.c.action_id, payloads)):
        values = {column: bindparam(column) for column in rows[0] if column != "of"}
        connection.execute(update(key.table).where(key == bindparam("of")).values(values), rows)
