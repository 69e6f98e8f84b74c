"""A gate and a Slack-like workspace as separate processes, and how agents, reviewers and readers reach them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from bot.sandbox import SandboxApp, SandboxChannel, SandboxUser, Workspace
from gate.cli.agents import add_agent
from gate.config import Settings
from gate.domain.people import Person
from gate.wiring.desk import open_desk
from tests.harness.processes import Processes, Running

Json = dict[str, Any]
Found = TypeVar("Found")

LANES = 4
"""Channels that cards are spread over, because Slack takes about one message a second in each."""

POLICY = """
version: v1
fatigue_controls: {{digest_above: 1000}}
rules:
{lanes}
  - id: pair
    match: {{topics: ["work.pair"]}}
    decision: require_approval
    risk: high
    reason: Two people agree
    approval: {{groups: [reviewers], quorum: 2, sla: 30m, channel: "#lane-0"}}
  - id: brief
    match: {{topics: ["work.brief"]}}
    decision: require_approval
    risk: medium
    reason: Has to be quick
    approval: {{groups: [reviewers], sla: 3s, escalation: [{{after: 2s, to: ["group:approvers"]}}], on_timeout: deny}}
  - id: held
    match: {{topics: ["work.held"]}}
    decision: require_approval
    risk: high
    reason: Is held past its time
    approval: {{groups: [reviewers], sla: 2s, on_timeout: hold}}
  - id: free
    match: {{topics: ["work.free"]}}
    decision: allow
    reason: Harmless
"""
_LANE = """  - id: lane-{n}
    match: {{topics: ["work.lane-{n}"]}}
    decision: require_approval
    risk: medium
    reason: Is looked at
    approval: {{groups: [reviewers], sla: 30m, channel: "#lane-{n}"}}"""

PEOPLE = """
version: v1
people:
  ana: {{name: Ana Ruiz, email: ana@meridian.example{ana}}}
  bo: {{name: Bo Lindqvist, email: bo@meridian.example{bo}}}
  chi: {{name: Chi Okafor, email: chi@meridian.example{chi}}}
  own: {{name: Own Ferrari, email: own@meridian.example{own}}}
groups:
  reviewers: {{members: [ana, bo]}}
  approvers: {{members: [chi]}}
