"""What one request takes when requests come at a fixed pace, whatever the server does: latency below saturation."""

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
SHARES = (0.25, 0.5, 0.75)
HELD_TO_MS = 25.0
"""p99 at half of the closed loop's rate."""


@pytest.mark.timeout(900)
def test_latency_at_a_fixed_pace(
    processes: Processes, tmp_path: Path, durable_postgres: PostgresServer
) -> None:
    """What each does in a closed loop of 64 clients first; then shares of that, in rounds, all contenders in turn."""
    with ExitStack() as until:
        contenders = _contenders(processes, tmp_path, durable_postgres, until)
        for each in contenders:
            load(each, seconds=1)
        closed = {each.name: _sound(load(each, seconds=SECONDS)) for each in contenders}
        found: dict[str, dict[float, list[dict[str, Any]]]] = {each.name: {} for each in contenders}
        for _ in range(ROUNDS):
            for share in SHARES:
                for each in contenders:
                    rate = closed[each.name]["rate"] * share
                    one = _sound(load(each, seconds=SECONDS, rate=rate))
                    found[each.name].setdefault(share, []).append(one)
    print(f"\n  load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {ROUNDS} rounds of {SECONDS:g} s")
    print("                     of the closed loop   a second   p50 ms   p99 ms   µs of processor")
    for name, shares in found.items():
        print(f"  {name:16} {'all':>22} {_row([closed[name]])}")
        for share, rounds in shares.items():
            print(f"  {name:16} {share:22} {_row(rounds)}")
        if name.startswith("gate"):
            late = _median(shares[0.5], "p99_ms")
            met = "met" if late < HELD_TO_MS else "NOT met"
            print(f"  {name}: p99 under {HELD_TO_MS:g} ms at half of the rate: {met} ({late:.1f})")
    keep("open_loop", {"load": os.getloadavg()[0], "closed": closed, "rounds": found})


def _median(rounds: list[dict[str, Any]], figure: str) -> float:
    return statistics.median(one[figure] for one in rounds)


def _row(rounds: list[dict[str, Any]]) -> str:
    rate, p50, p99, cpu = (_median(rounds, each) for each in ("rate", "p50_ms", "p99_ms", "cpu_us"))
    return f"{rate:10,.0f} {p50:8.1f} {p99:8.1f} {cpu:17.0f}"


def _sound(one: dict[str, Any]) -> dict[str, Any]:
    assert set(one["answers"]) == {"200"}, one
    return one


def _contenders(
    processes: Processes, folder: Path, server: PostgresServer, until: ExitStack
) -> list[Contender]:
    name = server.create()
    until.callback(server.drop, name)
    return [
        floor(processes, "floor B", "b"),
        until.enter_context(gate(folder / "sqlite", "gate sqlite", f"sqlite:///{folder / 'gate.db'}")),
        until.enter_context(gate(folder / "postgresql", "gate postgresql", server.url_of(name))),
    ]
