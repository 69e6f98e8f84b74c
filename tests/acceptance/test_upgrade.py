"""Two versions of the gate on one database: replicas are replaced one after the other while agents go on working."""

from __future__ import annotations

import asyncio
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp

from gate.store import migrate
from tests.acceptance.running import Gate, Json, gate_for, proposal, slack_env, slack_running
from tests.harness.processes import Processes, Running

ROOT = Path(__file__).parents[2]
NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{head}", None, None


def upgrade() -> None:
    op.add_column("actions", sa.Column("of_the_next_version", sa.Text()))
    op.create_table("of_the_next_version", sa.Column("id", sa.Integer(), primary_key=True))
"""


class Site:
    """The replicas that serve now, and an agent that insists on an answer from any of them."""

    def __init__(self, gate: Gate, folder: Path) -> None:
        self.gate = gate
        self.folder = folder
        self.urls: list[str] = []
        self.actions: dict[str, Json] = {}
        self.over = asyncio.Event()
        self._done = asyncio.Event()

    async def start(self, *, code: Path | None = None) -> tuple[Running, str]:
        env = self.gate.env
        if code is None:
            running = self.gate.processes.gate("serve", env=env, cwd=self.folder)
        else:
            command = (sys.executable, "-m", "gate.cli.main", "serve")
            running = self.gate.processes.start(*command, env=env | {"PYTHONPATH": str(code)}, cwd=code)
        line = await running.aexpect(r'"event": ?"gate.started".*"url": ?"([^"]+)"', within=120)
        self.urls.append(line[1])
        return running, line[1]

    async def stop(self, running: Running, url: str) -> None:
        self.urls.remove(url)
        running.ask_to_stop()
        assert await running.await_exit(within=60) == 0

    async def insist(self, method: str, path: str, body: Json, **headers: str) -> tuple[int, Json]:
        number = 0
        while True:
            number += 1
            with suppress(aiohttp.ClientError, OSError, IndexError):
                self.gate.url = self.urls[number % len(self.urls)]
                status, document, _ = await self.gate.ask(method, path, body, **headers)
                if status < 500:
                    return status, document
            await asyncio.sleep(0.05)  # a client's own back-off

    async def agent(self, name: str) -> None:
        """Propose, collect and execute, one action after the other."""
        number = 0
        while not self.over.is_set():
            number += 1
            body = proposal("work.free", payload={"order": number, "agent": name})
            key = f"{name}-{number}"
            status, document = await self.insist("POST", "/v1/actions", body, Idempotency_Key=key)
            assert (status, document["status"]) == (200, "allowed"), document
            if document["grant"] is not None:
                used = {"token": document["grant"]["token"], "payload": document["payload"]}
                status, answer = await self.insist("POST", "/v1/grants/redeem", used)
                assert status == 200 or answer["code"] == "grant_redeemed", answer
            self.actions[key] = document
            self._done.set()

    async def goes_on(self) -> None:
        """Returns once some more actions went all the way."""
        wanted = len(self.actions) + 5
        async with asyncio.timeout(60):
            while len(self.actions) < wanted:
                self._done.clear()
                await self._done.wait()


def _next_version(folder: Path) -> Path:
    """This code with one more migration, as a version to come would have it."""
    for package in ("gate", "bot"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    versions = folder / "gate/store/migrations/versions"
    (versions / "9999_next.py").write_text(NEXT.format(head=migrate.head()), encoding="utf-8")
    return folder


async def test_replicas_are_replaced_one_by_one_while_agents_work(
    processes: Processes, tmp_path: Path, postgres_url: str
) -> None:
    """INV-54: the new version's migration runs beside two old replicas, one old and one new one serve together, an old
    one restarts on the newer schema, and nothing that was acknowledged is lost, made twice or executed twice."""
    code = await asyncio.to_thread(_next_version, tmp_path / "next")
    async with slack_running(processes, tmp_path, rate_limits=False) as slack:
        env = slack_env(slack.api_url, slack.described.app)
        async with gate_for(processes, tmp_path, env, database_url=postgres_url, start=False) as gate:
            site = Site(gate, tmp_path)
            old, other_old = await site.start(), await site.start()
            async with asyncio.TaskGroup() as group:
                for name in ("a", "b"):
                    group.create_task(site.agent(name))
                try:
                    await site.goes_on()
                    command = (sys.executable, "-m", "gate.cli.main", "migrate")
                    migrated = processes.start(*command, env=gate.env | {"PYTHONPATH": str(code)}, cwd=code)
                    assert await migrated.await_exit(within=120) == 0, migrated.output
                    assert migrate.current(postgres_url) == "9999"
                    await site.goes_on()
                    new = await site.start(code=code)
                    await site.stop(*old)
                    await site.goes_on()
                    restarted = await site.start()
                    await restarted[0].aexpect("schema.newer")
                    await site.stop(*other_old)
                    await site.goes_on()
                    await site.stop(*restarted)
                    await site.goes_on()
                finally:
                    site.over.set()
            gate.url = new[1]
            gate.up.set()
            records = await gate.records()
            await site.stop(*new)
    kinds: dict[str, list[str]] = {}
    for record in records:
        kinds.setdefault(record["action"], []).append(record["kind"])
    for document in site.actions.values():
        assert kinds[document["id"]] == ["action.allowed", "grant.issued", "grant.redeemed"]
    made = {action for action, story in kinds.items() if "action.allowed" in story}
    assert len({document["id"] for document in site.actions.values()}) == len(site.actions)
    assert made == {document["id"] for document in site.actions.values()}
