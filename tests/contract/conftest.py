"""Both engines for every test of the store's contract, each test on a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gate.store import SqlStore, open_store, standing
from tests.contract.records import SetClock
from tests.fakes.sealing import KEYS
from tests.harness.databases import migrated


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated, empty database."""
    if request.param == "sqlite":
        return migrated(f"sqlite:///{tmp_path / 'gate.db'}")
    return str(request.getfixturevalue("migrated_postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that nobody has migrated."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'var' / 'gate.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def store(database_url: str, clock: SetClock) -> AsyncIterator[SqlStore]:
    async with open_store(database_url, clock=clock, keys=KEYS) as opened:
        yield opened


@pytest.fixture
async def other_store(database_url: str, clock: SetClock, store: SqlStore) -> AsyncIterator[SqlStore]:
    """A second store on the same database: another replica, or a command-line verb."""
    async with open_store(database_url, clock=clock, exclusive=False, keys=KEYS) as opened:
        yield opened


def blocking_engine(store: SqlStore) -> Any:
    """A plain connection beside the store, for what its ports cannot do: tampering and counting."""
    address = store.address
    return standing.engine_of(address)