channels: {{default: "#approvals"}}
"""


def workspace(
    *, people: Mapping[str, str] | None = None, channels: Mapping[str, str] | None = None, **app: Any
) -> Workspace:
    """Ana, Bo, Chi and Own with `#approvals` and the lanes; `people` and `channels` give other ids by name."""
    ids = {name: f"U0{name.upper()}" for name in ("ana", "bo", "chi", "own")} | dict(people or {})
    names = {"ana": "Ana Ruiz", "bo": "Bo Lindqvist", "chi": "Chi Okafor", "own": "Own Ferrari"}
    places = ("approvals", *(f"lane-{n}" for n in range(LANES)))
    places_ids = {name: f"C0{name.upper().replace('-', '')}" for name in places} | dict(channels or {})
    described = SandboxApp(**app)
    members = (*ids.values(), described.bot_user_id)
    return Workspace(
        users=tuple(
            SandboxUser(ids[name], name, names[name], f"{name}@meridian.example") for name in sorted(ids)
        ),
        channels=tuple(SandboxChannel(places_ids[name], name, members) for name in places),
        app=described,
    )


class Slack:
    """The workspace in a process of its own, watched through its control interface."""

    def __init__(
        self, processes: Processes, folder: Path, described: Workspace, *, rate_limits: bool
    ) -> None:
        self.described = described
        self._processes = processes
        self._folder = folder
        self._rate_limits = rate_limits
        self._changed = asyncio.Event()
        self._open = AsyncExitStack()
        self.process: Running | None = None
        self.url = ""
        self.api_url = ""

    async def start(self) -> None:
        """Serve, and follow every change from here on."""
        description = self._folder / "workspace.json"
        description.write_text(json.dumps(asdict(self.described)), encoding="utf-8")
        options = [] if self._rate_limits else ["--no-rate-limits"]
        self.process = self._processes.sandbox(
            *("--bind", "127.0.0.1:0", "--workspace", description),
            *("--state", self._folder / "slack.db", *options),
        )
        page = await self.process.aexpect(r"^page\s+(\S+)")
        self.url = page[1].rstrip("/")
        self.api_url = f"{self.url}/api/"
        self._http = await self._open.enter_async_context(aiohttp.ClientSession(trust_env=False))
        following = asyncio.create_task(self._follow())
        self._open.push_async_callback(_ended, following)

    async def stop(self) -> None:
        await self._open.aclose()

    async def _follow(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._http.get(f"{self.url}/sandbox/events", timeout=timeout) as stream:
            async for line in stream.content:
                if line.startswith(b"event:"):
                    self._changed.set()

    async def state(self) -> Json:
        async with self._http.get(f"{self.url}/sandbox/state") as answer:
            return await answer.json()

    async def calls(self, method: str) -> list[Json]:
        """Every call of a Web API method so far, oldest first."""
        async with self._http.get(f"{self.url}/sandbox/calls", params={"method": method}) as answer:
            return (await answer.json())["calls"]

    async def act(self, what: str, **details: Any) -> Json:
        """What a person does on the page; the answer is what the page shows them at once."""
        async with self._http.post(f"{self.url}/sandbox/act", json={"act": what, **details}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def fault(self, what: str, **details: Any) -> None:
        async with self._http.post(f"{self.url}/sandbox/faults", json={"set": what, **details}) as answer:
            assert answer.status == 200, await answer.text()

    async def change_user(self, user: str, **changes: Any) -> None:
        async with self._http.post(f"{self.url}/sandbox/users/{user}", json=changes) as answer:
            assert answer.status == 200, await answer.text()

    async def until(
        self, look: Callable[[Json], Found | None], *, within: float = 60, saying: str = ""
    ) -> Found:
        """The first true answer of `look(state)`, asked again after every change of the workspace."""
        state: Json = {}
        try:
            async with asyncio.timeout(within):
                while True:
                    self._changed.clear()
                    state = await self.state()
                    if found := look(state):
                        return found
                    await self._changed.wait()
        except TimeoutError:
            seen = [(m["channel"], m["ts"], m["text"][:150]) for m in state.get("messages", ())][-12:]
            raise AssertionError(
                f"not within {within:g} s: {saying or look}; last messages: {seen}"
            ) from None

    async def changed(self, *, within: float) -> None:
        """Returns at the next change of the workspace, or when the time is over."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()

    async def until_called(self, method: str, count: int, *, within: float = 60) -> None:
        """Returns once a method was called `count` times in all."""
        async with asyncio.timeout(within):
            while True:
                self._changed.clear()
                if len(await self.calls(method)) >= count:
                    return
                await self._changed.wait()

    async def card(
        self, action_id: str, look: Callable[[Json], object] = lambda card: True, within: float = 60
    ) -> Json:
        """The one card of an action, once `look(card)` is true; more than one fails at once."""

        def found(state: Json) -> Json | None:
            cards = cards_of(state, action_id)
            assert len(cards) <= 1, f"{len(cards)} cards of {action_id}"
            return cards[0] if cards and look(cards[0]) else None

        return await self.until(found, within=within, saying=f"the card of {action_id}")

    async def click(self, user: str, card: Json, button: str = "approve") -> Json:
        return await self.act("click", user=user, channel=card["channel"], ts=card["ts"], action_id=button)

    async def told(self, user: str, words: str, *, after: str = "", within: float = 60) -> Json:
        """The first ephemeral newer than `after` that says `words` to this person."""
        return await self.until(
            lambda state: next((e for e in ephemerals(state, user, after) if words in e["text"]), None),
            within=within,
            saying=f"{user} is told {words!r}",
        )


def cards_of(state: Json, action_id: str) -> list[Json]:
    """Every message anywhere that is a card of this action."""
    return [m for m in state["messages"] if card_action(m) == action_id]


def card_action(message: Json) -> str | None:
    """The action a message is the card of."""
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != "signoff_card":
        return None
    return metadata["event_payload"]["action_id"]


def ephemerals(state: Json, user: str, after: str = "") -> list[Json]:
    """What only this person sees, oldest first."""
    found = [m for m in state["messages"] if m["visible_to"] == user and m["ts"] > after]
    return sorted(found, key=lambda message: message["ts"])


def buttons(card: Json) -> set[str]:
    return {e["action_id"] for b in card["blocks"] if b["type"] == "actions" for e in b["elements"]}


