"""SIGTERM ends a gate quickly and cleanly, whatever waits, is on its way, or does not answer."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.acceptance.running import Gate, gathered, town
from tests.harness.processes import Processes

MOST_SEC = 20.0
"""Under five on a quiet machine; a request that waits on, as a defect would have it, takes a minute."""


@pytest.mark.parametrize("weather", ["fine", "slow", "down"])
async def test_sigterm_ends_in_seconds(processes: Processes, tmp_path: Path, weather: str) -> None:
    """INV-46: parked waits are answered with what is known. INV-34: what was on its way arrives after the restart,
    once. Exit code 0 and no traceback."""
    async with town(processes, tmp_path, rate_limits=False) as (gate, slack):
        if weather != "fine":
            await slack.fault(weather, **({"seconds": 3} if weather == "slow" else {}))
        actions = [await gate.propose(f"work.lane-{n}", key=f"k{n}") for n in range(4)]
        waits = [
            asyncio.create_task(gate.ask("GET", f"/v1/actions/{each['id']}", Prefer="wait=60"))
            for each in actions
        ]
        await _parked(gate, len(waits))
        began = time.monotonic()
        code = await gate.end(within=60)
        took = time.monotonic() - began
        answers = await asyncio.gather(*waits)
        assert [(status, document["status"]) for status, document, _ in answers] == [(202, "pending")] * 4
        assert code == 0
        assert took < MOST_SEC
        await slack.fault("clear")
        await gate.start()
        await gathered(*(slack.card(each["id"], within=60) for each in actions))


async def _parked(gate: Gate, count: int) -> None:
    """Returns once so many requests wait, as the metrics tell."""
    async with asyncio.timeout(60):
        while f"signoff_http_waiting {float(count)}" not in await gate.metrics():
            pass  # each look is a request of its own
