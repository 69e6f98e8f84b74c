"""Pages over HTTP to a stand-in that checks events as PagerDuty does: what they say, what each answer means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from gate.delivery.pagerduty import PagerDutyChannel
from gate.domain.request import ActionRecord, Choice
from gate.usecases.commands import Done
from gate.usecases.ports import Delivered, Delivery, Message, RetryLater, Undeliverable
from tests.fakes.pagerduty import ROUTING_KEY, PagerDuty, pagerduty_running
from tests.fakes.world import WHY, World, broken, reviewed, world

CARD = "https://meridian.slack.com/archives/C0APPROVALS/p1763720000000100"


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[World]:
    async with world(f"sqlite:///{tmp_path / 'var' / 'gate.db'}", tmp_path / "keys") as made:
        yield made


@pytest.fixture
async def pagerduty() -> AsyncIterator[PagerDuty]:
    async with pagerduty_running() as made:
        yield made


async def _card(action_id: str) -> str | None:
    return CARD


def channel(gate: World, pagerduty: PagerDuty, key: str = ROUTING_KEY) -> PagerDutyChannel:
    return PagerDutyChannel(deps=gate.deps, routing_key=key, events_url=pagerduty.url, link=_card)


def page(record: ActionRecord, kind: str = "trigger") -> Message:
    at = record.created_at
    return Message(
        id="msg_1",
        action_id=record.id,
        channel="pagerduty",
        kind=kind,
        body={},
        created_at=at,
        due_at=at,
    )


async def test_a_page_says_what_waits_and_where_to_decide(gate: World, pagerduty: PagerDuty):
    """INV-38: the whole context goes along, under the action's id."""
    done = await gate.propose("pay.wire")
    assert isinstance(await gate.vote(done.record, "bo", comment="Checked the invoice"), Done)
    assert await channel(gate, pagerduty).deliver(page(done.record)) == Delivered()
    (event,) = pagerduty.events
    assert event["dedup_key"] == done.record.id
    assert event["payload"]["severity"] == "critical"
    assert event["payload"]["summary"] == "CRITICAL: Refund $1,400.00 waits for a decision"
    assert event["payload"]["component"] == "pay.wire"
    assert event["payload"]["timestamp"] == "2026-11-02T09:00:00.000000Z"
    assert event["links"] == [{"href": CARD, "text": "Open the card in Slack"}]
    assert event["client_url"] == CARD
    details = event["payload"]["custom_details"]
    assert details["Time"] == "30 min left, until 2 Nov 09:30 UTC"
    assert "Wires take two people" in details["Why it stopped here"]
    assert '"order": "881"' in details["What would run"]
    assert "1 of 2 needed" in details["Votes so far"]
    assert "Checked the invoice" in details["Votes so far"]


async def test_a_payload_too_long_for_a_page_is_cut(gate: World, pagerduty: PagerDuty):
    done = await gate.propose(payload={"amount": 1400, "note": "\u2603" * 60_000}, summary="s" * 300)
    assert await channel(gate, pagerduty).deliver(page(done.record)) == Delivered()
    (event,) = pagerduty.events
    assert "more characters" in event["payload"]["custom_details"]["What would run"]
    assert event["payload"]["severity"] == "error"


async def test_the_decision_resolves_the_page_and_is_not_paged_for(gate: World, pagerduty: PagerDuty):
    done = await gate.propose()
    paging = channel(gate, pagerduty)
    assert await paging.deliver(page(done.record)) == Delivered()
    assert isinstance(await gate.vote(done.record, "ana", Choice.REJECT, comment="no"), Done)
    assert await paging.deliver(page(done.record)) == Delivered()
    assert len(pagerduty.events) == 1
    assert await paging.deliver(page(done.record, "resolve")) == Delivered()
    assert pagerduty.alerts == {done.record.id: "resolved"}
    assert set(pagerduty.events[1]) == {"routing_key", "event_action", "dedup_key"}


async def test_an_emergency_release_has_an_alert_of_its_own_until_it_is_reviewed(
    gate: World, pagerduty: PagerDuty
):
    """INV-17: the release ends the request's page, and only the review ends the release's."""
    record = await broken(gate)
    paging, about = channel(gate, pagerduty), {"about": "review"}
    assert await paging.deliver(page(record)) == Delivered()
    assert pagerduty.events == []
    assert await paging.deliver(replace(page(record), body=about)) == Delivered()
    (event,) = pagerduty.events
    assert event["dedup_key"] == f"{record.id}:review"
    assert event["payload"]["summary"] == "EMERGENCY RELEASE, HIGH: Refund $1,400.00 waits for a review"
    told = event["payload"]["custom_details"]["Released in an emergency"]
    assert "Ana Ruiz broke the glass" in told
    assert WHY in told
    assert await paging.deliver(page(record, "resolve")) == Delivered()
    assert pagerduty.alerts[f"{record.id}:review"] != "resolved"
    assert await paging.deliver(replace(page(record, "resolve"), body=about)) == Delivered()
    assert pagerduty.alerts[f"{record.id}:review"] == "resolved"
    await reviewed(gate, record)
    assert await paging.deliver(replace(page(record), body=about)) == Delivered()
    assert len(pagerduty.events) == 3


@pytest.mark.parametrize(
    ("status", "headers", "result"),
    [
        (400, {}, Undeliverable(error="http_400")),
        (413, {}, Undeliverable(error="http_413")),
        (429, {"Retry-After": "7"}, RetryLater(error="http_429", after_sec=7.0, counts=False)),
        (429, {}, RetryLater(error="http_429", after_sec=1.0, counts=False)),
        (429, {"Retry-After": "86400"}, RetryLater(error="http_429", after_sec=900.0, counts=False)),
        (429, {"Retry-After": "soon"}, RetryLater(error="http_429", after_sec=1.0, counts=False)),
        (500, {}, RetryLater(error="http_500")),
        (503, {}, RetryLater(error="http_503")),
        (403, {}, RetryLater(error="http_403", after_sec=1.0, counts=False)),
        (302, {"Location": "/elsewhere"}, RetryLater(error="http_302", after_sec=1.0, counts=False)),
    ],
)
async def test_what_each_answer_means(
    gate: World, pagerduty: PagerDuty, status: int, headers: dict[str, str], result: Delivery
):
    """INV-34"""
    done = await gate.propose()
    pagerduty.answers.append(web.Response(status=status, headers=headers))
    paging = channel(gate, pagerduty)
    assert await paging.deliver(page(done.record)) == result
    assert pagerduty.requests == 1
    assert await paging.deliver(page(done.record)) == Delivered()
    assert paging.problem is None


async def test_a_wrong_key_is_a_dead_letter_and_the_problem(gate: World, pagerduty: PagerDuty):
    done = await gate.propose()
    paging = channel(gate, pagerduty, key="0" * 32)
    assert await paging.deliver(page(done.record)) == Undeliverable(error="http_400")
    assert "PAGERDUTY_ROUTING_KEY may be wrong" in (paging.problem or "")


async def test_a_pagerduty_that_is_away_makes_no_dead_letters(gate: World, pagerduty: PagerDuty):
    done = await gate.propose()
    paging = channel(gate, replace(pagerduty, url="http://127.0.0.1:1/v2/enqueue"))
    pauses = []
    for _ in range(8):
        result = await paging.deliver(page(done.record))
        assert isinstance(result, RetryLater)
        assert not result.counts
        pauses.append(result.after_sec)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert paging.problem == "PagerDuty's events address cannot be reached."
