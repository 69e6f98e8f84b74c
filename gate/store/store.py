"""Opens transactions on one database and closes everything again; what they do is the aggregates' work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from datetime import datetime
from typing import Any, Self, TypeVar

import sqlalchemy.exc
from sqlalchemy import Executable, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gate.store import postgres, sqlite, standing, tables
from gate.store.address import Address, parse_address
from gate.store.batches import Batches
from gate.store.bound import Bound
from gate.store.kept_back import KeptBack, LookOnly
from gate.store.raw_postgres import PostgresReader, PostgresWriter
from gate.store.raw_sqlite import SqliteReader, SqliteWriter
from gate.store.remembered import Remembered
from gate.store.sealing import Sealer, SealingKeys
from gate.store.transaction import SqlTransaction
from gate.usecases.ports import Clock, Outrun, StoreUnavailable, Transaction

T = TypeVar("T")

CHECK_SEC = 5.0
"""How long `check` waits before it says that the database is not available."""

WRITER_SEC = 10.0
"""How long a transaction waits for its turn to write (SQLite)."""


def open_store(
    url: str, *, clock: Clock, exclusive: bool = True, keys: SealingKeys | None = None
) -> SqlStore:
    """The store at `url`, not started yet: `await store.start()` or `async with` opens it.

    `exclusive=False` is for short command-line verbs beside a running gate: it does not claim the SQLite file for
    this process. Without `keys` actions are written plain, and none that is sealed is read. Raises `DatabaseRefused`
    for a URL it cannot use.
    """
    return SqlStore(parse_address(url), clock=clock, exclusive=exclusive, sealer=Sealer(keys))


class SqlStore:
    """Implements `ports.Store` on SQLite or PostgreSQL."""

    def __init__(self, address: Address, *, clock: Clock, exclusive: bool, sealer: Sealer) -> None:
        self.address = address
        self._clock = clock
        self._sealer = sealer
        self._remembered = Remembered()
        self._lock = sqlite.FileLock(address.path) if address.path is not None and exclusive else None
        self._turn = asyncio.Lock() if address.path is not None else None
        self._engines: list[AsyncEngine] = []
        self._batches: Batches | None = None
        self._beat: asyncio.Task[None] | None = None
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Claim the database, bring a new one to the present schema, and get ready.

        Raises `DatabaseRefused` where it may not be used (and says what to do), `StoreUnavailable` where it does
        not answer.
        """
        with _availability():
            await _to_the_end(asyncio.to_thread(self._claim))
        if self.address.path is not None:
            self._engines = [sqlite.writer_engine(self.address), sqlite.reader_engine(self.address)]
            path = self.address.path
            self._batches = Batches(SqliteWriter(path), SqliteReader(path), self._my_turn)
            if self._lock is not None:
                try:
                    await self._take_over()
                except BaseException:
                    await self.close()
                    raise
        else:
            engine = postgres.pool_engine(self.address)
            self._engines = [engine, postgres.reading(engine)]
            self._batches = Batches(PostgresWriter(self.address), PostgresReader(self.address), self._my_turn)

    async def _take_over(self) -> None:
        """What was leased when the last process ended is free: this one holds the file, so the other is gone, and
        nobody has to wait for its leases to run out."""
        leased = tables.outbox.c.leased_until
        async with self._bound(writable=True) as bound:
            await bound.moved(update(tables.outbox).where(leased.is_not(None)).values(leased_until=None))

    def _claim(self) -> None:
        if self.address.path is not None:
            sqlite.prepare_file(self.address.path)
        if self._lock is not None:
            self._lock.take()
        try:
            if not standing.at_newest(self.address):
                from gate.store import migrate  # with Alembic, which most starts do without

                migrate.make_ready(self.address)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    async def close(self) -> None:
        """Let open transactions end, then close every connection and give the database free; may be repeated."""
        engines, self._engines = self._engines, []
        await self._idle.wait()
        batches, self._batches = self._batches, None
        if batches is not None:
            await batches.close()
        for engine in engines:
            await engine.dispose()
        if self._lock is not None:
            self._lock.release()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def writing(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that commits on clean exit and rolls back on any exception or cancellation.

        A cancellation that comes while it commits waits for the commit and leaves it in place.
        """
        return self._transaction(writable=True)

    def together(self, turn: str, *, presuming: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """A cancellation before its batch is begun stores nothing; a later one waits for the commit."""
        return _Together(self, turn, presuming)

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees one state of the database and cannot change it."""
        return self._transaction(writable=False)

    async def scrub(self) -> None:
        """Overwrite on disk what was replaced or deleted, as far as the database does that at all: SQLite's file and
        log are written anew, PostgreSQL frees the rows. Raises `StoreUnavailable` while others use the file."""
        if not self._engines:
            raise StoreUnavailable("The store is not open.")
        engine = self._engines[0]
        with self._counted(), _availability():
            async with self._my_turn(), engine.connect() as connection:
                if self.address.postgres:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await connection.exec_driver_sql(
                        "VACUUM actions, versions, votes, reassignments, subjects"
                    )
                    return
                # Outside a transaction, which SQLAlchemy would begin.
                raw: Any = (await connection.get_raw_connection()).driver_connection
                for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                    await raw.execute(statement)

    async def check(self) -> None:
        """Commits a row of its own, because only a commit shows that the next one would succeed.

        A commit that hangs is not given up but asked about again by the next check; the answer comes in time
        all the same.
        """
        if self._beat is None or self._beat.done():
            self._beat = asyncio.create_task(self._commit_a_beat(), name="store check")
            self._beat.add_done_callback(_take_note)
        beat = self._beat
        await asyncio.wait([beat], timeout=CHECK_SEC)
        if not beat.done():
            raise StoreUnavailable("The database did not commit in time.")
        beat.result()

    async def _commit_a_beat(self) -> None:
        async with self._bound(writable=True) as bound:
            await bound.put_over(tables.heartbeat, {"id": 1, "at": self._clock.now()})

    async def database_time(self) -> datetime:
        """What time it is where the deadlines are kept: PostgreSQL's own clock, for SQLite this process's."""
        if not self.address.postgres:
            return self._clock.now()
        async with self._bound(writable=False) as bound:
            return await bound.scalar(select(func.clock_timestamp()))

    @asynccontextmanager
    async def _transaction(self, *, writable: bool) -> AsyncIterator[Transaction]:
        async with self._bound(writable=writable) as bound:
            transaction = self._bind_to(bound)
            yield transaction
        transaction.committed()

    @property
    def now(self) -> Transaction:
        """Raises StoreUnavailable where the store is not open."""
        if self._batches is None:
            raise StoreUnavailable("The store is not open.")
        return self._bind_to(
            LookOnly(postgres=self.address.postgres, asking=self._batches.ask, reading=self._read)
        )

    async def _read(self, statement: Executable) -> Sequence[Any]:
        async with self._bound(writable=False) as bound:
            return await bound.rows(statement)

    @asynccontextmanager
    async def _bound(self, *, writable: bool) -> AsyncIterator[Bound]:
        if not self._engines:
            raise StoreUnavailable("The store is not open.")
        engine = self._engines[0 if writable else 1]
        with self._counted(), _availability():
            async with self._my_turn() if writable else nullcontext():
                connection = await engine.connect()
                try:
                    await connection.begin()
                    yield Bound(connection=connection, postgres=self.address.postgres, writable=writable)
                    await _to_the_end(connection.commit() if writable else connection.rollback())
                finally:
                    await _to_the_end(_put_back(connection))

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        if self._turn is None:
            yield
            return
        try:
            async with asyncio.timeout(WRITER_SEC):
                await self._turn.acquire()
        except TimeoutError:
            raise StoreUnavailable("Too many writers wait for the database.") from None
        try:
            yield
        finally:
            self._turn.release()

    def _enter(self) -> None:
        self._open += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._idle.set()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _bind_to(self, bound: Bound) -> SqlTransaction:
        return SqlTransaction(bound, self._clock, self._sealer, self._remembered)


class _Together(AbstractAsyncContextManager[Transaction]):
    """A transaction whose writes are committed with those of others when it is left well. A class and no generator,
    because every proposal passes here."""

    __slots__ = ("_batches", "_bound", "_presuming", "_store", "_transaction", "_turn")

    def __init__(self, store: SqlStore, turn: str, presuming: bool) -> None:
        self._store = store
        self._turn = turn
        self._presuming = presuming

    async def __aenter__(self) -> Transaction:
        store = self._store
        batches = store._batches
        if not store._engines or batches is None:
            raise StoreUnavailable("The store is not open.")
        beside = batches.enter(self._turn)
        store._enter()
        self._batches = batches
        self._bound = KeptBack(
            postgres=store.address.postgres,
            asking=batches.ask,
            reading=store._read,
            beside=beside,
            presuming=self._presuming,
        )
        self._transaction = store._bind_to(self._bound)
        return self._transaction

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self._bound.writes.anything:
                await self._batches.commit(self._turn, self._bound.writes)
                self._transaction.committed()
        except Outrun:
            self._transaction.outrun()
            raise
        finally:
            self._batches.leave(self._turn)
            self._store._leave()


def _take_note(task: asyncio.Task[Any]) -> None:
    """Whoever asked may have stopped waiting; an error nobody fetches would be logged as forgotten."""
    if not task.cancelled():
        task.exception()


async def _put_back(connection: AsyncConnection) -> None:
    """Roll back what was not committed and return the connection to its pool."""
    await connection.close()


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end even where this task is cancelled meanwhile; the cancellation follows after it."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as request:
            cancelled = request
    if cancelled is None:
        return task.result()
    _take_note(task)  # the cancellation is what the caller is told
    raise cancelled


@contextmanager
def _availability() -> Iterator[None]:
    """Turns the drivers' ways of saying "not now" into `StoreUnavailable`; mistakes of ours pass as they are."""
    try:
        yield
    except sqlalchemy.exc.TimeoutError as problem:
        raise StoreUnavailable("Every connection to the database is busy.") from problem
    except sqlalchemy.exc.DBAPIError as problem:
        if not _is_transient(problem):
            raise
        reason = str(problem.orig).strip().partition("\n")[0]
        raise StoreUnavailable(f"The database cannot take a decision now: {reason}") from problem


_SQLITE_ERROR = 1  # a mistake in a statement, not in the database's state
_READ_ONLY_SERVER = "25006"


def _is_transient(problem: sqlalchemy.exc.DBAPIError) -> bool:
    if problem.connection_invalidated or isinstance(problem, sqlalchemy.exc.InterfaceError):
        return True
    if isinstance(problem, sqlalchemy.exc.OperationalError):
        return getattr(problem.orig, "sqlite_errorcode", None) != _SQLITE_ERROR
    return getattr(problem.orig, "sqlstate", None) == _READ_ONLY_SERVER