@dataclass
class Gate:
    """The gate as processes: killed and started again, it stays the same gate. `up` is set while it serves."""

    processes: Processes
    folder: Path
    database_url: str
    slack: Mapping[str, str]
    key: str = ""
    runs: list[Running] = field(default_factory=list)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    _http: aiohttp.ClientSession | None = None

    @property
    def env(self) -> dict[str, str]:
        return {
            "GATE_DATABASE_URL": self.database_url,
            "GATE_BIND": "127.0.0.1:0",
            "GATE_POLICIES": str(self.folder / "policies"),
            "GATE_PEOPLE": str(self.folder / "people.yaml"),
            "GATE_KEYS": str(self.folder / "keys"),
            **self.slack,
        }

    @property
    def process(self) -> Running:
        return self.runs[-1]

    def launch(self) -> Running:
        """Start the process, and do not wait for it."""
        running = self.processes.gate("serve", env=self.env, cwd=self.folder)
        self.runs.append(running)
        return running

    async def start(self) -> None:
        """Returns once it serves."""
        await self.launched(self.launch())

    async def launched(self, running: Running) -> None:
        line = await running.aexpect(r'"event": ?"gate.started".*"url": ?"([^"]+)"')
        self.url = line[1]
        self.up.set()

    async def connected(self) -> None:
        """Returns once it holds a Socket Mode connection."""
        await self.process.aexpect('"event": ?"slack_connected"')

    async def crash(self) -> None:
        """SIGKILL."""
        self.up.clear()
        await asyncio.to_thread(self.process.crash)

    async def end(self, *, within: float = 60) -> int:
        """SIGTERM; the exit code."""
        self.up.clear()
        self.process.ask_to_stop()
        return await self.process.await_exit(within=within)

    async def give_key(
        self,
        name: str = "tester",
        *scopes: str,
        owner: str = "own",
        audiences: frozenset[str] = frozenset({"executors"}),
    ) -> str:
        """A key of a new agent, made beside the gate as `gate agents add` makes it."""
        settings = Settings(database_url=self.database_url, keys=self.folder / "keys")
        person = Person(id=owner, name=owner, email=f"{owner}@meridian.example")
        async with open_desk(settings) as desk:
            key = await add_agent(
                desk,
                name=name,
                team="support",
                owner=person,
                scopes=frozenset(scopes or ("propose", "execute", "read", "admin")),
                audiences=audiences,
            )
        assert key is not None
        return key

    async def ask(
        self, method: str, path: str, body: Json | None = None, **headers: str
    ) -> tuple[int, Json, Mapping[str, str]]:
        """One HTTP request: status, document, headers. Raises aiohttp's errors where the gate is away."""
        assert self._http is not None
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {self.key}"
        timeout = aiohttp.ClientTimeout(total=70)
        async with self._http.request(
            method, self.url + path, json=body, headers=named, timeout=timeout
        ) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers

    async def insist(
        self, method: str, path: str, body: Json | None = None, **headers: str
    ) -> tuple[int, Json]:
        """The same, again until there is an answer other than 5xx: what a client with retries does."""
        while True:
            await self.up.wait()
            try:
                status, document, _ = await self.ask(method, path, body, **headers)
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(0.02)  # a client's own back-off; nobody tells it when the gate is back
                continue
            if status < 500:
                return status, document
            await asyncio.sleep(0.02)

    async def propose(self, topic: str, *, key: str = "", **fields: Any) -> Json:
        """A new action's document; with a `key` no other proposal equals it."""
        if key:
            fields.setdefault("payload", {"order": 881, "key": key})
        headers = {"Idempotency_Key": key} if key else {}
        status, document, _ = await self.ask("POST", "/v1/actions", proposal(topic, **fields), **headers)
        assert status in (200, 202), document
        return document

    async def action(self, action_id: str, *, wait: int | None = None) -> Json:
        path = f"/v1/actions/{action_id}"
        if wait is None:
            _, document = await self.insist("GET", path)
        else:
            _, document = await self.insist("GET", path, Prefer=f"wait={wait}")
        return document

    async def records(self, action_id: str = "") -> list[Json]:
        """The audit record, in order, of one action or of everything."""
        found: list[Json] = []
        cursor = ""
        while True:
            query = "?limit=200" + (f"&action={action_id}" if action_id else "")
            status, page = await self.insist("GET", f"/v1/audit/records{query}{cursor}")
            assert status == 200, page
            found += page["items"]
            if page["cursor"] is None:
                return found
            cursor = f"&cursor={page['cursor']}"

    async def metrics(self) -> str:
        assert self._http is not None
        async with self._http.get(f"{self.url}/metrics") as answer:
            return await answer.text()

    async def outbox(self) -> Json:
        """What `gate outbox list --all --json` says."""
        running = self.processes.gate("outbox", "list", "--all", "--json", env=self.env, cwd=self.folder)
        assert await running.await_exit() == 0
        return json.loads("\n".join(line for line in running.lines if not line.startswith('{"')))

    def complaints(self) -> list[str]:
        """Lines of any run that tell of a defect: tracebacks, and whatever was logged as an error."""
        return [
            line
            for running in self.runs
            for line in running.lines
            if "Traceback" in line or '"level":"error"' in line or "never retrieved" in line
        ]


