"""The contract of what `ports.Actions` knows about the past: retries, velocity, first times, how such things went."""

from __future__ import annotations

import pytest

from gate.domain.action import Agent, Velocity
from gate.domain.request import Status
from gate.store import SqlStore
from gate.usecases.ports import LikeIt
from tests.contract.records import NOW, action, later

OTHER = Agent(id="agt_other", name="other-bot", team="ops", owner="cho")


@pytest.fixture
async def past(store: SqlStore) -> SqlStore:
    """Nine actions, one a minute."""
    told = [
        {"status": Status.ALLOWED, "amount_usd": 10.5, "affected_users": 3, "tool": "stripe"},
        {"status": Status.APPROVED, "amount_usd": 20, "tool": "stripe", "environment": "prod"},
        {"status": Status.REJECTED, "amount_usd": 500, "payload_sha256": "b" * 64},
        {"status": Status.DENIED, "amount_usd": 1000},
        {"status": Status.THROTTLED, "amount_usd": 2000},
        {"status": Status.PENDING, "amount_usd": 40},
        {"status": Status.ALLOWED, "agent": OTHER, "amount_usd": 7},
        {"status": Status.ALLOWED, "topic": "pay.wire", "amount_usd": 9, "environment": ""},
        {"status": Status.EXPIRED, "amount_usd": None},
    ]
    async with store.writing() as tx:
        for number, fields in enumerate(told, 1):
            record = action(number, at=later(60 * number), **fields)
            assert await tx.actions.add(record, idempotency_key=None, body_sha256="b")
    return store


@pytest.mark.parametrize(
    ("key", "values", "sum_of", "since", "expected"),
    [
        (("agent",), {"agent": "agt_bot"}, None, 0, 6),
        (("agent", "topic"), {"agent": "agt_bot", "topic": "pay.refund"}, None, 0, 5),
        (("topic",), {"topic": "pay.refund"}, "amount_usd", 0, 10.5 + 20 + 500 + 40 + 7),
        (("team",), {"team": "ops"}, "amount_usd", 0, 7),
        (("tool",), {"tool": "stripe"}, "affected_users", 0, 3),
        (("tool", "environment"), {"tool": "stripe", "environment": ""}, None, 0, 1),
        (("agent",), {"agent": "agt_bot"}, None, 360, 3),
        (("agent",), {"agent": "agt_none"}, "amount_usd", 0, 0),
        ((), {}, None, 0, 7),
    ],
)
async def test_velocity_counts_what_took_effect_or_may_yet(
    past: SqlStore, key, values, sum_of, since, expected
) -> None:
    """Denied and throttled actions are left out; the window includes its first instant."""
    async with past.reading() as tx:
        probe = Velocity(per_sec=600, key=key, sum_of=sum_of)
        assert await tx.actions.velocity(probe, values, later(since)) == pytest.approx(expected)


async def test_a_retry_is_the_same_payload_on_the_same_topic_by_the_same_agent(past: SqlStore) -> None:
    async with past.reading() as tx:
        assert await tx.actions.retries("agt_bot", "pay.refund", "a" * 64, NOW) == 6
        assert await tx.actions.retries("agt_bot", "pay.refund", "a" * 64, later(360)) == 2
        assert await tx.actions.retries("agt_bot", "pay.wire", "b" * 64, NOW) == 0
        assert await tx.actions.retries("agt_other", "pay.refund", "a" * 64, NOW) == 1


@pytest.mark.parametrize(
    ("status", "released"),
    [(status, status.released) for status in Status],
    ids=[status.value for status in Status],
)
async def test_only_a_release_makes_an_action_seen_before(
    store: SqlStore, status: Status, released: bool
) -> None:
    async with store.writing() as tx:
        await tx.actions.add(action(status=status), idempotency_key=None, body_sha256="b")
        assert await tx.actions.seen_before("agt_bot", "pay.refund") is released
        assert not await tx.actions.seen_before("agt_bot", "pay.wire")
        assert not await tx.actions.seen_before("agt_other", "pay.refund")


async def test_like_it_tells_how_earlier_ones_were_decided(past: SqlStore) -> None:
    """`total` leaves out what is still pending; the amounts are those of released actions."""
    async with past.reading() as tx:
        told = await tx.actions.like_it("agt_bot", "pay.refund", NOW, except_id="act_0003")
        recent = await tx.actions.like_it("agt_bot", "pay.refund", later(120), except_id="act_none")
        nothing = await tx.actions.like_it("agt_bot", "pay.none", NOW, except_id="act_none")
    assert told == LikeIt(total=5, allowed=1, approved=1, rejected=0, amount_low=10.5, amount_high=20)
    assert recent == LikeIt(total=5, allowed=0, approved=1, rejected=1, amount_low=20, amount_high=20)
    assert nothing == LikeIt()
