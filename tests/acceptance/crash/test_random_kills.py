"""A gate that is killed at random moments under load loses nothing that it acknowledged, on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.crash.campaign import Campaign
from tests.acceptance.running import town
from tests.harness.processes import Processes


@pytest.mark.parametrize("seed", [11])
async def test_nothing_acknowledged_is_lost_on_sqlite(
    processes: Processes, tmp_path: Path, seed: int
) -> None:
    """INV-43, INV-40, INV-42: what was acknowledged exists, once per key, as it was acknowledged. INV-44: one
    record per transition, revisions without gap. INV-19: no grant redeemed twice. INV-34, INV-37: one card per
    request, and it shows how it ended. INV-53: all that without help."""
    async with town(processes, tmp_path, rate_limits=False) as (gate, slack):
        campaign = Campaign(gate=gate, slack=slack, seed=seed, kills=4, actions=12)
        assert await campaign.run(within=180) == []


@pytest.mark.parametrize("seed", [23])
async def test_nothing_acknowledged_is_lost_on_postgresql(
    processes: Processes, tmp_path: Path, postgres_url: str, seed: int
) -> None:
    """The same of INV-43, INV-40, INV-42, INV-44, INV-19, INV-34, INV-37 and INV-53, where another server commits."""
    async with town(processes, tmp_path, database_url=postgres_url, rate_limits=False) as (gate, slack):
        campaign = Campaign(gate=gate, slack=slack, seed=seed, kills=2, actions=8)
        assert await campaign.run(within=180) == []