def proposal(topic: str, **fields: Any) -> Json:
    return {"topic": topic, "payload": {"order": 881}, "summary": "Refund order 881"} | fields


def write_rules(folder: Path, *, slack_ids: Mapping[str, str] | None = None) -> None:
    """The policy and people of these tests; persons without a Slack id are found by e-mail."""
    policies = folder / "policies"
    policies.mkdir()
    lanes = "\n".join(_LANE.format(n=n) for n in range(LANES))
    (policies / "work.yaml").write_text(POLICY.format(lanes=lanes), encoding="utf-8")
    ids = slack_ids or {}
    slack = {name: f", slack: {ids[name]}" if name in ids else "" for name in ("ana", "bo", "chi", "own")}
    (folder / "people.yaml").write_text(PEOPLE.format(**slack), encoding="utf-8")


SLACK_IDS = {name: f"U0{name.upper()}" for name in ("ana", "bo", "chi", "own")}


def slack_env(api_url: str, app: SandboxApp) -> dict[str, str]:
    """The settings that point a gate at a workspace in Socket Mode."""
    return {
        "SLACK_API_URL": api_url,
        "SLACK_BOT_TOKEN": app.bot_token,
        "SLACK_APP_TOKEN": app.app_token,
    }


@asynccontextmanager
async def slack_running(
    processes: Processes, folder: Path, described: Workspace | None = None, *, rate_limits: bool = True
) -> AsyncIterator[Slack]:
    slack = Slack(processes, folder, described or workspace(), rate_limits=rate_limits)
    try:
        await slack.start()
        yield slack
    finally:
        await slack.stop()


@asynccontextmanager
async def gate_for(
    processes: Processes,
    folder: Path,
    slack: Mapping[str, str],
    *,
    database_url: str | None = None,
    slack_ids: Mapping[str, str] | None = SLACK_IDS,
    start: bool = True,
) -> AsyncIterator[Gate]:
    """A gate with the rules above on a database of its own; at the end no run may have complained."""
    write_rules(folder, slack_ids=slack_ids)
    (folder / "keys").mkdir(mode=0o700, exist_ok=True)
    gate = Gate(processes, folder, database_url or f"sqlite:///{folder}/gate.db", slack)
    async with aiohttp.ClientSession(trust_env=False) as http:
        gate._http = http
        gate.key = await gate.give_key()
        if start:
            await gate.start()
        yield gate
    assert not gate.complaints(), "\n".join(gate.complaints())


@asynccontextmanager
async def town(
    processes: Processes, folder: Path, *, database_url: str | None = None, rate_limits: bool = True
) -> AsyncIterator[tuple[Gate, Slack]]:
    """A workspace and a gate that is connected to it."""
    async with slack_running(processes, folder, rate_limits=rate_limits) as slack:
        env = slack_env(slack.api_url, slack.described.app)
        async with gate_for(processes, folder, env, database_url=database_url) as gate:
            await gate.connected()
            yield gate, slack


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, aiohttp.ClientError):
        await task


async def gathered(*work: Awaitable[Any]) -> None:
    """Run side by side; the first failure ends the others."""
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(_done(each))


async def _done(work: Awaitable[Any]) -> None:
    await work
