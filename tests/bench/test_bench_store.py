"""How many submits and decisions a second each engine commits, one transaction each, next to bare SQLite; no gates."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gate.store import SqlStore, open_store
from tests.contract.records import SetClock, action, approved, audited, message

pytestmark = pytest.mark.bench

ROUNDS = 3
SECONDS = 1.5
CLIENTS = (1, 16, 64)
PAYLOAD = {"amount": 1400, "order": "881", "note": "n" * 900}


async def submit(store: SqlStore, number: int) -> None:
    """What one submit writes: action, version, deadline, key, record and message."""
    record = action(number, payload=PAYLOAD)
    async with store.writing() as tx:
        assert await tx.actions.add(record, idempotency_key=f"k{number}", body_sha256="b")
        await tx.audit.append(audited(action=record.id))
        await tx.outbox.add(message(number, action=record.id))


async def decide(store: SqlStore, number: int) -> None:
    """What one deciding vote reads and writes."""
    async with store.writing() as tx:
        record = await tx.actions.get(f"act_{number:04d}")
        assert record is not None
        assert await tx.actions.save(approved(record), expected_revision=1)
        await tx.audit.append(audited("approval.granted", action=record.id))
        await tx.outbox.add(message(number + 10**6, action=record.id))


async def rate(
    one: Callable[[int], Awaitable[None]], clients: int, first: int, last: int
) -> tuple[float, int]:
    """How many of `one` a second, and the next number not used."""
    numbers = iter(range(first, last))
    end = time.perf_counter() + SECONDS
    done = 0

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < end and (number := next(numbers, None)) is not None:
            await one(number)
            done += 1

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return done / (time.perf_counter() - start), first + done


def bare_sqlite(path: Path) -> float:
    """The floor: the sqlite3 module on the same disk, the same settings, one row of the same size a commit."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body TEXT)")
    body, done, start = "b" * 2500, 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t (body) VALUES (?)", (body,))
        connection.execute("COMMIT")
        done += 1
    connection.close()
    return done / (time.perf_counter() - start)


async def test_submits_and_decisions_per_second(tmp_path: Path, postgres_url: str) -> None:
    figures: dict[tuple[str, str, int], list[float]] = {}
    floor: list[float] = []
    urls = {"sqlite": f"sqlite:///{tmp_path / 'gate.db'}", "postgresql": postgres_url}
    async with AsyncExitStack() as opened:
        stores = {
            name: await opened.enter_async_context(open_store(url, clock=SetClock()))
            for name, url in urls.items()
        }
        submitted = dict.fromkeys(stores, 1)
        decided = dict.fromkeys(stores, 1)
        for _ in range(ROUNDS):
            floor.append(await asyncio.to_thread(bare_sqlite, tmp_path / "bare.db"))
            for clients in CLIENTS:
                for name, store in stores.items():  # side by side, so that a noisy minute hits both
                    speed, submitted[name] = await rate(
                        lambda number, store=store: submit(store, number), clients, submitted[name], 10**6
                    )
                    figures.setdefault((name, "submit", clients), []).append(speed)
                    speed, decided[name] = await rate(
                        lambda number, store=store: decide(store, number),
                        clients,
                        decided[name],
                        submitted[name],
                    )
                    figures.setdefault((name, "decide", clients), []).append(speed)
        for name, store in stores.items():
            async with store.reading() as tx:
                waiting = await tx.actions.pending_count("agt_bot")
                assert waiting == submitted[name] - decided[name], "an acknowledged write is missing"

    base = statistics.median(floor)
    print(f"\nbare sqlite3, one row a commit: {base:,.0f}/s on {os.cpu_count()} cores")
    for (name, what, clients), speeds in sorted(figures.items()):
        middle = statistics.median(speeds)
        print(f"{name:>10} {what} {clients:>3} clients {middle:>8,.0f}/s  x{middle / base:.3f}")
