"""Two gates on one PostgreSQL and a workspace, for a test that is not asynchronous: they live in a loop of a thread."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from tests.acceptance.running import (
    SLACK_IDS,
    Gate,
    Slack,
    ephemerals,
    gate_for,
    slack_env,
    slack_running,
)
from tests.harness.processes import Processes
from tests.soak.two_gates.model import POLICY

Json = dict[str, Any]
Answer = tuple[int, Json]
Done = TypeVar("Done")
WITHIN_SEC = 60.0
KEYS = {
    "agent": ("propose",),
    "other": ("propose",),
    "executors": ("execute",),
    "payments": ("execute",),
    "reader": ("read",),
}
"""The keys by name, with their scopes. Those that execute are named for their audience."""


class Town:
    """Every method waits until it is done. `side` says which of the two gates is asked."""

    def __init__(self, loop: asyncio.AbstractEventLoop, gates: tuple[Gate, Gate], slack: Slack) -> None:
        self._loop = loop
        self._gates = gates
        self._slack = slack
        self._keys: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self.calls = 0
        self.acts = 0

    def fresh(self) -> int:
        """A number nobody had before."""
        return next(self._numbers)

    def wait(self, work: Coroutine[Any, Any, Done]) -> Done:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(4 * WITHIN_SEC)

    # -- over HTTP --------------------------------------------------------------------------------------------

    def ask(
        self, side: int, who: str, method: str, path: str, body: Json | None = None, **headers: str
    ) -> Answer:
        return self.wait(self._ask(side, who, method, path, body, **headers))

    def ask_both(
        self, who: str, method: str, path: str, body: Json | None = None, **headers: str
    ) -> list[Answer]:
        """The same of both gates at once."""

        async def both() -> list[Answer]:
            return await asyncio.gather(
                *(self._ask(side, who, method, path, body, **headers) for side in (0, 1))
            )

        return self.wait(both())

    async def _ask(
        self, side: int, who: str, method: str, path: str, body: Json | None = None, **headers: str
    ) -> Answer:
        gate = self._gates[side]
        assert gate._http is not None
        self.calls += 1
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {self._keys[who]}"
        timeout = aiohttp.ClientTimeout(total=2 * WITHIN_SEC)
        async with gate._http.request(
            method, gate.url + path, json=body, headers=named, timeout=timeout
        ) as answer:
            assert answer.status < 500, await answer.text()
            return answer.status, await answer.json(content_type=None) | {"_headers": dict(answer.headers)}

    # -- in the workspace -------------------------------------------------------------------------------------

    def approve(self, action_id: str, version: int, *people: str) -> list[str]:
        """Each of them clicks on the card as it shows this version, at the same moment; what each is told."""

        async def click(person: str, card: Json) -> str:
            user, before = SLACK_IDS[person], await self._newest(SLACK_IDS[person])
            did = await self._slack.click(user, card)
            assert did["ok"], did
            return (await self._slack.told(user, "", after=before, within=WITHIN_SEC))["text"]

        async def together() -> list[str]:
            card = await self._card(action_id, version)
            return await asyncio.gather(*(click(person, card) for person in people))

        self.acts += len(people)
        return self.wait(together())

    def decide(self, action_id: str, version: int, person: str, what: str, values: Json) -> str:
        """Through the form `what` (`reject` or `edit`) behind the card's button; what the person is told."""

        async def form() -> str:
            user = SLACK_IDS[person]
            card, before = await self._card(action_id, version), await self._newest(user)
            did = await self._slack.click(user, card, what)
            assert did["ok"], did
            opened = await self._form_or_word(user, what, before)
            if isinstance(opened, str):
                return opened
            did = await self._slack.act("submit", user=user, view_id=opened["id"], values=values)
            assert did["ok"], did
            return (await self._slack.told(user, "", after=before, within=WITHIN_SEC))["text"]

        self.acts += 1
        return self.wait(form())

    def revoke(self, action_id: str, person: str) -> str:
        """By `/gate revoke`; the title of what is shown then, or what is said."""

        async def command() -> str:
            user = SLACK_IDS[person]
            before = await self._newest(user)
            did = await self._slack.act(
                "command", user=user, channel="C0APPROVALS", text=f"/gate revoke {action_id}"
            )
            assert did["ok"], did
            opened = await self._form_or_word(user, "revoke", before)
            if isinstance(opened, str):
                return opened
            values = {"release": {"release": action_id}, "reason": {"reason": "not wanted"}}
            did = await self._slack.act("submit", user=user, view_id=opened["id"], values=values)
            assert did["ok"], did
            notice = await self._slack.until(lambda state: _top(state, user, "notice"), within=WITHIN_SEC)
            await self._slack.act("close_view", user=user, clear=True)
            return notice["title"]["text"]

        self.acts += 1
        return self.wait(command())

    async def _card(self, action_id: str, version: int) -> Json:
        """The card, once its buttons are of this version."""
        wanted = f"{action_id}:{version}"

        def shows(card: Json) -> bool:
            elements = [e for b in card["blocks"] if b["type"] == "actions" for e in b["elements"]]
            return any(element.get("value") == wanted for element in elements)

        return await self._slack.card(action_id, shows, within=WITHIN_SEC)

    async def _newest(self, user: str) -> str:
        return max((e["ts"] for e in ephemerals(await self._slack.state(), user)), default="")

    async def _form_or_word(self, user: str, what: str, before: str) -> Json | str:
        """The form that opened, or what was said instead of it."""

        def look(state: Json) -> Json | str | None:
            said = ephemerals(state, user, before)
            return _top(state, user, what) or (said[0]["text"] if said else None)

        return await self._slack.until(look, within=WITHIN_SEC)

    # -- afterwards -------------------------------------------------------------------------------------------

    def verb(self, *arguments: str) -> str:
        """The output of `gate …` beside the gates."""
        gate = self._gates[0]

        async def run() -> str:
            running = gate.processes.gate(*arguments, env=gate.env, cwd=gate.folder)
            code = await running.await_exit(within=600)
            assert code == 0, running.output
            return running.output

        return self.wait(run())

    def note(self) -> str:
        """The checkpoint as somebody outside gets it, once there is one."""

        async def get() -> str:
            gate = self._gates[1]
            assert gate._http is not None
            headers = {"Authorization": f"Bearer {self._keys['reader']}"}
            async with gate._http.get(f"{gate.url}/v1/audit/checkpoint", headers=headers) as answer:
                assert answer.status == 200
                return await answer.text()

        return self.wait(get())


