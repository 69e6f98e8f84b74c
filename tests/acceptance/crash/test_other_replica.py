"""Two gates on one PostgreSQL: whatever one of them was about, the other does when it stops or dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from tests.acceptance.running import Gate, Json, gate_for, slack_env, slack_running
from tests.harness.processes import Processes

WITHIN_SEC = 60


async def test_the_other_replica_does_the_work_of_one_that_is_paused_or_killed(
    processes: Processes, tmp_path: Path, postgres_url: str
) -> None:
    """INV-52, INV-53: deadlines fire, cards leave and the record is signed while one replica is stopped (SIGSTOP, with
    whatever it holds) and after it is killed; nothing waits for it to come back. INV-49: nor is harmed when it does."""
    async with slack_running(processes, tmp_path, rate_limits=False) as slack:
        env = slack_env(slack.api_url, slack.described.app)
        async with gate_for(processes, tmp_path, env, database_url=postgres_url) as one:
            other = Gate(processes, tmp_path, postgres_url, env, key=one.key)
            async with aiohttp.ClientSession(trust_env=False) as http:
                other._http = http
                await other.start()
                await other.connected()
                for blow in ("freeze", "kill"):
                    one.process.thaw()
                    left = await one.propose("work.brief", key=f"left behind, {blow}")
                    if blow == "freeze":
                        one.process.freeze()
                    else:
                        await one.crash()
                    mine = await other.propose("work.brief", key=f"on time, {blow}")
                    for action in (left, mine):
                        document = await _ended(other, action["id"])
                        assert document["status"] == "expired"
                        await slack.card(action["id"], _says_expired, within=WITHIN_SEC)
                    await _signed(other)
                records = await other.records()
    stories = [[r["kind"] for r in records if r["action"] == a] for a in {r["action"] for r in records} if a]
    assert len(stories) == 4
    assert all(story.count("approval.expired") == 1 for story in stories)


def _says_expired(card: Json) -> bool:
    return card["text"].startswith("Expired")


async def _ended(gate: Gate, action_id: str) -> Json:
    async with asyncio.timeout(WITHIN_SEC):
        while (document := await gate.action(action_id, wait=20))["status"] == "pending":
            pass
        return document


async def _signed(gate: Gate) -> None:
    """Returns once everything that is on record now is under a signed checkpoint."""
    written = len(await gate.records())
    async with asyncio.timeout(WITHIN_SEC):
        while True:
            async with gate._http.get(  # type: ignore[union-attr]
                f"{gate.url}/v1/audit/checkpoint", headers={"Authorization": f"Bearer {gate.key}"}
            ) as answer:
                note = await answer.text()
            if answer.status == 200 and int(note.split("\n")[1]) >= written:
                return
