"""PostgreSQL as the gate needs it: a pool of connections with bounds on everything that can wait."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gate.store.address import Address, parse_address
from gate.usecases.ports import StoreUnavailable

POOL_SIZE = 10
"""Connections a gate process holds; transactions are short, so a few serve many clients."""

CONNECTING: dict[str, str | int] = {
    "connect_timeout": 10,
    # A server that vanished without a word is noticed within twenty seconds instead of a quarter of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "signoff",
}
"""libpq parameters; what the URL says itself goes first."""

BOUNDS = (
    "SET statement_timeout = '10s'",
    "SET lock_timeout = '5s'",
    "SET idle_in_transaction_session_timeout = '30s'",
    # A decision acknowledged to anybody must be on disk, whatever the server's default is; `on` also waits for
    # synchronous standbys where there are any.
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') IN ('off', 'local')",
)


def sync_engine(address: Address) -> Engine:
    """For migrations: blocking, and patient with statements that rewrite a table."""
    return create_engine(address.url, connect_args=connecting(address), hide_parameters=True)


def pool_engine(address: Address) -> AsyncEngine:
    """READ COMMITTED; guarded updates carry the correctness, not the isolation level."""
    engine = create_async_engine(
        address.url,
        connect_args=connecting(address),
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,  # a restarted or failed-over server costs no request
        pool_recycle=1_800,
        hide_parameters=True,  # payloads must not reach logs through an exception's text
    )

    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        try:
            for statement in BOUNDS:
                cursor.execute(statement)
        finally:
            cursor.close()
        connection.commit()  # or the rollback of the first transaction would take them back

    event.listen(engine.sync_engine, "connect", on_connect)
    return engine


def reading(engine: AsyncEngine) -> AsyncEngine:
    """The same pool for transactions that see one snapshot and change nothing."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def connecting(address: Address) -> dict[str, Any]:
    """libpq parameters of every connection to this database."""
    return {name: value for name, value in CONNECTING.items() if name not in address.url.query}


def plain_url(address: Address) -> str:
    """The URL as libpq reads it, its password included."""
    return address.url.set(drivername="postgresql").render_as_string(hide_password=False)


async def database_time(url: str) -> datetime:
    """What PostgreSQL's clock says. Raises StoreUnavailable."""
    plain = plain_url(parse_address(url))
    try:
        async with await psycopg.AsyncConnection.connect(
            plain, autocommit=True, connect_timeout=5
        ) as connection:
            row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
    except psycopg.Error as error:
        raise StoreUnavailable(f"The database did not tell the time ({type(error).__name__}).") from None
    if row is None:
        raise StoreUnavailable("The database did not tell the time.")
    return row[0]
