"""Longer runs of the crash campaign with Slack's own rate limits, and an outage of Slack that lasts a real minute."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.crash.campaign import Campaign
from tests.acceptance.running import buttons, gathered, town
from tests.harness.processes import Processes

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.parametrize("seed", [101, 202, 303])
async def test_thirty_kills_lose_nothing_on_sqlite(processes: Processes, tmp_path: Path, seed: int) -> None:
    """INV-43, INV-40, INV-42, INV-44, INV-19, INV-34, INV-37, INV-53 over thirty crashes."""
    async with town(processes, tmp_path) as (gate, slack):
        campaign = Campaign(gate=gate, slack=slack, seed=seed, kills=30, actions=80)
        assert await campaign.run(within=600, settling=240) == []


@pytest.mark.parametrize("seed", [404, 505])
async def test_twenty_kills_lose_nothing_on_postgresql(
    processes: Processes, tmp_path: Path, postgres_url: str, seed: int
) -> None:
    """INV-43, INV-40, INV-42, INV-44, INV-19, INV-34, INV-37, INV-53 where another server commits."""
    async with town(processes, tmp_path, database_url=postgres_url) as (gate, slack):
        campaign = Campaign(gate=gate, slack=slack, seed=seed, kills=20, actions=60)
        assert await campaign.run(within=600, settling=240) == []


async def test_slack_down_for_a_minute(processes: Processes, tmp_path: Path) -> None:
    """INV-34, INV-37: sixty seconds without Slack, then every card stands once and its buttons work."""
    async with town(processes, tmp_path) as (gate, slack):
        await slack.fault("down")
        actions = []
        for number in range(6):
            actions.append(await gate.propose(f"work.lane-{number % 4}", key=str(number)))
            await asyncio.sleep(10)  # the minute itself
        await slack.fault("clear")
        await gathered(*(slack.card(each["id"], within=60) for each in actions))
        await slack.until(lambda state: state["connections"] > 0)
        for each in actions:
            await slack.click("U0ANA", await slack.card(each["id"]))
            assert (await gate.action(each["id"], wait=10))["status"] == "approved"
        await gathered(*(slack.card(each["id"], lambda c: not buttons(c), within=60) for each in actions))
        assert (await gate.outbox())["dead"] == 0
