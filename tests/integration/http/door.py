"""What the HTTP tests say: requests in few words, raw bytes where a library would be too polite."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from gate.domain.action import Agent
from gate.http.app import WAITS, build_app, runner
from gate.http.settings import Check, HttpSettings
from gate.keyring.checkpoints import CheckpointSigner
from gate.metrics import Metrics
from gate.usecases.ports import Deps, StoredAgent
from gate.workers.sequencer import Pace, Sequencer
from tests.fakes.world import POLICY, World, world

POLICY_HERE = POLICY.replace(
    "rules:\n",
    """rules:
  - {id: never, match: {topics: ["db.drop"]}, decision: deny, reason: Never,
     remediations: [{id: archive, title: Archive it, replacement_topic: db.archive}]}
  - {id: calm, match: {topics: ["mail.blast"]}, decision: throttle, reason: Too many, retry_after: 90s}
  - {id: fenced, match: {topics: ["job.run"]}, decision: allow_with_constraints, reason: Within limits,
     constraints: {max_runtime_sec: 60}}
""",
    1,
)


@dataclass(frozen=True, slots=True)
class Got:
    """An answer, whole."""

    status: int
    headers: Any
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        """The code of an error document, which is checked to be one."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self.raw[:300]
        body = self.body
        assert body["type"] == f"urn:signoff:problem:{body['code']}"
        assert body["status"] == self.status
        assert body["request_id"] == self.headers["X-Request-Id"]
        assert body["title"]
        assert body["detail"]
        return body["code"]

    @property
    def pointers(self) -> dict[str, str]:
        return {error["pointer"]: error["code"] for error in self.body["errors"]}


@dataclass
class Door:
    """The gate and its clients. Keys are named for the agents in `AGENTS`."""

    world: World
    url: str
    session: aiohttp.ClientSession
    app: web.Application
    port: int
    checks: list[Check] = field(default_factory=list)

    async def call(
        self,
        method: str,
        path: str,
        *,
        key: str | None = "bot",
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        **body: Any,
    ) -> Got:
        sent = dict(headers or {})
        if key is not None:
            sent.setdefault("Authorization", f"Bearer {secret(key)}")
        if body and data is None:
            data = json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.url + path, data=data, headers=sent) as answer:
            return Got(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **options: Any) -> Got:
        return await self.call("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Got:
        return await self.call("POST", path, **options)

    async def propose(self, topic: str = "pay.refund", *, key: str = "bot", **more: Any) -> Got:
        headers = more.pop("headers", None)
        fields = {"payload": {"amount": 1400, "order": "881"}, "summary": "Refund $1,400.00"} | more
        return await self.post("/v1/actions", key=key, headers=headers, topic=topic, **fields)

    def app_waits(self) -> int:
        """How many requests wait now."""
        return self.app[WAITS].open

    async def approve(self, action_id: str, *people: str) -> None:
        for person in people or ("ana",):
            record = await self.world.load(action_id)
            await self.world.vote(record, person)

    async def sign(self, notary: CheckpointSigner) -> None:
        """Number what is on record and sign a checkpoint over it."""
        deps = self.world.deps
        worker = Sequencer(
            store=deps.store,
            clock=deps.clock,
            wakeups=deps.wakeups,
            notary=notary,
            metrics=Metrics(),
            pace=Pace(every_sec=0),
        )
        assert await worker.look()

    async def talk(self, sent: bytes) -> bytes:
        """Exactly these bytes on a connection of their own, and everything that comes back until it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        await writer.drain()
        got = await reader.read()
        writer.close()
        await writer.wait_closed()
        return got


AGENTS = {
    "bot": Agent(id="agt_bot", name="support-bot", team="support", owner="own"),
    "other": Agent(id="agt_other", name="other-bot", team="sales", owner="own"),
    "executor": Agent(id="agt_exec", name="runner", team="ops", owner="own", scopes=frozenset({"execute"})),
    "elsewhere": Agent(
        id="agt_else",
        name="elsewhere",
        team="ops",
        owner="own",
        scopes=frozenset({"execute"}),
        audiences=frozenset({"payments"}),
    ),
    "reader": Agent(id="agt_read", name="reports", team="gov", owner="own", scopes=frozenset({"read"})),
    "admin": Agent(id="agt_admin", name="root", team="gov", owner="own", scopes=frozenset({"admin"})),
}


def secret(key: str) -> str:
    """The bearer key of an agent of `AGENTS`; of nobody for any other name."""
    return f"sk_test_{key}_0123456789abcdef"


async def enrol(deps: Deps, name: str, agent: Agent) -> None:
    digest = hashlib.sha256(secret(name).encode()).hexdigest()
    async with deps.store.writing() as tx:
        assert await tx.agents.add(StoredAgent(agent=agent, key_sha256=digest, created_at=deps.clock.now()))


@asynccontextmanager
async def open_door(
    url: str, keys: Path, *, change: Callable[[Deps], Deps] = lambda deps: deps, **settings: Any
) -> AsyncIterator[Door]:
    """A served gate; `change` may put something between the application and the world."""
    async with world(url, keys) as made:
        made.source.load(POLICY_HERE)
        for name, agent in AGENTS.items():
            await enrol(made.deps, name, agent)
        checks: list[Check] = []

        async def readiness() -> Sequence[Check]:
            return checks or (Check(name="store", state="ok"),)

        told: dict[str, Any] = {
            "jwks": made.signer.jwks,
            "readiness": readiness,
            "registry": CollectorRegistry(),
            "disconnect_poll": 0.02,
            "heartbeat": 0.05,
            "checkpoint_wait": 0.02,
        }
        app = build_app(change(made.deps), HttpSettings(**(told | settings)), extra=[web.get("/x", _extra)])
        running = runner(app, shutdown_timeout=5)
        await running.setup()
        await web.TCPSite(running, "127.0.0.1", 0).start()
        port = running.addresses[0][1]
        try:
            async with aiohttp.ClientSession() as session:
                yield Door(made, f"http://127.0.0.1:{port}", session, app, port, checks)
        finally:
            await running.cleanup()


async def _extra(request: web.Request) -> web.Response:
    if request.query:
        raise RuntimeError(f"unexpected {request.query}")
    return web.Response(text="mounted")


async def eventually(ready: Callable[[], Awaitable[bool] | bool]) -> None:
    """Yields to the loop until it is so; the test's own time-out is the bound."""
    while True:
        answer = ready()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0)
