"""SIGKILL at the commit itself: just before it reaches the server, and just after it was made and before its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.acceptance.running import (
    SLACK_IDS,
    Gate,
    Json,
    buttons,
    gate_for,
    proposal,
    slack_env,
    slack_running,
)
from tests.harness.processes import Processes
from tests.soak.campaign.proxy import Relay, Side

COMMIT = (b"COMMIT",)
A_RECORD = (b'INTO "audit"', b"INTO audit ")
"""So that it is the commit of a transition, and not that of a worker."""
WITHIN_SEC = 60


@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_kill_at_the_commit_loses_and_doubles_nothing(
    processes: Processes, tmp_path: Path, postgres_url: str, side: Side
) -> None:
    """INV-53, INV-43, INV-40, INV-44: the agent tries again under its key, the person clicks again, and all of it is
    there once; nobody but a supervisor that starts the gate again helps."""
    parts = urlsplit(postgres_url)
    assert parts.hostname is not None
    assert parts.port is not None
    relay = Relay(parts.hostname, parts.port)
    await relay.start()
    url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{relay.port}"))
    try:
        async with (
            slack_running(processes, tmp_path, rate_limits=False) as slack,
            gate_for(
                processes, tmp_path, slack_env(slack.api_url, slack.described.app), database_url=url
            ) as gate,
        ):
            await gate.connected()
            action = await _at_the_commit(gate, relay, side, _proposed(gate))
            card = await slack.card(action["id"], lambda card: "approve" in buttons(card), within=WITHIN_SEC)

            async def clicked() -> Json:
                """As a person does who sees that nothing happened."""
                while (document := await gate.action(action["id"]))["status"] == "pending":
                    if (await slack.click(SLACK_IDS["ana"], card))["ok"]:
                        document = await gate.action(action["id"], wait=2)
                return document

            document = await _at_the_commit(gate, relay, side, clicked())
            assert document["status"] == "approved"
            assert [vote["person"] for vote in document["approval"]["votes"]] == ["ana"]
            await slack.card(action["id"], lambda card: not buttons(card), within=WITHIN_SEC)
            kinds = [record["kind"] for record in await gate.records(action["id"])]
            assert [kind for kind in kinds if kind != "grant.issued"] == [
                "approval.requested",
                "approval.granted",
            ]
            assert len([r for r in await gate.records() if r["kind"] == "approval.requested"]) == 1
    finally:
        await relay.stop()


async def _proposed(gate: Gate) -> Json:
    body = proposal("work.lane-0")
    status, document = await gate.insist("POST", "/v1/actions", body, Idempotency_Key="once")
    assert status in (200, 202), document
    return document


async def _at_the_commit(gate: Gate, relay: Relay, side: Side, work: Awaitable[Json]) -> Json:
    """What comes of `work`, while the gate is killed at its next commit and started again."""

    async def struck() -> None:
        assert await relay.strike_at(COMMIT, side, gate.crash, within=WITHIN_SEC, having_said=A_RECORD)
        await gate.start()
        await gate.connected()

    async with asyncio.timeout(2 * WITHIN_SEC):
        strike = asyncio.create_task(struck())
        try:
            done = await work
        finally:
            await strike
    return done
