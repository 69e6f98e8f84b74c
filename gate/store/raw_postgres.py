"""PostgreSQL below SQLAlchemy: a connection that commits what many commands write, and one that answers what they ask.

A batch takes two round trips: what may turn out impossible, then everything else with the COMMIT.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, cast

import psycopg

from gate.store.address import Address
from gate.store.arrays import array, columns, insert
from gate.store.kept_back import Writes, absences, presumed
from gate.store.postgres import BOUNDS, connecting, plain_url
from gate.store.questions import AbsenceText, Question, Text
from gate.store.raw import Plan, array_of, by_plan, change, grouped, place
from gate.usecases.ports import StoreUnavailable

PATIENCE = "SET lock_timeout = '500ms'"
"""A batch waits for nobody for long: whoever is in its way is waited for by the one command that needs it."""

_Connection = psycopg.AsyncConnection[tuple[Any, ...]]
_Told = asyncio.Future[list[Any]]
_Cursor = psycopg.AsyncCursor[tuple[Any, ...]]


class _Line:
    """One connection, made when it is first needed and again when it was lost."""

    def __init__(self, address: Address, *settings: str, autocommit: bool) -> None:
        self._url = plain_url(address)
        self._options = connecting(address)
        self._settings = settings
        self._autocommit = autocommit
        self._open: _Connection | None = None

    async def connection(self) -> _Connection:
        """Raises psycopg.OperationalError where the server cannot be reached."""
        if self._open is not None and not self._open.closed:
            return self._open
        made = await psycopg.AsyncConnection.connect(self._url, autocommit=True, **self._options)
        try:
            for statement in (*BOUNDS, *self._settings):
                await made.execute(cast("LiteralString", statement))
            await made.set_autocommit(self._autocommit)
        except BaseException:
            await made.close()
            raise
        self._open = made
        return made

    async def close(self) -> None:
        made, self._open = self._open, None
        if made is not None:
            await made.close()


class PostgresReader:
    """Implements `batches.Reader`: what is asked while an answer is under way is asked together, in one round trip,
    and what is the same only once."""

    def __init__(self, address: Address) -> None:
        self._line = _Line(address, autocommit=True)
        self._asked: dict[tuple[Text, tuple[Any, ...]], _Told] = {}
        self._reading: asyncio.Task[None] | None = None

    async def ask(self, question: Question, values: Mapping[str, Any]) -> list[Any]:
        key = (question.on(True), tuple(values.items()))
        told = self._asked.get(key)
        if told is None:
            told = self._asked[key] = asyncio.get_running_loop().create_future()
            if self._reading is None:
                self._reading = asyncio.create_task(self._read(), name="store reads")
        # Shielded, because somebody else may wait for the same answer.
        return await asyncio.shield(told)

    async def close(self) -> None:
        if self._reading is not None:
            await self._reading
        await self._line.close()

    async def _read(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                found = await self._answered(list(asked))
            except Exception as problem:
                for told in asked.values():
                    told.set_exception(problem)
                    told.exception()  # whoever asked may be gone
                continue
            for told, rows in zip(asked.values(), found, strict=True):
                told.set_result(rows)
        self._reading = None

    async def _answered(self, asked: Sequence[tuple[Text, tuple[Any, ...]]]) -> list[list[Any]]:
        """A connection that was lost while nobody used it costs no answer: a question may be asked again."""
        try:
            return await self._asked_once(asked)
        except StoreUnavailable:
            return await self._asked_once(asked)

    async def _asked_once(self, asked: Sequence[tuple[Text, tuple[Any, ...]]]) -> list[list[Any]]:
        try:
            connection = await self._line.connection()
            if len(asked) == 1:  # a pipeline for one alone takes a third more
                ((text, values),) = asked
                answer = await _sent(connection, text.sql, text.values(dict(values)))
                return [text.rows(await answer.fetchall())]
            cursors: list[_Cursor] = []
            async with connection.pipeline():
                for text, values in asked:
                    cursors.append(await _sent(connection, text.sql, text.values(dict(values))))
            return [
                text.rows(await cursor.fetchall()) for (text, _), cursor in zip(asked, cursors, strict=True)
            ]
        except psycopg.OperationalError as problem:
            await self._line.close()
            raise _unavailable(problem) from problem


class PostgresWriter:
    """Implements `batches.Writer`."""

    def __init__(self, address: Address) -> None:
        self._line = _Line(address, PATIENCE, autocommit=False)

    async def write(self, commands: Sequence[Writes]) -> list[bool]:
        try:
            connection = await self._line.connection()
        except psycopg.OperationalError as problem:
            raise _unavailable(problem) from problem
        try:
            return await _written(connection, commands)
        except BaseException as problem:
            with contextlib.suppress(psycopg.Error):
                await connection.rollback()
            if connection.closed or not isinstance(problem, psycopg.Error):
                await self._line.close()
            if isinstance(problem, psycopg.OperationalError) and not isinstance(problem, _ITS_OWN):
                raise _unavailable(problem) from problem
            raise

    async def close(self) -> None:
        await self._line.close()


_ITS_OWN = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
"""What one command of a batch may have run into, while the others would not."""


async def _written(connection: _Connection, commands: Sequence[Writes]) -> list[bool]:
    lost: set[int] = set()
    while not await _rested(connection, commands, lost):
        await connection.rollback()
    kept = [each for number, each in enumerate(commands) if number not in lost]
    if kept:
        async with connection.pipeline():
            await _rest(connection, kept)
            await connection.commit()
    else:
        await connection.rollback()
    return [number not in lost for number in range(len(commands))]


async def _rested(connection: _Connection, commands: Sequence[Writes], lost: set[int]) -> bool:
    """As for SQLite: write what may turn out impossible, and note whose it was."""
    begun: set[int] = set()
    live = [(number, each) for number, each in enumerate(commands) if number not in lost]
    changing = {
        where["id"] for _, each in live for table, where, _ in each.changes if table.name == "actions"
    }
    if changing:
        # Never wait for a row: whoever holds it may hold it long, and everybody in this batch would wait.
        free = await connection.execute(
            "SELECT id FROM actions WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
            [sorted(changing)],
        )
        changing -= {row[0] for row in await free.fetchall()}
        lost.update(
            number
            for number, each in live
            if any(table.name == "actions" and where["id"] in changing for table, where, _ in each.changes)
        )
    presumptions = presumed(commands, lost)
    absent = absences(commands, lost)
    sure: list[tuple[set[int], _Cursor]] = []
    there: list[_Cursor] = []
    looks: list[tuple[int, _Cursor]] = []
    moves: list[tuple[int, _Cursor]] = []
    claims = [
        (number, table, row) for number, each in live if number not in lost for table, row in each.claims
    ]
    claimed: list[tuple[Plan, list[tuple[int, dict[str, Any]]], list[list[Any]], _Cursor]] = []
    async with connection.pipeline():
        for (question, values), whose in presumptions.items():
            text = question.on(True)
            sure.append((whose, await _sent(connection, text.sql, text.values(dict(values)))))
        for absence, wanted in absent.items():
            # Planned each time: a plan kept from when the table was small may go by another index for ever.
            sql, values = wanted_rows(absence.on(True), wanted)
            there.append(await _sent(connection, sql, values, prepare=False))
        for number, each in live:
            if number in lost:
                continue
            for table, where in each.held:
                how = change(table, where, {}, postgres=True)
                looks.append((number, await _sent(connection, how.look, how.values(where, {}))))
            for table, where, values in each.changes:
                how = change(table, where, values, postgres=True)
                moves.append((number, await _sent(connection, how.update, how.values(where, values))))
        for how, of in by_plan(claims, postgres=True).items():
            rows = [how.values(row) for _, row in of]
            sql = f"{insert(how)} ON CONFLICT DO NOTHING RETURNING {how.returning}"
            claimed.append((how, of, rows, await _sent(connection, sql, columns(how, rows))))
    for whose, cursor in sure:
        if await cursor.fetchone() is None:
            lost |= whose
    for cursor in there:
        lost.update(row[0] for row in await cursor.fetchall())
    for number, cursor in looks:
        if await cursor.fetchone() is None:
            lost.add(number)
    for number, cursor in moves:
        if cursor.rowcount == 1:
            begun.add(number)
        else:
            lost.add(number)
    for how, of, rows, cursor in claimed:
        won = set(await cursor.fetchall())
        for (number, _), row in zip(of, rows, strict=True):
            key = tuple(row[at] for at in how.of_key)
            if key in won:
                won.remove(key)
                begun.add(number)
            else:
                lost.add(number)
    return not begun & lost


async def _rest(connection: _Connection, commands: Sequence[Writes]) -> None:
    tables = {table: None for each in commands for table in each.rows}
    for table in sorted(tables, key=place):
        rows = [(table, row) for each in commands for row in each.rows.get(table, ())]
        for how, values in grouped(rows, postgres=True).items():
            await _sent(connection, insert(how), columns(how, values))
    over = [pair for each in commands for pair in each.over]
    for how, values in grouped(over, postgres=True).items():
        # One at a time: a single statement refuses to put two rows over one another.
        for row in values:
            await _sent(connection, f"{insert(how)} {how.over}", columns(how, [row]))
    for each in commands:
        for table, where, values in each.sweeps:
            how = change(table, where, values, postgres=True)
            await _sent(connection, how.update, how.values(where, values))
        for table, column, key in each.removed:
            await _sent(connection, f'DELETE FROM "{table.name}" WHERE "{column}" = %s', [key])  # noqa: S608


def wanted_rows(text: AbsenceText, wanted: Sequence[tuple[int, tuple[Any, ...]]]) -> tuple[str, list[str]]:
    """The statement that finds which of these rows are there, and its parameters."""
    types = [array_of(kind) for kind in text.kinds]
    columns = zip(*(text.values(values) for _, values in wanted), strict=True)
    arrays = [array(kind, column) for kind, column in zip(types, columns, strict=True)]
    return text.unnested(types), [array("int4", [number for number, _ in wanted]), *arrays]


async def _sent(connection: _Connection, sql: str, values: Any, *, prepare: bool | None = None) -> _Cursor:
    """A statement under way in the open pipeline; its text is made of names of ours, its values are parameters."""
    return await connection.cursor().execute(cast("LiteralString", sql), values, prepare=prepare)


def _unavailable(problem: psycopg.Error) -> StoreUnavailable:
    reason = str(problem).strip().partition("\n")[0]
    return StoreUnavailable(f"The database cannot take a decision now: {reason}")
