"""Three gates on one PostgreSQL, each behind relays of its own, a workspace, and a receiver of callbacks."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aiohttp import web

from tests.acceptance.running import SLACK_IDS, Gate, Slack, slack_env, slack_running, workspace, write_rules
from tests.harness.postgres import OwnServer
from tests.harness.processes import Processes, Running
from tests.soak.campaign.proxy import Relay

Json = dict[str, Any]
ROOT = Path(__file__).parents[3]
SKEW_SEC = 3_600
"""How far the third replica's machine clock is ahead."""


class Journal:
    """What somebody outside saw, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8")

    def note(self, saw: str, **what: Any) -> None:
        self._file.write(json.dumps({"saw": saw, "at": time.time(), **what}) + "\n")

    def flush(self) -> None:
        """Write down what was noted so far."""
        self._file.flush()

    def close(self) -> None:
        self._file.close()


@dataclass
class Replica:
    """One gate: killed and started again it stays the same one. `up` is set while it serves."""

    name: str
    gate: Gate
    database: Relay
    slack: Relay
    skew_sec: int = 0
    running: Running | None = None
    url: str = ""
    up: asyncio.Event = field(default_factory=asyncio.Event)
    starts: list[float] = field(default_factory=list)
    """Seconds from each launch to serving."""
    used: list[float] = field(default_factory=list)
    """Seconds of processor time that each took."""

    async def start(self) -> None:
        began = time.monotonic()
        env = dict(self.gate.env)
        if self.skew_sec:
            command = (sys.executable, "-m", "tests.soak.campaign.skewed", "serve")
            env |= {"SKEW_SEC": str(self.skew_sec), "PYTHONPATH": str(ROOT)}
            self.running = self.gate.processes.start(*command, env=env, cwd=self.gate.folder)
        else:
            self.running = self.gate.processes.installed("serve", env=env, cwd=self.gate.folder)
        line = await self.running.aexpect(r'"event": ?"gate.started".*"url": ?"([^"]+)"', within=120)
        self.url = line[1]
        self.starts.append(time.monotonic() - began)
        self.used.append(_processor_time(self.running.pid))
        self.up.set()

    async def insist_on_start(self) -> None:
        """Start it again and again until it serves, as a supervisor does: its database may be away."""
        while True:
            try:
                await self.start()
                return
            except AssertionError:
                await asyncio.sleep(0.2)  # a supervisor's own pause

    async def kill(self) -> None:
        self.up.clear()
        if self.running is not None:
            await asyncio.to_thread(self.running.crash)


def _processor_time(pid: int) -> float:
    """Seconds that a process has used so far; 0 where the kernel shows none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Stage:
    """Everything that runs, and what those outside have seen."""

    folder: Path
    server: OwnServer
    server_url: str
    slack: Slack
    replicas: list[Replica]
    http: aiohttp.ClientSession
    key: str
    journal: Journal
    hooks_url: str
    data: Path
    called_back: asyncio.Event
    """Set with every callback that arrives."""

    async def anybody(self, chance: float) -> Replica:
        """Some replica that serves, chosen by a number from 0 to 1."""
        while not any(each.up.is_set() for each in self.replicas):
            await asyncio.wait(
                [asyncio.create_task(each.up.wait()) for each in self.replicas],
                return_when=asyncio.FIRST_COMPLETED,
            )
        up = [each for each in self.replicas if each.up.is_set()]
        return up[int(chance * len(up)) % len(up)]

    async def told(self, *, within: float) -> None:
        """Returns when the workspace changes or a callback arrives, or when the time is over."""
        self.called_back.clear()
        news = (
            asyncio.create_task(self.slack.changed(within=within)),
            asyncio.create_task(self.called_back.wait()),
        )
        await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
        for task in news:
            task.cancel()
        await asyncio.gather(*news, return_exceptions=True)

    async def ask(
        self, url: str, method: str, path: str, body: Json | None = None, **headers: str
    ) -> tuple[int, Json]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {self.key}"
        async with self.http.request(method, url + path, json=body, headers=named) as answer:
            return answer.status, await answer.json(content_type=None)

    async def verb(self, *arguments: str) -> str:
        """The output of `gate …`, run beside the gates straight on the database."""
        env = dict(self.replicas[0].gate.env) | {"GATE_DATABASE_URL": self.server_url}
        running = self.replicas[0].gate.processes.gate(*arguments, env=env, cwd=self.folder)
        code = await running.await_exit(within=600)
        assert code == 0, running.output
        return running.output


@asynccontextmanager
async def stage(
    processes: Processes, folder: Path, *, data: Path | None = None, replicas: int = 3
) -> AsyncIterator[Stage]:
    """All of it, started; `data` is where PostgreSQL keeps its files."""
    server = OwnServer({"max_wal_size": "256MB", "shared_buffers": "128MB"}, durable=True, data=data)
    called_back = asyncio.Event()
    journal = Journal(folder / "clients.jsonl")
    relays: list[Relay] = []
    try:
        server_url = await asyncio.to_thread(server.start)
        write_rules(folder, slack_ids=SLACK_IDS)
        (folder / "keys").mkdir(mode=0o700)
        async with (
            slack_running(processes, folder, workspace(), rate_limits=False) as slack,
            _receiver(folder / "hooks.jsonl", called_back) as hooks_url,
            aiohttp.ClientSession(
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=40),
                connector=aiohttp.TCPConnector(limit=0),
            ) as http,
        ):
            found: list[Replica] = []
            for number in range(replicas):
                database, workspace_relay = Relay(*_place(server_url)), Relay(*_place(slack.api_url))
                relays += (database, workspace_relay)
                await database.start()
                await workspace_relay.start()
                env = slack_env(_at(slack.api_url, workspace_relay.port), slack.described.app)
                env |= {"GATE_CALLBACK_HOSTS": "localhost", "GATE_PENDING_PER_AGENT": "5000"}
                gate = Gate(processes, folder, _at(server_url, database.port), env)
                skew = SKEW_SEC if number == 2 else 0
                found.append(Replica(f"gate-{number + 1}", gate, database, workspace_relay, skew))
            direct = Gate(processes, folder, server_url, {})
            key = await direct.give_key()
            await found[0].start()
            await asyncio.gather(*(each.start() for each in found[1:]))
            yield Stage(
                folder=folder,
                server=server,
                server_url=server_url,
                slack=slack,
                replicas=found,
                http=http,
                key=key,
                journal=journal,
                hooks_url=hooks_url,
                data=data or folder,
                called_back=called_back,
            )
            for each in found:
                if each.running is not None:
                    with suppress(AssertionError):
                        await asyncio.to_thread(each.running.stop)
    finally:
        for relay in relays:
            await relay.stop()
        journal.close()
        await asyncio.to_thread(server.stop)


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _at(url: str, port: int) -> str:
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    return urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{port}"))


@asynccontextmanager
async def _receiver(path: Path, called_back: asyncio.Event) -> AsyncIterator[str]:
    """Notes each callback, and refuses every fifth the first time, so that retries are seen."""
    journal, count = Journal(path), 0

    async def take(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        body = await request.json()
        taken = count % 5 != 0
        journal.note(
            "callback",
            id=request.headers["webhook-id"],
            timestamp=int(request.headers["webhook-timestamp"]),
            type=body["type"],
            action=body["data"]["id"],
            status=body["data"]["status"],
            taken=taken,
        )
        journal.flush()
        called_back.set()
        return web.Response(status=204 if taken else 503)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://localhost:{port}/hook"
    finally:
        await runner.cleanup()
        journal.close()
