"""A gate as it is shipped, with its sandbox workspace, and agents that call it; leaves the page to board.py."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness.processes import Processes, Running

Json = dict[str, Any]

LANES = 24
"""Channels, each with rules of its own: Slack takes one message a second in a channel, and tests need not queue."""

PEOPLE = ("ana", "bo", "cho", "dee", "gus", "hal", "stan", "own")
"""All of them are reviewers in people.yaml; Slack knows Gus as a guest, Hal as gone, Stan as someone from outside, and
Own owns the agents."""

_NUMBERS = count(1)
_PERSON = "  {id}: {{name: {name}, email: {id}@example.com, slack: U0{upper}}}\n"
_NAMES = {
    "ana": "Ana Ruiz",
    "bo": "Bo Lindqvist",
    "cho": "Cho Minji",
    "dee": "Dee Okafor",
    "gus": "Gus Guest",
    "hal": "Hal Brandt",
    "stan": "Stan Stranger",
    "own": "Owen Hart",
    "ned": "Ned Nobody",
}
_RULES = """
  - id: lane{n}-critical
    match: {{topics: ["job.lane{n}.critical"]}}
    decision: require_approval
    risk: critical
    reason: "Two people agree"
    approval: {{groups: [lane{n}], sla: 1h, on_timeout: hold}}
  - id: lane{n}-quick
    match: {{topics: ["job.lane{n}.quick"]}}
    decision: require_approval
    risk: high
    reason: "Little time"
    approval: {{groups: [lane{n}], sla: 2s, escalation: [{{after: 1s, to: [group:lane{n}]}}], on_timeout: deny}}
  - id: lane{n}-held
    match: {{topics: ["job.lane{n}.held"]}}
    decision: require_approval
    risk: high
    reason: "Waits for a person, however long"
    approval: {{groups: [lane{n}], sla: 1s, on_timeout: hold}}
  - id: lane{n}-shaped
    match: {{topics: ["job.lane{n}.shaped"]}}
    decision: require_approval
    risk: high
    reason: "Large refund"
    constraints: {{max_amount_usd: 1400}}
    approval:
      groups: [lane{n}]
      sla: 1h
      on_timeout: deny
      editable: {{paths: ["/amount", "/note", "/notify"]}}
      evidence: [{{label: Order, value: payload.order, tone: slate}}]
  - id: lane{n}-review
    match: {{topics: ["job.lane{n}.review"]}}
    decision: require_approval
    risk: medium
    reason: "A person looks at it"
    approval: {{groups: [lane{n}], sla: 1h, on_timeout: deny, grant: {{ttl: 15m}}}}
  - id: lane{n}-brief
    match: {{topics: ["job.lane{n}.brief"]}}
    decision: require_approval
    risk: medium
    reason: "What is released runs at once"
    approval: {{groups: [lane{n}], sla: 1h, on_timeout: deny, grant: {{ttl: 1s}}}}
"""
_POLICY = """version: v1
fatigue_controls: {digest_above: 9}
break_glass: {who: [ana], supervisors: [cho], topics: ["job.*"], max_valid: 1h}
classify:
  - match: {topics: ["job.*.shaped"]}
    facts: {amount_usd: payload.amount}
rules:
  - {id: allow-reads, match: {topics: ["job.*.read"]}, decision: allow, reason: "Reading changes nothing"}
  - id: deny-drops
    match: {topics: ["job.*.drop"]}
    decision: deny
    reason: "Nothing is dropped"
    remediations: [{id: archive, title: "Archive it", replacement_topic: job.data.archive}]
  - id: one-a-day
    match: {topics: ["job.*.newsletter"], velocity: {max: 1, per: 1d, key: [agent, topic]}}
    decision: throttle
    reason: "One newsletter a day"
  - id: first-newsletter
    match: {topics: ["job.*.newsletter"]}
    decision: allow_with_constraints
    reason: "The first of the day"
    constraints: {max_runtime_sec: 60}
