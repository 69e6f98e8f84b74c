"""The executor of the examples, as a process at a real gate: what it refuses to run, and what its death leaves."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp

from gate.client import AsyncGate, NoGrant, Released
from tests.acceptance.running import Gate, town
from tests.harness.processes import Processes, Running

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "executor.py"
REFUND = {"order": "881", "amount": 1400}


class Executor:
    """The example, started and killed like any service."""

    def __init__(self, processes: Processes, gate: Gate, key: str, ledger: Path, **options: str) -> None:
        self._processes = processes
        self._command = [sys.executable, EXAMPLE, "--gate", gate.url, "--ledger", ledger]
        self._command += [part for name, value in options.items() for part in (f"--{name}", value)]
        self._env = {"EXECUTOR_KEY": key, "PYTHONPATH": str(ROOT)}
        self.process: Running
        self.url = ""

    async def start(self) -> Executor:
        self.process = self._processes.start(*self._command, env=self._env, cwd=ROOT)
        self.url = (await self.process.aexpect(r"^listening (\S+)"))[1]
        return self

    async def pay(self, http: aiohttp.ClientSession, **body: Any) -> tuple[int, Any]:
        async with http.post(f"{self.url}/refunds", json=body) as answer:
            return answer.status, await answer.json()


async def kinds(gate: Gate, action: str) -> list[str]:
    return [record["kind"] for record in await gate.records(action)]


async def test_an_executor_pays_nothing_without_a_grant_and_its_death_is_told(
    processes: Processes, tmp_path: Path
):
    """INV-19, INV-20, INV-21, INV-22: a stolen grant, an edited payload and a replay pay nothing; killed in the
    middle, it says `unknown` when it is back, the owner hears of it in Slack, and nothing is issued again."""
    ledger = tmp_path / "refunds.txt"
    async with town(processes, tmp_path) as (gate, slack), aiohttp.ClientSession(trust_env=False) as http:
        agent_key = await gate.give_key("agent", "propose")
        executor_key = await gate.give_key("payments", "execute")
        executor = await Executor(processes, gate, executor_key, ledger).start()
        async with AsyncGate(gate.url, key=agent_key) as agent:

            async def ask(topic: str, **more: Any) -> Released:
                return await agent.ask(topic=topic, payload=REFUND, summary="Refund order 881", **more)

            # Nothing, something made up, and a grant that was stolen from somebody else's executor.
            assert await executor.pay(http, payload=REFUND) == (400, {"refused": "not_a_request"})
            assert await executor.pay(http, token="a.b.c", payload=REFUND) == (403, {"refused": "malformed"})
            foreign = await ask("work.free", audience="payments-executor")
            stolen = {"token": foreign.token, "payload": foreign.payload}
            assert await executor.pay(http, **stolen) == (403, {"refused": "audience"})
            pretender = await Executor(
                processes, gate, executor_key, tmp_path / "pretended.txt", audience="payments-executor"
            ).start()
            assert await pretender.pay(http, **stolen) == (403, {"refused": "audience_mismatch"})
            assert not (tmp_path / "pretended.txt").exists()

            # Its own grant, for another amount, for the right one, and once more.
            mine = await ask("work.free")
            more = {"token": mine.token, "payload": REFUND | {"amount": 14000}}
            assert await executor.pay(http, **more) == (403, {"refused": "payload"})
            assert not ledger.exists()
            paid = {"token": mine.token, "payload": mine.payload}
            assert await executor.pay(http, **paid) == (200, {"done": mine.id})
            assert await executor.pay(http, **paid) == (403, {"refused": "grant_redeemed"})
            assert ledger.read_text() == f"{mine.id} 1400 to order 881\n"
            told = await agent.action(mine.id)
            assert told.outcome is not None
            assert (told.outcome.result, told.outcome.detail) == ("succeeded", "Paid 1400")

            # A refund people released, and a ledger that takes nothing until somebody reads it: it is killed there.
            asked = asyncio.create_task(ask("work.lane-0"))
            card = await slack.until(
                lambda state: next((m for m in state["messages"] if m.get("metadata")), None)
            )
            await slack.click("U0ANA", card)
            released = await asked
            ledger.unlink()
            os.mkfifo(ledger)
            paying = asyncio.create_task(executor.pay(http, token=released.token, payload=released.payload))
            while "grant.redeemed" not in await kinds(gate, released.id):
                assert not paying.done(), paying
            await asyncio.to_thread(executor.process.crash)
            assert isinstance((await asyncio.gather(paying, return_exceptions=True))[0], aiohttp.ClientError)
            assert (await agent.action(released.id)).outcome is None
            ledger.unlink()

            await executor.start()
            assert await executor.process.aexpect(rf"^recovered {released.id} unknown$")
            again = await executor.pay(http, token=released.token, payload=released.payload)
            assert again == (403, {"refused": "grant_redeemed"})
            document = await agent.action(released.id)
            assert document.outcome is not None
            assert document.outcome.result == "unknown"
            try:
                _ = (await agent.wait(released.id)).token
            except NoGrant:
                pass
            else:
                raise AssertionError("a second grant")
            assert not ledger.exists()
            assert (await kinds(gate, released.id)).count("grant.issued") == 1
            message = await slack.until(
                lambda state: next(
                    (m for m in state["messages"] if re.match("Your agent .*: outcome unknown", m["text"])),
                    None,
                ),
                saying="the owner is told",
            )
            assert message["channel"].startswith("D")
