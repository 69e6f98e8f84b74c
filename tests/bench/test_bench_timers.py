"""How long due deadlines take: in batches against one by one, with few and many others pending, in a whole gate."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import func, select

from gate.config import Settings
from gate.metrics import Metrics
from gate.store import standing
from gate.store.tables import audit
from gate.wiring.desk import open_desk
from gate.workers.ticker import Ticker
from tests.acceptance.running import gate_for, slack_env, slack_running
from tests.fakes.crowd import crowd
from tests.fakes.world import World, world
from tests.harness.postgres import PostgresServer
from tests.harness.processes import Processes

pytestmark = pytest.mark.bench

ROUNDS = 3
MANY = 1_000
PENDING = (10, 1_000, 100_000)
DUE = (0, 10, 100, 1_000)
HELD_TO_SEC = 5.0
FAR = timedelta(days=300)
LADDER = """
version: v1
rules:
  - id: ladder
    match: {topics: ["ladder.many"]}
    decision: require_approval
    risk: high
    reason: Climbs
    approval:
      groups: [reviewers]
      sla: 30m
      on_timeout: deny
      escalation: [{after: 10m, to: ["group:approvers"], via: [slack]}]
"""

engines = pytest.mark.parametrize("engine", ["sqlite", "postgresql"])


@asynccontextmanager
async def pending(
    engine: str, count: int, folder: Path, server: PostgresServer
) -> AsyncIterator[tuple[World, Crowds]]:
    """A gate's core on a new database in which `count` requests wait, nothing of them due for long."""
    name = server.create() if engine == "postgresql" else None
    url = f"sqlite:///{folder / str(count) / 'gate.db'}" if name is None else server.url_of(name)
    try:
        async with world(url, folder / "keys") as gate:
            crowds = Crowds(gate)
            await crowds.prepare()
            await crowds.add(count, after=FAR)
            yield gate, crowds
    finally:
        if name is not None:
            server.drop(name)


class Crowds:
    """Adds requests to a gate, crowd after crowd."""

    def __init__(self, gate: World) -> None:
        self._gate = gate
        self._made = 0

    async def prepare(self) -> None:
        self._like = (await self._gate.propose()).record

    async def add(self, count: int, *, after: timedelta = timedelta(0)) -> None:
        """`count` requests that are due `after` now, all at once."""
        if count:
            self._made += 1
            due_at = self._gate.clock.now() + after
            name = f"c{self._made}"
            await asyncio.to_thread(
                crowd, self._gate.store, self._like, count, due_at=due_at, apart=timedelta(0), name=name
            )


async def swept(gate: World, due: int, *, together: bool = True) -> float:
    """Seconds one look takes in which `due` deadlines fire."""
    options = {} if together else {"together": None}
    ticker = Ticker(gate.deps, Metrics(), **options)
    began = time.perf_counter()
    assert await ticker.tick() == due
    return time.perf_counter() - began


@pytest.fixture(autouse=True)
def quiet() -> AsyncIterator[None]:
    """A gate writes its log to a pipe; here a line for each deadline would be most of what is seen."""
    before = structlog.get_config()
    structlog.configure(processors=[_dropped])
    yield
    structlog.configure(**before)


def _dropped(*_: object) -> object:
    raise structlog.DropEvent


@pytest.mark.timeout(300)
@engines
async def test_a_thousand_due_deadlines_in_batches_and_one_by_one(
    engine: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """The same thousand both ways, rounds interleaved."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    async with pending(engine, 10, tmp_path, postgres_server) as (gate, crowds):
        for _ in range(ROUNDS):
            for together, figures in taken.items():
                await crowds.add(MANY)
                figures.append(await swept(gate, MANY, together=together))
    batch, single = (statistics.median(taken[each]) for each in (True, False))
    print(
        f"\n  {engine:10} {MANY} due at once: in batches {batch:.2f} s, one by one {single:.2f} s, "
        f"ratio {single / batch:.1f}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


@pytest.mark.timeout(600)
@engines
async def test_a_look_costs_what_is_due_and_not_what_is_pending(
    engine: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """The same looks with ten, a thousand and a hundred thousand requests pending, in turn."""
    taken: dict[tuple[int, int], list[float]] = {}
    async with AsyncExitStack() as until:
        worlds = [
            (count, *await until.enter_async_context(pending(engine, count, tmp_path, postgres_server)))
            for count in PENDING
        ]
        for _ in range(ROUNDS):
            for due in DUE:
                for count, gate, crowds in worlds:
                    await crowds.add(due)
                    taken.setdefault((count, due), []).append(await swept(gate, due))
    print(
        f"\n  {engine}: ms of one look with {', '.join(f'{count:,}' for count in PENDING)} pending, "
        f"and the last's ratio to the first, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    for due in DUE:
        each = [statistics.median(taken[count, due]) * 1000 for count in PENDING]
        print(f"  {due:>6,} due" + "".join(f"{one:>9.2f}" for one in each) + f"{each[-1] / each[0]:>8.2f}")


@pytest.mark.timeout(300)
@engines
async def test_a_thousand_deadlines_of_one_second_in_a_whole_gate(
    engine: str, tmp_path: Path, processes: Processes, request: pytest.FixtureRequest
) -> None:
    """From the first one's time until the last one's record, while the gate also tells everybody in Slack."""
    url = request.getfixturevalue("postgres_url") if engine == "postgresql" else None
    async with (
        slack_running(processes, tmp_path, rate_limits=False) as slack,
        gate_for(
            processes,
            tmp_path,
            slack_env(slack.api_url, slack.described.app),
            database_url=url,
            start=False,
        ) as gate,
    ):
        (tmp_path / "policies" / "ladder.yaml").write_text(LADDER, encoding="utf-8")
        await gate.start()
        await gate.connected()
        action = await gate.propose("ladder.many")
        settings = Settings(database_url=gate.database_url, keys=tmp_path / "keys")
        async with open_desk(settings) as desk:
            async with desk.store.reading() as tx:
                like = await tx.actions.get(action["id"])
            assert like is not None
            begins = datetime.now(UTC) + timedelta(seconds=5)
            apart = timedelta(seconds=1) / MANY
            await asyncio.to_thread(crowd, desk.store, like, MANY, due_at=begins, apart=apart)
            assert datetime.now(UTC) < begins, "seeding took too long"
            while f'deadlines_fired_total{{result="done"}} {MANY}.0' not in await gate.metrics():
                pass  # each look is a request of its own
            engine_beside = standing.engine_of(desk.store.address)
            with engine_beside.connect() as connection:
                escalated = (audit.c.kind == "approval.escalated", audit.c.action_id.like("act_crowd_%"))
                count, last = connection.execute(
                    select(func.count(), func.max(audit.c.at)).where(*escalated)
                ).one()
            engine_beside.dispose()
    assert count == MANY
    took = (last - begins).total_seconds()
    print(
        f"\n  {engine:10} {MANY} deadlines of one second in a whole gate: the last record after {took:.2f} s "
        f"(held to {HELD_TO_SEC:.0f}), "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
