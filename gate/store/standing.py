"""Whether a database has the schema of this code, found out without Alembic: to import that is a tenth of a start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy.exc
from sqlalchemy import Engine, inspect, text

from gate.store import postgres, sqlite
from gate.store.address import Address
from gate.store.errors import DatabaseRefused

SCRIPTS = Path(__file__).with_name("migrations")


def newest() -> str:
    """The revision this code was written for: the number of the last migration's file."""
    return max(path.name.partition("_")[0] for path in (SCRIPTS / "versions").glob("[0-9]*_*.py"))


def at_newest(address: Address) -> bool:
    """Whether the database is at exactly that revision. What to do about any other, `gate.store.migrate` knows."""
    with connected(address) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return list(connection.scalars(text("SELECT version_num FROM alembic_version"))) == [newest()]


def engine_of(address: Address) -> Engine:
    """A blocking engine on the database, without the store's rules; whoever asks for it disposes of it."""
    return sqlite.sync_engine(address) if address.path is not None else postgres.sync_engine(address)


@contextmanager
def connected(address: Address) -> Iterator[sqlalchemy.Connection]:
    """One blocking connection, closed with its engine; rolled back unless committed."""
    engine = engine_of(address)
    try:
        with engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.DatabaseError as problem:
        if getattr(problem.orig, "sqlite_errorname", None) != "SQLITE_NOTADB":
            raise
        raise DatabaseRefused(f"{address.path} is not a SQLite database.") from None
    finally:
        engine.dispose()
