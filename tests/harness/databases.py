"""Databases with the schema in them, copied from one that was migrated once: a file copy instead of every migration."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gate.store import migrate
from gate.store.address import parse_address
from tests.harness.postgres import PostgresServer


@functools.cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gate.db"
        migrate.upgrade(f"sqlite:///{path}")
        return path.read_bytes()


def migrated(url: str) -> str:
    """The same URL; where it names an SQLite file that is not there yet, there is one now, migrated and empty."""
    path = parse_address(url).path
    if path is not None and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(_migrated_file())
    return url


@pytest.fixture
def migrated_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """`postgresql://…` of a migrated, empty database for this test alone, dropped after it."""
    name = postgres_server.create(template=postgres_server.template("migrated", migrate.upgrade))
    yield postgres_server.url_of(name)
    postgres_server.drop(name)