def _top(state: Json, user: str, what: str) -> Json | None:
    return next((v for v in state["stacks"].get(user, ())[-1:] if v["callback_id"] == what), None)


@contextmanager
def town(processes: Processes, folder: Path, database_url: str) -> Iterator[Town]:
    """Both gates serving and connected; at the end neither may have complained."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="town", daemon=True)
    thread.start()
    open_ = AsyncExitStack()

    async def start() -> Town:
        slack = await open_.enter_async_context(slack_running(processes, folder, rate_limits=False))
        env = slack_env(slack.api_url, slack.described.app) | {"GATE_PENDING_PER_AGENT": "100000"}
        one = await open_.enter_async_context(
            gate_for(processes, folder, env, database_url=database_url, start=False)
        )
        await asyncio.to_thread((folder / "policies" / "work.yaml").write_text, POLICY, encoding="utf-8")
        other = Gate(processes, folder, database_url, env, _http=one._http)
        await one.start()
        await other.start()
        await one.connected()
        await other.connected()
        made = Town(loop, (one, other), slack)
        for name, scopes in KEYS.items():
            audiences = frozenset({name}) if "execute" in scopes else frozenset({"executors"})
            made._keys[name] = await one.give_key(f"{name}-key", *scopes, audiences=audiences)
        open_.callback(_quiet, other)
        return made

    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(4 * WITHIN_SEC)
    finally:
        try:
            asyncio.run_coroutine_threadsafe(open_.aclose(), loop).result(4 * WITHIN_SEC)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def _quiet(gate: Gate) -> None:
    assert not gate.complaints(), "\n".join(gate.complaints())