"""


def write_people(folder: Path) -> Path:
    """people.yaml with a group and a channel per lane."""
    people = "".join(_PERSON.format(id=p, upper=p.upper(), name=_NAMES[p]) for p in _NAMES)
    groups = "".join(
        f'  lane{n}: {{members: [{", ".join(PEOPLE)}], channel: "#lane{n}"}}\n' for n in range(LANES)
    )
    path = folder / "people.yaml"
    path.write_text(
        f"version: v1\npeople:\n{people}groups:\n{groups}"
        "  approvers: {members: [cho, dee]}\n"
        "on_call:\n"
        '  primary: {rotation: {people: [bo, dee], every: 1w, handoff: "mon 09:00", tz: UTC}}\n'
        'channels: {default: "#approvals", escalations: "#approvals"}\n',
        encoding="utf-8",
    )
    return path


def write_policy(folder: Path) -> Path:
    """The rules of these tests: one set of topics per lane, and a few that need nobody."""
    policies = folder / "policies"
    policies.mkdir()
    rules = "".join(_RULES.format(n=n) for n in range(LANES))
    (policies / "lanes.yaml").write_text(_POLICY + rules, encoding="utf-8")
    return policies


@dataclass
class Town:
    """One `gate serve` with its sandbox. `key` proposes, `executor_key` executes, `reader_key` reads."""

    processes: Processes
    folder: Path
    running: Running
    url: str = ""
    page: str = ""
    key: str = ""
    executor_key: str = ""
    reader_key: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    _lane: int = -1

    def next_lane(self) -> int:
        self._lane = (self._lane + 1) % LANES
        return self._lane

    def begin(self, *arguments: str) -> Running:
        """Start a `gate … --json` beside the running gate."""
        return self.processes.gate(*arguments, "--json", env=self.env, cwd=self.folder)

    def command(self, *arguments: str) -> Any:
        """What such a command answers."""
        return answer_of(self.begin(*arguments))

    def complaints(self) -> list[str]:
        """Lines in which the gate tells of a defect of its own."""
        return [
            line
            for line in self.running.output.splitlines()
            if '"level":"error"' in line or "Traceback" in line or "never retrieved" in line
        ]


@contextmanager
def town_in(folder: Path, policies: Path, people: Path, **settings: str) -> Iterator[Town]:
    """A gate serving these policies on free ports, with an agent, an executor and a reader."""
    processes = Processes(folder)
    env = {
        "GATE_BIND": "127.0.0.1:0",
        "GATE_SANDBOX_BIND": "127.0.0.1:0",
        "GATE_SANDBOX_STATE": str(folder / "sandbox.db"),
        "GATE_DATABASE_URL": f"sqlite:///{folder}/gate.db",
        "GATE_POLICIES": str(policies),
        "GATE_PEOPLE": str(people),
        "GATE_KEYS": str(folder / "keys"),
        **settings,
    }
    try:
        running = processes.gate("serve", "--json", env=env, cwd=folder)
        town = Town(processes, folder, running, env=env)
        town.url = running.expect(r'^\s*"api": "([^"]+)"', within=90)[1]
        town.page = running.expect(r'^\s*"sandbox": "([^"]+)"')[1].rstrip("/")
        running.expect('"event": ?"slack_connected"')
        hired = [
            town.begin("agents", "add", name, "--team", "support", "--owner", "own", "--scope", scope)
            for name, scope in (("refund-bot", "propose"), ("runner", "execute"), ("reports", "read"))
        ]
        town.key, town.executor_key, town.reader_key = (answer_of(one)["key"] for one in hired)
        yield town
    finally:
        processes.end_all()


def answer_of(running: Running) -> Any:
    """The document a command printed, once it has ended well."""
    assert running.wait(within=60) == 0, running.output
    return json.loads(running.output)


class Agent:
    """An agent, and the executor and reader next to it, over HTTP."""

    def __init__(self, http: aiohttp.ClientSession, town: Town) -> None:
        self._http = http
        self._town = town

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str = "", **headers: str
    ) -> tuple[int, Json]:
        """Status and document of one request with the agent's key, or another."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {key or self._town.key}"
        async with self._http.request(method, self._town.url + path, json=body, headers=named) as answer:
            return answer.status, await answer.json(content_type=None)

    async def propose(self, topic: str, **fields: Any) -> Json:
        body = {"topic": topic, "payload": {"order": "881"}, "summary": "Refund order 881"} | fields
        # Nobody's request is another one's, also where an earlier test left an equal one waiting.
        body["context"] = {"prompt_version": f"test {next(_NUMBERS)}"} | fields.get("context", {})
        status, document = await self.call("POST", "/v1/actions", body)
        assert status in (200, 202), document
        assert (status == 202) == (document["status"] == "pending")
        return document

    async def read(self, action_id: str) -> Json:
        status, document = await self.call("GET", f"/v1/actions/{action_id}")
        assert status == 200, document
        return document

    async def until(self, action_id: str, *states: str) -> Json:
        """The document once it has one of these states; waits as an agent does, by `Prefer: wait`."""
        async with asyncio.timeout(60):
            while True:
                _, document = await self.call("GET", f"/v1/actions/{action_id}", Prefer="wait=20")
                if document["status"] in states:
                    return document
                assert document["status"] == "pending", document

    async def redeem(self, token: str, payload: Any) -> tuple[int, Json]:
        body = {"token": token, "payload": payload}
        return await self.call("POST", "/v1/grants/redeem", body, key=self._town.executor_key)

    async def report(self, action_id: str, result: str, **fields: Any) -> Json:
        path = f"/v1/actions/{action_id}/outcome"
        status, document = await self.call(
            "POST", path, {"result": result, **fields}, key=self._town.executor_key
        )
        assert status == 200, document
        return document

    async def record(self, action_id: str) -> list[Json]:
        """The audit records of an action, oldest first."""
        path = f"/v1/audit/records?action={action_id}&limit=200"
        status, page = await self.call("GET", path, key=self._town.reader_key)
        assert status == 200, page
        return page["items"]

    async def change_person(self, user: str, **flags: Any) -> None:
        """What an administrator of the workspace does to an account."""
        address = f"{self._town.page}/sandbox/users/{user}"
        async with self._http.post(address, json=flags) as answer:
            assert answer.status == 200, await answer.text()

    async def workspace(self) -> Json:
        """Everything that stands in the workspace."""
        async with self._http.get(f"{self._town.page}/sandbox/state") as answer:
            return await answer.json()

    async def newest_message(self) -> str:
        """The timestamp of what was said last anywhere, to a person alone or to all."""
        return max((message["ts"] for message in (await self.workspace())["messages"]), default="0")

    async def close_forms(self) -> None:
        """A form belongs to a person, not to a window; close what earlier tests left open."""
        for user, stack in (await self.workspace())["stacks"].items():
            if stack:
                body = {"act": "close_view", "user": user, "view_id": stack[-1]["id"], "clear": True}
                async with self._http.post(f"{self._town.page}/sandbox/act", json=body) as answer:
                    assert answer.status == 200, await answer.text()
