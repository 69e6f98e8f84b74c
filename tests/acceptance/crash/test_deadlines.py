"""Deadlines that pass while the gate is dead fire once each when it is back, and say how late they were."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.acceptance.running import Json, buttons, gathered, town
from tests.harness.processes import Processes

TIMED = ("approval.escalated", "approval.sla_breach", "approval.expired", "approval.repaged")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_what_passed_while_down_fires_once_and_late(
    processes: Processes, tmp_path: Path, request: pytest.FixtureRequest, engine: str
) -> None:
    """INV-25: fired once on return, also when the gate dies again. INV-26: `late_ms` is on the record. INV-24: the
    next deadline is armed. INV-09: what is held at high risk stays undecided. INV-37: the card says so."""
    url = request.getfixturevalue("postgres_url") if engine == "postgresql" else None
    async with town(processes, tmp_path, database_url=url, rate_limits=False) as (gate, slack):
        *brief, held = await asyncio.gather(
            *(gate.propose("work.brief", key=f"b{n}") for n in range(3)), gate.propose("work.held")
        )  # at once, so that a slow machine does not come to a deadline before the crash
        await gate.crash()
        await asyncio.gather(*(_passed(each) for each in (*brief, held)))
        await gate.start()
        ends = await asyncio.gather(*(gate.action(each["id"], wait=60) for each in brief))
        assert [each["status"] for each in ends] == ["expired"] * 3
        await gathered(*(slack.card(each["id"], _expired, within=60) for each in brief))
        await gate.crash()
        await gate.start()
        for each in brief:
            records = await gate.records(each["id"])
            assert [r["kind"] for r in records] == [
                "approval.requested",
                "approval.escalated",
                "approval.expired",
            ]
            lateness = [r["detail"]["late_ms"] for r in records[1:]]
            assert lateness[0] >= 1000, "its step was due a second before the SLA that had passed"
            assert lateness[1] > 0
        timed = [r for r in await gate.records(held["id"]) if r["kind"] in TIMED]
        assert [r["kind"] for r in timed].count("approval.sla_breach") == 1
        assert len({r["detail"]["seq"] for r in timed}) == len(timed)
        assert all(r["detail"]["late_ms"] > 0 for r in timed)
        document = await gate.action(held["id"])
        assert (document["status"], document["approval"]["held"]) == ("pending", True)


async def _passed(document: Json) -> None:
    """Returns when the deadline has passed: time is what this test is about."""
    deadline = datetime.fromisoformat(document["approval"]["deadline"])
    await asyncio.sleep((deadline - datetime.now(UTC)).total_seconds() + 0.05)


def _expired(card: Json) -> bool:
    return card["text"].startswith("Expired") and not buttons(card)
