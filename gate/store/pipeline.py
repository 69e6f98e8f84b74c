"""One PostgreSQL connection below the driver's cursors: what is said at once goes out at once and is answered at once.

The driver's own pipeline sends each statement by itself and makes a cursor for each, which costs several times what
PostgreSQL takes to answer a look-up. Here the statements of one `run` share a write to the socket and a synchronisation
point (libpq's pipeline mode); their texts are prepared once for each connection.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, LiteralString, cast

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result

from gate.store.address import Address
from gate.store.postgres import BOUNDS, connecting, plain_url

_Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with a `%s` for each of its values. `prepared` False: planned anew each time."""

    sql: str
    values: Sequence[Any] = ()
    prepared: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows that a statement found, how many it found or changed, and what PostgreSQL calls what it did."""

    rows: Sequence[tuple[Any, ...]]
    count: int
    did: bytes | None


BEGIN, COMMIT, ROLLBACK = (Statement(sql, prepared=False) for sql in ("BEGIN", "COMMIT", "ROLLBACK"))


class _Line:
    """A connection in libpq's pipeline mode, and which texts it has prepared."""

    def __init__(self, connection: _Connection) -> None:
        connection.pgconn.enter_pipeline_mode()
        self.connection = connection
        self.libpq = connection.pgconn
        self.reading = Transformer(connection)
        self.prepared: dict[str, bytes] = {}
        self._names = itertools.count()
        self._news = select.poll()
        self._news.register(self.libpq.socket, select.POLLIN)

    def well(self) -> bool:
        """Whether the server still talks: it may have hung up while nobody had anything to say."""
        try:
            while self._news.poll(0):
                self.libpq.consume_input()
        except psycopg.OperationalError:
            return False
        return True

    def send(self, statements: Sequence[Statement]) -> list[str | None]:
        """Queue the statements. For each answer that will come: the text that it tells the preparation of, None for a
        statement's own."""
        sent: list[str | None] = []
        for statement in statements:
            values = [_dumped(value) for value in statement.values]
            if not statement.prepared:
                self.libpq.send_query_params(_numbered(statement.sql), values)
            else:
                name = self.prepared.get(statement.sql)
                if name is None:
                    name = self.prepared[statement.sql] = b"s%d" % next(self._names)
                    self.libpq.send_prepare(name, _numbered(statement.sql))
                    sent.append(statement.sql)
                self.libpq.send_query_prepared(name, values)
            sent.append(None)
        self.libpq.pipeline_sync()
        return sent

    def read(self, result: pq.abc.PGresult) -> Answer:
        rows: Sequence[tuple[Any, ...]] = ()
        if result.ntuples:
            self.reading.set_pgresult(result)
            rows = self.reading.load_rows(0, result.ntuples, tuple)
        return Answer(rows, result.command_tuples or 0, result.command_status)


class Pipeline:
    """A connection made when it is first needed and again when it was lost, for one user at a time. One that was lost
    while nobody used it costs nobody an answer. `settings` are SQL that every new one begins with."""

    def __init__(self, address: Address, *settings: str) -> None:
        self._url = plain_url(address)
        self._options = connecting(address)
        self._settings = (*BOUNDS, *settings)
        self._open: _Line | None = None
        self._taken = False

    async def run(self, *statements: Statement) -> list[Answer]:
        """What came of each, in order. None is carried out after one that fails, and its error is raised: psycopg's,
        OperationalError where the connection cannot be made or is lost. Without a BEGIN they are one transaction.

        Left early (cancelled), the connection is given up: nobody would know what its next answers belong to.
        RuntimeError for a second user, who would read the first one's answers."""
        if self._taken:
            raise RuntimeError("somebody else is waiting for answers on this connection")
        self._taken = True
        try:
            return await self._run(statements)
        finally:
            self._taken = False

    async def _run(self, statements: Sequence[Statement]) -> list[Answer]:
        line = await self._line()
        try:
            sent = line.send(statements)
            results = await _answered(line.libpq)
        except BaseException:
            await self.close()
            raise
        answers = list(zip(results, sent, strict=True))
        failed = next((result for result in results if result.status not in _WELL), None)
        if failed is not None:
            for result, prepared in answers:
                if prepared is not None and result.status not in _WELL:
                    del line.prepared[prepared]
            raise error_from_result(failed, "utf-8")
        return [line.read(result) for result, prepared in answers if prepared is None]

    async def close(self) -> None:
        """Let go of the connection; the next `run` makes another."""
        line, self._open = self._open, None
        if line is not None:
            await line.connection.close()

    async def _line(self) -> _Line:
        if self._open is not None:
            if self._open.well():
                return self._open
            await self.close()
        made: _Connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, **self._options)
        try:
            for statement in self._settings:
                await made.execute(cast("LiteralString", statement))
            self._open = _Line(made)
        except BaseException:
            await made.close()
            raise
        return self._open


_WELL = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


async def _answered(line: pq.abc.PGconn) -> list[pq.abc.PGresult]:
    """Send what is queued and read up to the synchronisation point."""
    results: list[pq.abc.PGresult] = []
    while True:
        await _ready(line.socket, writing=bool(line.flush()))
        line.consume_input()
        between = False
        while not line.is_busy():
            result = line.get_result()
            if result is None:
                if between:
                    raise psycopg.OperationalError("PostgreSQL's answers ended before their last one")
                between = True
                continue
            between = False
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)


async def _ready(socket: int, *, writing: bool) -> None:
    """Until there is something to read, or, while some of what was said is still to be sent, room for more of it."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def come() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(socket, come)
    if writing:
        loop.add_writer(socket, come)
    try:
        await ready
    finally:
        loop.remove_reader(socket)
        if writing:
            loop.remove_writer(socket)


@cache
def _numbered(sql: str) -> bytes:
    """The text with `$1`, `$2` … where it has `%s`."""
    number = itertools.count(1)
    return _MARK.sub(lambda mark: f"${next(number)}" if mark[0] == "%s" else "%", sql).encode()


_MARK = re.compile("%s|%%")


def _dumped(value: Any) -> bytes | None:
    """A value in PostgreSQL's own notation; its type is the one that the statement asks for there."""
    if value is None:
        return None
    dump = _DUMPS.get(type(value))
    if dump is None:
        raise TypeError(f"{type(value).__name__} is no value for a statement")
    return dump(value)


def _text(value: str) -> bytes:
    found = value.encode()
    if b"\0" in found:  # libpq would send what stands before it
        raise psycopg.DataError("PostgreSQL text cannot hold NUL (0x00)")
    return found


_DUMPS: dict[type, Callable[[Any], bytes]] = {
    str: _text,
    bool: lambda value: b"t" if value else b"f",
    int: b"%d".__mod__,
    float: lambda value: repr(value).encode(),
    bytes: lambda value: b"\\x" + value.hex().encode(),
}
