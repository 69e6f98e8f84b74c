"""What was acknowledged is on disk, and on a standby that must have it, whatever the server was told."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gate.store.address import parse_address
from gate.store.postgres import pool_engine, sync_engine


@pytest.mark.parametrize("told", ["off", "local"])
async def test_a_database_that_waits_for_nobody_is_made_to_wait(postgres_url: str, told: str) -> None:
    """INV-43, threat 31: `synchronous_commit` is on for every connection, so that no failover takes back a decision."""
    address = parse_address(postgres_url)
    blocking = sync_engine(address)
    with blocking.begin() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = {told}'))
    blocking.dispose()
    engine = pool_engine(address)
    try:
        async with engine.connect() as connection:
            assert await connection.scalar(text("SHOW synchronous_commit")) == "on"
            kept = await connection.scalar(
                text("SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'")
            )
        assert kept == told
    finally:
        await engine.dispose()
