"""The approval round trip, 16 at once: the gate over HTTP next to LangGraph and DBOS, on one durable PostgreSQL."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import SandboxApp, SandboxChannel, SandboxUser, Workspace
from tests.acceptance.running import slack_env
from tests.bench.contenders import cpu, gate, keep
from tests.bench.peers.install import NotInstalled, peers_python
from tests.harness.postgres import PostgresServer
from tests.harness.processes import Processes, Running

pytestmark = pytest.mark.bench

HERE = Path(__file__).parent / "peers"
CLIENTS = 16
ROUNDS = int(os.environ.get("GATE_TEST_BENCH_ROUNDS", "3"))
SECONDS = float(os.environ.get("GATE_TEST_BENCH_SECONDS", "3"))
AIM = 10

LANES = [f"{how}-{n}" for how in ("votes", "clicks") for n in range(CLIENTS)]
"""A channel for each worker, because Slack takes about one message a second in each, and the gate knows that."""

_RULES = "\n".join(
    f"  - {{id: {lane}, match: {{topics: [work.{lane}]}}, decision: require_approval, risk: medium, "
    f'reason: Is looked at, approval: {{groups: [team-{lane.partition("-")[2]}], sla: 30m, channel: "#{lane}"}}}}'
    for lane in LANES
)
POLICY = f"""
version: v1
fatigue_controls: {{digest_above: 1000}}
rules:
{_RULES}
"""
_PEOPLE = "\n".join(
    f"  p{n}: {{name: Person {n}, email: p{n}@meridian.example, slack: U0P{n}}}" for n in range(CLIENTS)
)
_TEAMS = "\n".join(f"  team-{n}: {{members: [p{n}]}}" for n in range(CLIENTS))
"""One person each: everybody who is asked is told, so larger teams would measure messages instead of decisions."""
PEOPLE = f"""
version: v1
people:
{_PEOPLE}
  own: {{name: Own Ferrari, email: own@meridian.example}}
groups:
{_TEAMS}
  approvers: {{members: [own]}}
channels: {{default: "#approvals"}}
"""

Round = Callable[[], dict[str, Any]]


@pytest.mark.timeout(900)
def test_the_approval_round_trip(
    processes: Processes, tmp_path: Path, durable_postgres: PostgresServer
) -> None:
    """Each in turn in every round. The gate does what it does for everybody: keys, policy, the record, the card in
    Slack; a peer keeps its own state, in one process with whoever asks and whoever votes. Each round has a gate and a
    workspace of its own, because what Slack takes slowly would otherwise be sent during the next one's round."""
    with ExitStack() as until:
        places = (tmp_path / str(n) for n in itertools.count())
        contenders: dict[str, Round] = {
            "gate, votes": lambda: _gate(processes, next(places), durable_postgres)
        }
        try:
            contenders |= _peers(peers_python(), durable_postgres, until)
        except NotInstalled as why:
            print(f"\n  only the gate is measured: {why}")
        clicks = _gate(processes, next(places), durable_postgres, clicks=True)
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, measured in contenders.items():
                found[name].append(measured())
    _tell(found | {"gate, clicks": [clicks]})
    kept = {"clicks": clicks, "rounds": found}
    keep("round_trip", {"load": os.getloadavg()[0], "clients": CLIENTS, **kept})


def _tell(found: dict[str, list[dict[str, Any]]]) -> None:
    def median(name: str, figure: str) -> float:
        return statistics.median(one[figure] for one in found[name])

    print(f"\n  load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {ROUNDS} rounds of {SECONDS:g} s")
    print("                          a second   the gate's votes, ×   p50 ms   p99 ms   ms of processor")
    ours = median("gate, votes", "rate")
    for name in found:
        print(
            f"  {name:22} {median(name, 'rate'):10,.1f} {ours / median(name, 'rate'):22.2f} "
            f"{median(name, 'p50_ms'):8.1f} {median(name, 'p99_ms'):8.1f} {median(name, 'cpu_us') / 1000:17.2f}"
        )
    for stock in ("LangGraph", "DBOS"):
        if stock in found:
            times = ours / median(stock, "rate")
            print(f"  at least {AIM} times {stock}: {'met' if times >= AIM else 'NOT met'} ({times:.2f})")


def _database(server: PostgresServer, until: ExitStack) -> str:
    name = server.create()
    until.callback(server.drop, name)
    return server.url_of(name)


def _gate(
    processes: Processes, folder: Path, server: PostgresServer, *, clicks: bool = False
) -> dict[str, Any]:
    """One round with a gate and a workspace of its own; with `clicks` as many as Slack takes without a pause."""
    folder.mkdir()
    with ExitStack() as until:
        workspace, page, slack = _workspace(processes, folder)
        until.callback(workspace.stop)
        contender = until.enter_context(
            gate(
                folder / "gate",
                "gate",
                _database(server, until),
                policy=POLICY,
                people=PEOPLE,
                command=(sys.executable, "-m", "tests.bench.peers.voting"),
                PYTHONPATH=str(Path.cwd()),
                **slack,
            )
        )
        how = ["--workspace", page, "--each", "2"] if clicks else ["--votes", str(contender.told["votes"])]
        command = ["gate_round.py", "--port", str(contender.port), "--key", contender.key, *how]
        before = cpu(contender.pid)
        one = _run(Path(sys.executable), *command)
        one["cpu_us"] = (cpu(contender.pid) - before) / one["in_all"] * 1e6
        return one


def _workspace(processes: Processes, folder: Path) -> tuple[Running, str, dict[str, str]]:
    """A stand-in for Slack, a person and two channels for each worker: its process, page, and a gate's settings."""
    app = SandboxApp()
    users = [SandboxUser(f"U0P{n}", f"p{n}", f"Person {n}", f"p{n}@meridian.example") for n in range(CLIENTS)]
    users.append(SandboxUser("U0OWN", "own", "Own Ferrari", "own@meridian.example"))
    members = (*(user.id for user in users), app.bot_user_id)
    channels = tuple(
        SandboxChannel(f"C0{name.upper().replace('-', '')}", name, members) for name in ("approvals", *LANES)
    )
    described = folder / "workspace.json"
    told = asdict(Workspace(users=tuple(users), channels=channels, app=app))
    described.write_text(json.dumps(told), encoding="utf-8")
    running = processes.sandbox(
        *(
            "--bind",
            "127.0.0.1:0",
            "--workspace",
            described,
            "--state",
            folder / "slack.db",
            "--no-rate-limits",
        )
    )
    page = running.expect(r"^page\s+(\S+)")[1].rstrip("/")
    return running, page, slack_env(f"{page}/api/", app)


def _peers(python: Path, server: PostgresServer, until: ExitStack) -> dict[str, Round]:
    def peer(script: str, *options: str) -> Round:
        url = _database(server, until)

        def measured() -> dict[str, Any]:
            one = _run(python, script, "--url", url, *options)
            one["cpu_us"] = one["own_cpu_us"]
            return one

        return measured

    return {
        "LangGraph": peer("langgraph_round.py"),
        "LangGraph, tuned": peer("langgraph_round.py", "--tuned"),
        "DBOS": peer("dbos_round.py"),
    }


def _run(python: Path, script: str, *options: str) -> dict[str, Any]:
    command = [python, HERE / script, "--clients", str(CLIENTS), "--seconds", str(SECONDS), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
