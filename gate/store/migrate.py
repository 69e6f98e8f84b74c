"""Brings a database's schema to the one this code was written for; blocking, for start-up and `gate migrate`."""

from __future__ import annotations

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, select, text

from gate.store import sqlite, tables
from gate.store.address import Address, parse_address
from gate.store.errors import DatabaseRefused, SchemaMismatch
from gate.store.standing import SCRIPTS, connected

log = structlog.get_logger(__name__)

_LOCK_ID = 0x5167_0FF1  # an advisory lock of ours: one replica migrates, the others wait


def head() -> str:
    """The revision this code was written for."""
    revision = _scripts().get_current_head()
    if revision is None:
        raise LookupError("there are no migrations")
    return revision


def current(url: str) -> str | None:
    """The revision of the database, None for one without our tables; a missing SQLite file is not created."""
    address = parse_address(url)
    if address.path is not None and not address.path.exists():
        return None
    with connected(address) as connection:
        return _revision(connection)


def upgrade(url: str) -> str:
    """Bring the database to `head()`, which is returned; all of it or nothing.

    SQLite: refused while a gate runs on the file. PostgreSQL: may run beside old replicas. Raises
    `DatabaseRefused` where the database is not ours or newer than this code.
    """
    address = parse_address(url)
    if address.path is None:
        return _upgrade(address)
    sqlite.prepare_file(address.path)
    lock = sqlite.FileLock(address.path)
    lock.take()
    try:
        return _upgrade(address)
    finally:
        lock.release()


def make_ready(address: Address) -> None:
    """Migrate a fresh database; demand of any other that it is at `head()`, or newer and still fit for this code.

    Raises `SchemaMismatch` naming what to do.
    """
    with connected(address) as connection:
        revision = _revision(connection)
        since = None if revision is None or _known(revision) else _compatible_since(connection)
    if revision is None:
        _upgrade(address)
    elif since is not None and _known(since):
        log.warning(
            "schema.newer",
            schema=revision,
            known=head(),
            meaning="an upgrade to a newer version is under way",
        )
    elif revision != head():
        raise _mismatch(address, revision, since)


def _upgrade(address: Address) -> str:
    with connected(address) as connection:
        if address.postgres:
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK_ID})
        revision = _revision(connection)
        if revision is not None and not _known(revision):
            raise _mismatch(address, revision, _compatible_since(connection))
        run(connection)
        connection.commit()
    return head()


def after(revision: str) -> tuple[str, ...]:
    """This revision and those that follow it, in the order in which they run."""
    newest_first = [script.revision for script in _scripts().walk_revisions(revision, "head")]
    return tuple(reversed(newest_first))


def run(connection: Connection, *, to: str = "head") -> None:
    """Run what is missing up to the head inside the connection's transaction; the caller commits."""
    if not connection.in_transaction():
        connection.begin()  # or Alembic would begin and commit one of its own
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _compatible_since(connection: Connection) -> str | None:
    """The oldest revision whose code may still run on the schema that is there; None where it does not say."""
    if not inspect(connection).has_table(tables.compatibility.name):
        return None
    return connection.scalar(select(tables.compatibility.c.since))


def _mismatch(address: Address, revision: str, since: str | None) -> SchemaMismatch:
    if _known(revision):
        return SchemaMismatch(
            f"The database {address} is at schema {revision} and this version needs {head()}: "
            "run `gate migrate`, then start again."
        )
    return SchemaMismatch(
        f"The database {address} is at schema {revision}, which is newer than this version knows (it knows up to "
        f"{head()}{f' and would have to know {since}' if since else ''}): run a newer Signoff; `gate migrate` never "
        "goes back."
    )


def _known(revision: str) -> bool:
    try:
        return _scripts().get_revision(revision) is not None
    except CommandError:
        return False


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(SCRIPTS))


def _revision(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None and (strangers := inspect(connection).get_table_names()):
        raise DatabaseRefused(
            f"The database holds tables that are not Signoff's (such as {min(strangers)}); give the gate an empty "
            "one of its own."
        )
    return revision
