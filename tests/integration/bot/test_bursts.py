"""Many requests of one agent at once: one message with a decision each, and nobody called more than once a minute."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import RateLimits
from gate.domain.action import Agent
from gate.domain.request import ActionRecord, Status
from gate.usecases.ports import Card, Delivered, Digest, Message
from gate.usecases.read import wait_decided
from tests.integration.bot.stage import AGENT, APPROVALS, Stage, buttons, stage, texts


def note(number: int, **changes: Any) -> dict[str, Any]:
    """A medium request like no other."""
    return {"payload": {"text": f"note {number}"}, "summary": f"Write note {number}"} | changes


async def flood(play: Stage, number: int, topic: str = "note.write", **changes: Any) -> list[ActionRecord]:
    """So many different requests at once, delivered."""
    asked = (play.propose(topic, **note(n, **changes)) for n in range(number))
    return list(await asyncio.gather(*asked))


def digests(play: Stage, channel: str = APPROVALS) -> list[dict[str, Any]]:
    """The messages for many requests in the channel."""
    return [
        m
        for m in play.slack.messages(channel)
        if (m.get("metadata") or {}).get("event_type") == "signoff_digest"
    ]


def shown(message: dict[str, Any]) -> list[str]:
    """The actions whose buttons stand on a message, in their order."""
    return [
        e["value"].rpartition(":")[0]
        for b in message["blocks"]
        if b["type"] == "actions"
        for e in b["elements"]
        if e["action_id"] == "approve"
    ]


async def showing(play: Stage, words: str, limit: float = 10) -> dict[str, Any]:
    """The digest, once it says this."""

    def found(_: Any) -> dict[str, Any] | None:
        return next((m for m in digests(play) if words in texts(m["blocks"])), None)

    message = await play.slack.wait_for(found, limit)
    assert message is not None
    return message


async def standing(play: Stage, record: ActionRecord) -> Card:
    async with play.store.reading() as tx:
        card = await tx.cards.get(record.id)
    assert card is not None
    return card


async def test_many_requests_of_one_agent_share_one_message(play: Stage) -> None:
    await play.stop_worker()
    records = await flood(play, 14)
    await play.start_worker()
    await play.idle(30)
    (message,) = digests(play)
    assert "14 requests of support-bot wait" in texts(message["blocks"])
    assert len(shown(message)) == 12
    assert "2 more" in texts(message["blocks"])
    assert all(play.cards_of(record) == [] for record in records)
    assert len(play.slack.calls("chat.postMessage")) == 1
    assert len(play.slack.calls("chat.update")) <= 2
    assert {"U0ANA", "U0BO"} <= {u for u in ("U0ANA", "U0BO", "U0CHI") if u in str(message["blocks"])}


async def test_a_few_requests_have_a_card_each(play: Stage) -> None:
    records = await flood(play, 5)
    for record in records:
        await play.posted(record)
    await play.idle()
    assert digests(play) == []
    assert all(len(play.cards_of(record)) == 1 for record in records)


async def test_what_comes_one_by_one_shares_from_the_sixth_of_a_minute(play: Stage) -> None:
    records = []
    for number in range(7):
        records.append(await play.propose("note.write", **note(number)))
        await play.posted(records[-1])
    await play.idle()
    assert [len(play.cards_of(record)) for record in records] == [1, 1, 1, 1, 1, 0, 0]
    (message,) = digests(play)
    assert set(shown(message)) == {records[5].id, records[6].id}


async def test_another_agents_requests_are_no_part_of_it(play: Stage) -> None:
    await play.stop_worker()
    await flood(play, 8)
    other = await play.propose("note.write", agent=replace(AGENT, id="agt_other", name="other"), **note(99))
    await play.start_worker()
    await play.posted(other)
    await play.idle()
    assert len(play.cards_of(other)) == 1


async def test_the_one_that_matters_has_its_own_card(play: Stage) -> None:
    """What is critical never shares a message, what is high only among many of its kind."""
    await play.stop_worker()
    await flood(play, 30)
    critical = await play.propose("pay.wire", payload={"amount": 9, "order": "w"}, summary="Wire it")
    high = await play.propose("pay.refund", payload={"amount": 8, "order": "r"})
    await play.start_worker()
    await play.idle(30)
    assert len(play.cards_of(critical)) == 1
    assert len(play.cards_of(high)) == 1
    (message,) = digests(play)
    assert "30 requests" in texts(message["blocks"])


async def test_many_high_ones_share_and_come_first(play: Stage) -> None:
    await play.stop_worker()
    await flood(play, 4)
    high = await flood(play, 6, "pay.refund")
    await play.start_worker()
    await play.idle(30)
    (message,) = digests(play)
    assert "10 requests of support-bot wait · 6 high" in texts(message["blocks"])
    assert set(shown(message)[:6]) == {record.id for record in high}


async def test_each_is_decided_by_itself_after_all_of_it_was_opened(play: Stage) -> None:
    """Threats 2 and 3: no request of a digest is approved without its whole payload having been opened."""
    await play.stop_worker()
    records = await flood(play, 7)
    await play.start_worker()
    await play.idle(30)
    card = await standing(play, records[3])
    await play.slack.click("U0ANA", card.channel, card.ts, "approve", block_id=f"item:{records[3].id}")
    modal = await play.modal("U0ANA", "confirm")
    assert "note 3" in texts(modal["blocks"])
    assert (await play.load(records[3].id)).status is Status.PENDING
    await play.slack.submit("U0ANA", {})
    await play.told("U0ANA", "Approved.")
    await showing(play, "1 approved")
    await play.slack.click("U0BO", card.channel, card.ts, "reject", block_id=f"item:{records[5].id}")
    await play.modal("U0BO", "reject")
    await play.slack.submit("U0BO", {"comment": {"comment": "not this one"}})
    await play.told("U0BO", "Rejected.")
    message = await showing(play, "1 approved, 1 rejected")
    assert "5 requests of support-bot wait" in texts(message["blocks"])
    assert {(await play.load(r.id)).status for r in records[6:]} == {Status.PENDING}


async def test_decided_ones_make_room_and_in_the_end_there_are_no_buttons(play: Stage) -> None:
    """INV-37: the digest converges to the truth, whoever decides where."""
    await play.stop_worker()
    records = await flood(play, 13)
    await play.start_worker()
    await play.idle(30)
    (message,) = digests(play)
    hidden = {r.id for r in records} - set(shown(message))
    assert len(hidden) == 1
    await play.vote(next(r for r in records if r.id in shown(message)), "ana")
    message = await showing(play, "12 requests")
    assert hidden <= set(shown(message))
    for record in records:
        await play.vote(record, "ana")
    await play.idle(30)
    message = await showing(play, "Nothing waits any more")
    assert buttons(message) == set()
    assert "13 approved" in texts(message["blocks"])


async def test_a_click_on_another_message_does_nothing(play: Stage) -> None:
    """Threat 5: a member's buttons count on its digest alone."""
    await play.stop_worker()
    records = await flood(play, 7)
    own = await play.propose("pay.wire", payload={"amount": 3, "order": "w"})
    await play.start_worker()
    await play.idle(30)
    channel, ts = await play.posted(own)
    message = play.slack.state.messages[channel][ts]
    action = {"type": "button", "action_id": "approve", "block_id": "b", "action_ts": "1.1"}
    action["value"] = f"{records[0].id}:1"
    acts = play.slack._acts
    await acts._courier.deliver("interactive", acts._payloads.message_action("U0ANA", message, action, {}))
    await play.told("U0ANA", "not the card of that request")
    assert (await play.load(records[0].id)).status is Status.PENDING


async def test_home_lets_anybody_decide_what_the_digest_does_not_show(play: Stage) -> None:
    await play.stop_worker()
    records = await flood(play, 14)
    await play.start_worker()
    await play.idle(30)
    (message,) = digests(play)
    hidden = next(r for r in records if r.id not in shown(message))
    await play.slack.open_home("U0ANA")
    await play.slack.wait_for(lambda slack: slack.home("U0ANA"))
    home = play.slack.home("U0ANA") or {}
    line = next(b for b in home["blocks"] if (b.get("accessory") or {}).get("value") == f"{hidden.id}:1")
    await play.slack.click_in_view("U0ANA", "open_queue_item", block_id=line["block_id"])
    modal = await play.modal("U0ANA", "confirm")
    assert "reject" in buttons(modal)
    await play.slack.click_in_view("U0ANA", "reject")
    await play.modal("U0ANA", "reject")
    await play.slack.submit("U0ANA", {"comment": {"comment": "no"}})
    after = await wait_decided(play.deps, hidden.id, 10)
    assert after is not None
    assert after.status is Status.REJECTED
