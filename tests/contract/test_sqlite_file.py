"""The SQLite file: private, of one process, on disk when a commit returns."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from gate.store import DatabaseRefused, migrate, open_store
from gate.store.address import parse_address
from tests.contract.records import SetClock, action, message
from tests.harness.processes import Processes

ROOT = Path(__file__).resolve().parents[2]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_folder_and_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "var" / "gate.db"
    before = os.umask(0)
    try:
        async with open_store(f"sqlite:///{path}", clock=SetClock()) as store:
            await store.check()
            modes = {each.name: mode(each) for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert mode(path.parent) == 0o700
    assert set(modes) == {"gate.db", "gate.db-wal", "gate.db-shm", "gate.db.lock"}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("opened_to", [0o640, 0o604, 0o620, 0o666])
async def test_a_file_that_others_may_read_or_write_is_refused(tmp_path: Path, opened_to: int) -> None:
    """Threat 29"""
    path = tmp_path / "gate.db"
    migrate.upgrade(f"sqlite:///{path}")
    path.chmod(opened_to)
    with pytest.raises(DatabaseRefused, match=f"mode {opened_to:04o}.*chmod 600 {path}"):
        await open_store(f"sqlite:///{path}", clock=SetClock()).start()
    assert mode(path) == opened_to


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
async def test_a_log_beside_the_file_that_others_may_read_is_refused(tmp_path: Path, suffix: str) -> None:
    """Threat 29: the newest payloads are in the log, whatever the database's own mode is."""
    path = tmp_path / "gate.db"
    migrate.upgrade(f"sqlite:///{path}")
    beside = path.with_name(path.name + suffix)
    beside.touch()
    beside.chmod(0o644)
    with pytest.raises(DatabaseRefused, match=f"mode 0644.*chmod 600 {beside}"):
        await open_store(f"sqlite:///{path}", clock=SetClock()).start()


async def test_a_second_store_on_the_file_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gate.db'}"
    first, second = (open_store(url, clock=SetClock()) for _ in range(2))
    async with first:
        with pytest.raises(DatabaseRefused, match=f"in use by another process .process {os.getpid()}."):
            await second.start()
        with pytest.raises(DatabaseRefused, match="in use"):
            migrate.upgrade(url)
        await first.check()
    async with second:
        await second.check()


HOLD = """
import asyncio, sys
from gate.store import open_store
from tests.contract.records import SetClock

async def main():
    async with open_store(sys.argv[1], clock=SetClock()) as store:
        await store.check()
        print("holding", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_second_process_is_refused_and_a_killed_one_holds_nothing(
    tmp_path: Path, processes: Processes
) -> None:
    """The kernel gives the lock back after SIGKILL; a command-line verb needs none."""
    url = f"sqlite:///{tmp_path / 'gate.db'}"
    holder = processes.start(sys.executable, "-c", HOLD, url, cwd=ROOT)
    await holder.aexpect("^holding$")
    with pytest.raises(DatabaseRefused, match=f"process {holder.pid}"):
        await open_store(url, clock=SetClock()).start()
    async with open_store(url, clock=SetClock(), exclusive=False) as verb, verb.writing() as tx:
        assert await tx.actions.add(action(), idempotency_key=None, body_sha256="b")
    holder.send(signal.SIGKILL)
    await holder.await_exit()
    async with open_store(url, clock=SetClock()) as store, store.reading() as tx:
        assert await tx.actions.get("act_0001") == action()


async def test_connections_log_ahead_and_flush_every_commit(tmp_path: Path) -> None:
    """INV-43: what was acknowledged is on disk; without these settings a power cut loses it."""
    store = open_store(f"sqlite:///{tmp_path / 'gate.db'}", clock=SetClock())
    async with store:
        for engine in store._engines:
            async with engine.connect() as connection:
                settings = {
                    name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
                    for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
                }
            assert settings == {
                "journal_mode": "wal",
                "synchronous": 2,
                "foreign_keys": 1,
                "busy_timeout": 5000,
            }


async def test_closing_leaves_one_file_with_everything_in_it(tmp_path: Path) -> None:
    path = tmp_path / "gate.db"
    async with open_store(f"sqlite:///{path}", clock=SetClock()) as store, store.writing() as tx:
        assert await tx.actions.add(action(), idempotency_key=None, body_sha256="b")
    assert sorted(os.listdir(tmp_path)) == ["gate.db", "gate.db.lock"]
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT id FROM actions").fetchall() == [("act_0001",)]
    connection.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gate.db"
    path.write_text("not a database, and longer than a header of one" * 40)
    path.chmod(0o600)
    with pytest.raises(DatabaseRefused, match="not a SQLite database"):
        await open_store(f"sqlite:///{path}", clock=SetClock()).start()


async def test_a_path_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseRefused, match="cannot be opened"):
        await open_store(f"sqlite:///{tmp_path / 'file' / 'gate.db'}", clock=SetClock()).start()


def test_opening_a_store_touches_nothing_yet(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'var' / 'gate.db'}", clock=SetClock())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/gate.db", Path("var/gate.db")),
        ("sqlite:////srv/gate.db", Path("/srv/gate.db")),
        ("postgresql://gate:p%40ss@db/gate?sslmode=require", None),
        ("postgres://gate@db/gate", None),
        ("postgresql+psycopg://gate@db/gate", None),
    ],
)
def test_these_addresses_are_understood(url: str, path: Path | None) -> None:
    address = parse_address(url)
    assert address.path == path
    assert address.url.drivername == ("postgresql+psycopg" if path is None else "sqlite+aiosqlite")
    assert "ss@" not in str(address)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "cannot be read"),
        ("var/gate.db", "cannot be read"),
        ("sqlite://", "in-memory"),
        ("sqlite:///:memory:", "in-memory"),
        ("sqlite:///file:gate.db?uri=true", "in-memory"),
        ("sqlite:///gate.db?mode=ro", "no parameters"),
        ("sqlite://var/gate.db", "three slashes"),
        ("mysql://gate@db/gate", "mysql://"),
        ("postgresql+asyncpg://gate@db/gate", "postgresql.asyncpg://"),
        ("postgresql://gate@db", "names no database"),
        ("postgresql://gate:geheim@db:port/gate", "cannot be read"),
    ],
)
def test_other_addresses_are_refused_with_the_right_form(url: str, why: str) -> None:
    with pytest.raises(DatabaseRefused, match=why) as told:
        open_store(url, clock=SetClock())
    assert "geheim" not in str(told.value)


async def test_a_new_process_does_not_wait_for_the_leases_of_the_one_before(tmp_path: Path) -> None:
    """INV-53: whoever holds the file is alone, so what was on its way when the last one died is free at once."""
    url, clock = f"sqlite:///{tmp_path / 'gate.db'}", SetClock()
    async with open_store(url, clock=clock) as store:
        async with store.writing() as tx:
            await tx.outbox.add(message(1))
            assert await tx.outbox.claim("slack", clock.now(), lease_sec=30, limit=9)
        async with open_store(url, clock=clock, exclusive=False) as beside, beside.writing() as tx:
            assert not await tx.outbox.claim("slack", clock.now(), lease_sec=30, limit=9)
    async with open_store(url, clock=clock) as store, store.writing() as tx:
        assert await tx.outbox.claim("slack", clock.now(), lease_sec=30, limit=9)
