"""How many actions a second one gate lets through durably, next to plain aiohttp and to one transaction each."""

from __future__ import annotations

import os
import statistics
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.bench.contenders import Contender, floor, gate, keep, load
from tests.harness.postgres import PostgresServer
from tests.harness.processes import Processes

pytestmark = pytest.mark.bench

ROUNDS = int(os.environ.get("GATE_TEST_BENCH_ROUNDS", "3"))
SECONDS = float(os.environ.get("GATE_TEST_BENCH_SECONDS", "3"))


@pytest.mark.timeout(900)
def test_the_allow_path(processes: Processes, tmp_path: Path, durable_postgres: PostgresServer) -> None:
    """64 clients, 1 KB actions, 100 rules, everything on. All contenders in turn in every round, so that a noisy minute
    hits them alike; the ratios are what carries over to other machines."""
    with ExitStack() as open_until_here:
        contenders = _contenders(processes, tmp_path, durable_postgres, open_until_here)
        for each in contenders:
            load(each, seconds=1)
        found: dict[str, list[dict[str, Any]]] = {each.name: [] for each in contenders}
        for _ in range(ROUNDS):
            for each in contenders:
                one = load(each, seconds=SECONDS)
                assert set(one["answers"]) == {"200"}, one
                found[each.name].append(one)
        rates = {name: statistics.median(one["rate"] for one in rounds) for name, rounds in found.items()}
        paced = {
            each.name: load(each, seconds=SECONDS, rate=rates[each.name] / 2)
            for each in contenders
            if each.name.startswith("gate")
        }
    cpu = {name: statistics.median(one["cpu_us"] for one in rounds) for name, rounds in found.items()}
    print(f"\n  load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {ROUNDS} rounds of {SECONDS:g} s")
    print(
        "                       a second      × B      × C   p50 ms   p99 ms   µs of processor   p99 ms at half"
    )
    for name, rate in rates.items():
        third = rates[f"floor C {name.rpartition(' ')[2]}"] if name.startswith("gate") else None
        p50, p99 = (statistics.median(one[p] for one in found[name]) for p in ("p50_ms", "p99_ms"))
        print(
            f"  {name:20} {rate:10,.0f} {rate / rates['floor B']:8.3f} {rate / third if third else 0:8.2f} "
            f"{p50:8.1f} {p99:8.1f} {cpu[name]:17.0f} {paced[name]['p99_ms'] if name in paced else 0:16.1f}"
        )
    keep("allow", {"load": os.getloadavg()[0], "rounds": found, "at half the rate": paced})


def _contenders(
    processes: Processes, folder: Path, server: PostgresServer, until: ExitStack
) -> list[Contender]:
    def database() -> str:
        name = server.create()
        until.callback(server.drop, name)
        return server.url_of(name)

    return [
        floor(processes, "floor A", "a"),
        floor(processes, "floor B", "b"),
        floor(processes, "floor C sqlite", "c", f"sqlite:///{folder / 'floor.db'}"),
        floor(processes, "floor C postgresql", "c", database()),
        until.enter_context(gate(folder / "sqlite", "gate sqlite", f"sqlite:///{folder / 'gate.db'}")),
        until.enter_context(gate(folder / "postgresql", "gate postgresql", database())),
    ]
