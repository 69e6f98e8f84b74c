"""The processes a benchmark compares, and one round of load against one of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gate.cli.agents import add_agent
from gate.config import Settings
from gate.domain.people import Person
from gate.wiring.desk import open_desk
from tests.bench.rules import rules_text
from tests.harness.postgres import PostgresServer, own_server
from tests.harness.processes import GATE, Processes, die_with_parent

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")

DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "autovacuum": "on",
    "max_wal_size": "2GB",
    "min_wal_size": "512MB",  # segments are used again: a fresh server makes each one first
}
"""A server as it is installed, but for more room: tests turn durability off, benchmarks must not."""

PEOPLE = """
version: v1
people:
  ana: {name: Ana Ruiz, email: ana@meridian.example}
  bo: {name: Bo Lindqvist, email: bo@meridian.example}
  own: {name: Own Ferrari, email: own@meridian.example}
groups:
  approvers: {members: [ana, bo]}
channels: {default: "#approvals"}
"""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A server under load: where it listens, with which key, and which process it is."""

    name: str
    port: int
    pid: int
    key: str = "none"
    told: Mapping[str, Any] = field(default_factory=dict)
    """What it said of itself when it began to serve."""
    started_sec: float = 0.0
    """From its start until it served."""


@pytest.fixture(scope="module")
def durable_postgres() -> Iterator[PostgresServer]:
    """A server of its own that really flushes."""
    with own_server(DURABLE) as server:
        yield server


def floor(processes: Processes, name: str, kind: str, url: str = "") -> Contender:
    """Floor A, B or C, started."""
    running = processes.start(
        sys.executable, HERE / "floors.py", kind, *(("--url", url) if url else ()), cwd=HERE
    )
    port = int(running.expect(r"^port (\d+)")[1])
    return Contender(name=name, port=port, pid=running.pid)


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A gate as it is installed: it may be started, stopped and started again."""

    name: str
    folder: Path
    key: str
    env: Mapping[str, str]
    command: Sequence[str | Path]

    @contextmanager
    def serving(self) -> Iterator[Contender]:
        """Started, until the end; its log goes to a file, as in production."""
        with (self.folder / "log").open("ab") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                [*self.command],
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **self.env},
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=die_with_parent(15),
            )
            try:
                assert process.stdout is not None
                told = b""
                while not told.endswith(b"}\n"):
                    line = process.stdout.readline()
                    assert line, (self.folder / "log").read_text()[-3000:]
                    told += line
                assert b"api" in told, told
                found = json.loads(told)
                yield Contender(
                    name=self.name,
                    port=int(found["api"].rpartition(":")[2]),
                    pid=process.pid,
                    key=self.key,
                    told=found,
                    started_sec=time.perf_counter() - began,
                )
            finally:
                process.terminate()
                process.wait(timeout=30)
                if process.stdout is not None:
                    process.stdout.close()


def installed(
    folder: Path,
    name: str,
    url: str,
    *,
    rules: int = 100,
    policy: str = "",
    people: str = PEOPLE,
    command: Sequence[str | Path] = (GATE, "serve", "--json"),
    **settings: str,
) -> Installed:
    """A gate as it is installed, with so many rules (or `policy`), everything on. `command` starts it and has to say
    as a line of JSON where its `api` is."""
    folder.mkdir()
    (folder / "policies").mkdir()
    (folder / "policies" / "bench.yaml").write_text(policy or rules_text(rules), encoding="utf-8")
    (folder / "people.yaml").write_text(people, encoding="utf-8")
    env = {
        "GATE_DATABASE_URL": url,
        "GATE_BIND": "127.0.0.1:0",
        "GATE_SANDBOX_BIND": "127.0.0.1:0",
        "GATE_POLICIES": str(folder / "policies"),
        "GATE_PEOPLE": str(folder / "people.yaml"),
        "GATE_KEYS": str(folder / "keys"),
        **settings,
    }
    return Installed(name=name, folder=folder, key=asyncio.run(_key(folder, url)), env=env, command=command)


@contextmanager
def gate(folder: Path, name: str, url: str, **options: Any) -> Iterator[Contender]:
    """A gate installed and started; the options are those of `installed`."""
    with installed(folder, name, url, **options).serving() as serving:
        yield serving


async def _key(folder: Path, url: str) -> str:
    async with open_desk(Settings(database_url=url, keys=folder / "keys")) as desk:
        key = await add_agent(
            desk,
            name="bench",
            team="support",
            owner=Person(id="own", name="Own", email="own@meridian.example"),
            scopes=frozenset({"propose", "execute", "read", "admin"}),
            audiences=frozenset({"executors"}),
        )
    assert key is not None
    return key


_rounds = iter(range(10**6))


def load(contender: Contender, **options: Any) -> dict[str, Any]:
    """One round: what the load process said, and the processor time the server took for each request, in µs."""
    before = cpu(contender.pid)
    arguments = {"port": contender.port, "key": contender.key, "prefix": f"r{next(_rounds):04d}-"} | options
    done = subprocess.run(
        [sys.executable, HERE / "load.py", *(f"--{name}={value}" for name, value in arguments.items())],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    count = sum(found["answers"].values())
    found["cpu_us"] = round((cpu(contender.pid) - before) / max(count, 1) * 1e6, 1)
    return found


def cpu(pid: int) -> float:
    """Seconds of processor time a process has taken so far, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> float:
    """MB of memory that a process holds now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def keep(name: str, found: Mapping[str, Any]) -> None:
    """Leave the figures as JSON beside the table: `var/bench/NAME.json`."""
    folder = Path("var/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
