"""SQLite as the gate needs it: a private file, one process, and connections that never lose a commit."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gate.store.address import Address
from gate.store.errors import DatabaseRefused

BUSY_SEC = 5.0
"""How long a transaction waits for another process's write, such as that of a command-line verb."""

PRAGMAS = (
    f"PRAGMA busy_timeout = {int(BUSY_SEC * 1000)}",
    "PRAGMA synchronous = FULL",  # in WAL mode: the log is flushed at every commit
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
)


class FileLock:
    """A lock on a side file that the kernel releases when this process ends, however it ends."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.lock")
        self._handle: int | None = None

    def take(self) -> None:
        """Raises `DatabaseRefused` where another process, or another store of this one, holds it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
            os.close(handle)
            if not isinstance(problem, BlockingIOError):
                raise DatabaseRefused(
                    f"{self._path} cannot be locked ({problem.strerror}); SQLite needs a local disk."
                ) from None
            raise DatabaseRefused(
                f"{self._path.with_suffix('')} is in use by another process (process {holder or 'unknown'}). "
                "SQLite serves one gate; stop that one first, or use PostgreSQL for several."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Give it back; the file stays, because removing it would let two processes hold different ones."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def prepare_file(path: Path) -> None:
    """Make folder (0700) and file (0600) where they are missing; refuse a file that others may read or write, and a log
    left beside it that they may: it holds the same rows."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise DatabaseRefused(f"{path} cannot be opened: {problem.strerror}.") from None
    try:
        mode = os.fstat(handle).st_mode & 0o777
    finally:
        os.close(handle)
    modes = {path: mode}
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        with contextlib.suppress(FileNotFoundError):
            modes[beside] = beside.stat().st_mode & 0o777
    for each, mode in modes.items():
        if mode & 0o077:
            raise DatabaseRefused(
                f"{each} may be read or written by other accounts (mode {mode:04o}). It holds every payload and "
                f"decision: make it private with `chmod 600 {each}` and start again."
            )


def sync_engine(address: Address) -> Engine:
    """For migrations: a blocking engine that keeps DDL inside its transaction."""
    engine = create_engine(
        address.url.set(drivername="sqlite+pysqlite"),
        connect_args={"isolation_level": None},
        hide_parameters=True,
    )
    _set_up(engine, "BEGIN IMMEDIATE")
    return engine


def writer_engine(address: Address) -> AsyncEngine:
    """One connection; its transactions take the write lock at once, so that none fails half-way for want of it."""
    return _async_engine(address, "BEGIN IMMEDIATE", connections=1)


def reader_engine(address: Address) -> AsyncEngine:
    """Connections that cannot write; each transaction sees the state at its first read."""
    return _async_engine(address, "BEGIN", connections=4, extra=("PRAGMA query_only = ON",))


def _async_engine(
    address: Address, begin: str, *, connections: int, extra: tuple[str, ...] = ()
) -> AsyncEngine:
    engine = create_async_engine(
        address.url,
        # The driver's own transaction control begins too late, and not at all for SELECT; `begin` below does it.
        connect_args={"isolation_level": None},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=30,
        hide_parameters=True,  # payloads must not reach logs through an exception's text
    )
    _set_up(engine.sync_engine, begin, extra)
    return engine


def _set_up(engine: Engine, begin: str, extra: tuple[str, ...] = ()) -> None:
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        try:
            for pragma in (*PRAGMAS, *extra):
                cursor.execute(pragma)
            cursor.execute("PRAGMA journal_mode")
            if str(cursor.fetchone()[0]).lower() != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
                if str(cursor.fetchone()[0]).lower() != "wal":
                    raise DatabaseRefused(
                        "SQLite cannot keep a write-ahead log here; the database needs a local disk."
                    )
        finally:
            cursor.close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
