"""PostgreSQL's LISTEN and NOTIFY: short texts said to every process on the database; what they mean others know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
from psycopg import sql

from gate.store.address import parse_address
from gate.store.arrays import array
from gate.store.pipeline import Pipeline, Statement
from gate.store.postgres import connecting, plain_url

CHANNEL = "signoff_news"
"""Of this database alone. One text has at most 8,000 bytes."""

_SAY = "SELECT pg_notify(%s, said) FROM unnest(%s::text[]) AS said"


class PostgresRadio:
    """Implements `workers.shared_wakeups.Radio` with two connections of its own: hearing keeps one busy, and saying
    must wait for no pool that is empty just then.

    Nothing is said inside anybody's transaction: PostgreSQL commits those that notify one after the other.
    """

    def __init__(self, url: str, *, channel: str = CHANNEL) -> None:
        self._address = parse_address(url)
        self._channel = channel
        self._saying = Pipeline(self._address)

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[AsyncIterator[str]]:
        """Every text said from here on, by this process too. Raises psycopg.Error where the connection breaks."""
        connection = await self._connected()
        try:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
            yield (notice.payload async for notice in connection.notifies())
        finally:
            await connection.close()

    async def say(self, texts: Sequence[str]) -> None:
        """Returns once all were said. Raises psycopg.Error where it is not known whether they were."""
        try:
            await self._saying.run(Statement(_SAY, (self._channel, array("text", texts))))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Say no more; may be repeated."""
        await self._saying.close()

    async def _connected(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            plain_url(self._address), autocommit=True, **connecting(self._address)
        )
