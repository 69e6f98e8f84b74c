"""SQLite below SQLAlchemy: commits what many commands write, and answers what they ask."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from gate.store.kept_back import Writes, absences, presumed, unless
from gate.store.questions import Question
from gate.store.raw import Plan, by_plan, change, grouped, place
from gate.store.sqlite import PRAGMAS
from gate.usecases.ports import StoreUnavailable

AT_ONCE = 64
"""Rows of one INSERT, a power of two: each takes one call into the library, which lets other threads run meanwhile."""
KEPT = 512
"""Statements kept compiled."""


class SqliteReader:
    """Implements `batches.Reader` in the thread of whoever asks: a look-up by an index takes microseconds, and handing
    it to another thread takes more. Nobody ever holds up a reader here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    async def ask(self, question: Question, values: Mapping[str, Any]) -> list[Any]:
        text = question.on(False)
        try:
            if self._db is None:
                self._db = _opened(self._path, "PRAGMA query_only = ON")
            return text.rows(self._db.execute(text.sql, text.values(values)).fetchall())
        except sqlite3.OperationalError as problem:
            raise _unavailable(problem) from problem

    async def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


class SqliteWriter:
    """Implements `batches.Writer` in a thread of its own, because a commit waits for the disk."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store writer")
        self._path = path
        self._db: sqlite3.Connection | None = None

    async def write(self, commands: Sequence[Writes]) -> list[bool]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._write, commands)

    def _write(self, commands: Sequence[Writes]) -> list[bool]:
        try:
            if self._db is None:
                self._db = _opened(self._path)
            return _written(self._db, commands)
        except sqlite3.OperationalError as problem:
            raise _unavailable(problem) from problem

    async def close(self) -> None:
        self._thread.shutdown()
        if self._db is not None:
            self._db.close()
            self._db = None


def _opened(path: Path, *pragmas: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, cached_statements=KEPT, check_same_thread=False)
    for pragma in (*PRAGMAS, *pragmas):
        db.execute(pragma).close()
    return db


def _unavailable(problem: sqlite3.OperationalError) -> Exception:
    """What the caller is told: a mistake in a statement passes as it is."""
    if problem.sqlite_errorcode == sqlite3.SQLITE_ERROR:
        return problem
    return StoreUnavailable(f"The database cannot take a decision now: {problem}")


def _written(db: sqlite3.Connection, commands: Sequence[Writes]) -> list[bool]:
    lost: set[int] = set()
    while True:
        db.execute("BEGIN IMMEDIATE")
        try:
            whole = _rested(db, commands, lost)
            if not whole:
                db.execute("ROLLBACK")
                continue
            kept = [each for number, each in enumerate(commands) if number not in lost]
            if kept:
                _rest(db, kept)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return [number not in lost for number in range(len(commands))]


def _rested(db: sqlite3.Connection, commands: Sequence[Writes], lost: set[int]) -> bool:
    """Write what may turn out impossible, and note whose it was. False: something of one that lost was written, so all
    is to be done again without it."""
    begun: set[int] = set()
    _presumed(db, commands, lost)
    for number, each in enumerate(commands):
        if number in lost:
            continue
        for table, where in each.held:
            how = change(table, where, {}, postgres=False)
            if db.execute(how.look, how.values(where, {})).fetchone() is None:
                lost.add(number)
                break
        for table, where, values in each.changes if number not in lost else ():
            how = change(table, where, values, postgres=False)
            if db.execute(how.update, how.values(where, values)).rowcount != 1:
                lost.add(number)
                break
            begun.add(number)
    claims = [
        (number, table, row)
        for number, each in enumerate(commands)
        if number not in lost
        for table, row in each.claims
    ]
    for how, of in by_plan(claims, postgres=False).items():
        rows = [how.values(row) for _, row in of]
        won: set[tuple[Any, ...]] = set()
        for some in _portions(rows):
            sql = f"{_insert(how, len(some))} ON CONFLICT DO NOTHING RETURNING {how.returning}"
            won.update(db.execute(sql, _flat(some)).fetchall())
        for (number, _), row in zip(of, rows, strict=True):
            key = tuple(row[place] for place in how.of_key)
            if key in won:
                won.remove(key)
                begun.add(number)
            else:
                lost.add(number)
    return not begun & lost


def _presumed(db: sqlite3.Connection, commands: Sequence[Writes], lost: set[int]) -> None:
    """Note whose presumptions were wrong. What many presume is looked up once."""
    for (question, values), whose in presumed(commands, lost).items():
        text = question.on(False)
        if db.execute(text.sql, text.values(dict(values))).fetchone() is None:
            lost |= whose
    for absence, wanted in absences(commands, lost).items():
        text = absence.on(False)
        rows = [[number, *text.values(values)] for number, values in wanted]
        for some in _portions(rows):
            lost.update(n for (n,) in db.execute(text.listed(len(some)), _flat(some)))


def _rest(db: sqlite3.Connection, commands: Sequence[Writes]) -> None:
    tables: dict[Table, None] = {}
    for each in commands:
        tables |= dict.fromkeys(each.rows)
    for table in sorted(tables, key=place):
        rows = [(table, row) for each in commands for row in each.rows.get(table, ())]
        for how, values in grouped(rows, postgres=False).items():
            for some in _portions(values):
                db.execute(_insert(how, len(some)), _flat(some))
    for (table, column, where), found in unless(commands).items():
        for key, row in found.items():
            such = {column: key, **dict(where)}
            look = change(table, such, {}, postgres=False)
            if db.execute(look.look, look.values(such, {})).fetchone() is None:
                for how, values in grouped([(table, row)], postgres=False).items():
                    db.execute(_insert(how, 1), _flat(values))
    over = [pair for each in commands for pair in each.over]
    for how, values in grouped(over, postgres=False).items():
        for some in _portions(values):
            db.execute(f"{_insert(how, len(some))} {how.over}", _flat(some))
    for each in commands:
        for table, where, values in each.sweeps:
            how = change(table, where, values, postgres=False)
            db.execute(how.update, how.values(where, values))

    removed: dict[tuple[str, str], list[Any]] = {}
    for each in commands:
        for table, column, key in each.removed:
            removed.setdefault((table.name, column), []).append([key])
    for (name, column), keys in removed.items():
        for some in _portions(keys):
            marks = ", ".join("?" * len(some))
            db.execute(f'DELETE FROM "{name}" WHERE "{column}" IN ({marks})', _flat(some))  # noqa: S608


def _portions(rows: list[list[Any]]) -> Iterator[list[list[Any]]]:
    """In sizes that are powers of two, so that there are few different statements."""
    start, size = 0, AT_ONCE
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


def _insert(how: Plan, count: int) -> str:
    found = _INSERTS.get((how, count))
    if found is None:
        marks = f"({', '.join('?' * len(how.columns))})"
        found = f"INSERT INTO {how.name} ({how.names}) VALUES {', '.join([marks] * count)}"  # noqa: S608
        _INSERTS[how, count] = found
    return found


_INSERTS: dict[tuple[Plan, int], str] = {}


def _flat(rows: list[list[Any]]) -> list[Any]:
    return [value for row in rows for value in row]
