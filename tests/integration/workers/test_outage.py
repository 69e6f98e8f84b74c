"""A gate that dies with ladders under way and comes back a day later finishes them, in order, once and on record."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from gate.domain.request import DeadlineKind, Status
from gate.metrics import Metrics
from gate.workers.ticker import Ticker
from tests.fakes.world import PEOPLE, World, world

POLICY = """
version: v1
rules:
  - id: ends
    match: {topics: ["climb.ends"]}
    decision: require_approval
    risk: high
    approval:
      groups: [finance]
      sla: 30m
      on_timeout: deny
      escalation: [{after: 5m, to: [assignees], via: [slack]},
                   {after: 10m, to: ["oncall:nobody"], via: [slack, email]},
                   {after: 20m, to: [ana, "group:approvers"], via: [slack, email]}]
  - id: holds
    match: {topics: ["climb.holds"]}
    decision: require_approval
    risk: critical
    approval:
      groups: [finance]
      quorum: 2
      sla: 30m
      on_timeout: hold
      escalation: [{after: 5m, to: [assignees], via: [slack]},
                   {after: 10m, to: ["oncall:nobody"], via: [slack, email]},
                   {after: 20m, to: ["group:approvers"], via: [slack, email]}]
"""
HOLED = PEOPLE.replace(
    "on_call:\n", 'on_call:\n  nobody: {rotation: {people: [own], every: 1w, handoff: "mon 09:00"}}\n'
)
DAY = timedelta(days=1)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("topic", "story", "due_after_min"),
    [
        pytest.param(
            "climb.ends",
            ["approval.escalated"] * 3 + ["approval.expired"],
            [5, 10, 20, 30],
            id="rejects",
        ),
        pytest.param(
            "climb.holds",
            ["approval.escalated"] * 3 + ["approval.sla_breach"],
            [5, 10, 20, 30],
            id="holds",
        ),
    ],
)
async def test_a_day_away_costs_no_step_and_repeats_none(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    engine: str,
    topic: str,
    story: list[str],
    due_after_min: list[int],
):
    """INV-25, INV-26, INV-29, INV-30, INV-38, INV-53: what was missed comes in its order, each step once, with how late
    it was; whom a step names is called, where it means nobody the approvers are; the end rejects, or holds."""
    url = (
        request.getfixturevalue("migrated_postgres_url")
        if engine == "postgresql"
        else f"sqlite:///{tmp_path}/var/gate.db"
    )
    async with world(url, tmp_path / "keys") as gate:
        gate.source.load(POLICY, HOLED)
        done = await gate.propose(topic)
        await gate.vote(done.record, "bo") if topic == "climb.holds" else None
        begun, votes = done.record.created_at, len((await gate.load(done.record.id)).votes)
    async with world(url, tmp_path / "keys") as gate:
        gate.source.load(POLICY, HOLED)
        gate.clock.at = begun + DAY
        metrics = Metrics()
        assert await Ticker(gate.deps, metrics).tick() == 4
        assert await Ticker(gate.deps, metrics).tick() == 0, "nothing comes twice"
        record = await gate.load(done.record.id)
        timed = await _timed(gate, record.id)
        assert [each.kind for each in timed] == story
        late = [timedelta(milliseconds=each.detail["late_ms"]) for each in timed]
        # A hole in the ladder makes the next step due at once, so that one is not late.
        expected = [DAY - timedelta(minutes=each) for each in due_after_min]
        assert late == [*expected[:2], min(expected[2], late[2]), expected[3]]
        assert all(b.detail["seq"] > a.detail["seq"] for a, b in pairwise(timed))
        assert timed[1].detail["nobody_reached"] is True
        assert timed[1].detail["called"] == ["cho"]
        assert await _called(gate, record.id) == _expected_calls(topic)
        assert len(record.votes) == votes, "what people said before stays said"
        if topic == "climb.ends":
            assert record.status is Status.EXPIRED
            assert record.deadline is None
        else:
            assert record.status is Status.PENDING
            assert record.held
            assert record.deadline is not None
            assert record.deadline.kind is DeadlineKind.REPAGE
            assert record.deadline.due_at > gate.clock.now()
        assert metrics.nobody_reached._value.get() == 1
        assert metrics.deadline_lateness._sum.get() == pytest.approx(
            sum(each.total_seconds() for each in late)
        )


async def _timed(gate: World, action_id: str):
    async with gate.store.reading() as tx:
        return [each for each in await tx.audit.of_action(action_id) if each.actor == "timer"]


async def _called(gate: World, action_id: str) -> list[tuple[str, str]]:
    """The (channel, person) of every call since the request was made, in the order in which they leave."""
    async with gate.store.reading() as tx:
        rows = await tx.outbox.rows(dead_only=False, limit=200)
    return [
        (m.channel, str(m.body["person"]))
        for m in rows
        if m.action_id == action_id and m.kind in ("dm", "call") and m.body.get("why") == "escalated"
    ]


def _expected_calls(topic: str) -> list[tuple[str, str]]:
    first = [("slack", "ana"), ("slack", "bo")]
    hole = [("slack", "cho"), ("email", "cho")]
    if topic == "climb.ends":
        return [*first, *hole, ("slack", "ana"), ("slack", "cho"), ("email", "ana"), ("email", "cho")]
    breach = [(way, who) for way in ("slack", "email") for who in ("ana", "bo", "cho")]
    return [*first, *hole, *hole, *breach]
