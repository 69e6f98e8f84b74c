"""Many requests of one agent at once: one message with a decision each, and nobody called more than once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bot.app import build_bot
from gate.domain.request import ActionRecord, Status
from gate.domain.risk import Risk
from gate.metrics import Metrics
from gate.usecases.commands import Done, EditPayload
from gate.usecases.edit import edit
from gate.usecases.ports import Card, Delivered, Message, RetryLater
from gate.usecases.read import wait_decided
from gate.workers.outbox import OutboxWorker, Terms
from tests.integration.bot.stage import AGENT, APPROVALS, PEOPLE, POLICY, Stage, buttons, stage, texts

BURSTS = POLICY.replace("version: v1\n", "version: v1\nfatigue_controls: {digest_above: 5}\n", 1)


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Stage]:
    """A connected bot of a gate that takes six open requests of an agent within a minute for a burst."""
    async with stage(tmp_path, policy=BURSTS) as running:
        yield running


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


async def showing(play: Stage, words: str, limit: float = 60) -> dict[str, Any]:
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


async def test_what_is_critical_stands_before_the_flood_in_line(play: Stage) -> None:
    await play.stop_worker()
    await flood(play, 20)
    critical = await play.propose("pay.wire", payload={"amount": 9, "order": "w"}, summary="Wire it")
    async with play.store.writing() as tx:
        claimed = await tx.outbox.claim("slack", play.deps.clock.now(), lease_sec=1, limit=3)
    assert (claimed[0].action_id, claimed[0].kind) == (critical.id, "card")


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
    after = await wait_decided(play.deps, hidden.id, 60)
    assert after is not None
    assert after.status is Status.REJECTED


async def test_an_answer_lost_after_receipt_leads_to_one_digest(play: Stage) -> None:
    """INV-34, INV-37: Slack took it and the connection broke; it is found by its metadata."""
    await play.stop_worker()
    records = await flood(play, 8)
    play.slack.drop_after_receipt("chat.postMessage")
    await play.start_worker()
    await play.idle(30)
    assert len(digests(play)) == 1
    card = await standing(play, records[2])
    await play.slack.click("U0ANA", card.channel, card.ts, "details", block_id=f"item:{records[2].id}")
    await play.modal("U0ANA", "details")


@pytest.mark.parametrize("metadata", [True, False], ids=["by-metadata", "by-buttons"])
async def test_a_process_that_died_between_posting_and_knowing_leaves_one_digest(
    play: Stage, metadata: bool
) -> None:
    """INV-37, INV-53: the intention is in the store, the digest in Slack, and nothing else is known."""
    await play.stop_worker()
    records = await flood(play, 8)
    await play.start_worker()
    await play.idle(30)
    card = await standing(play, records[0])
    await play.stop()
    assert card.digest is not None
    assert card.ts is not None
    if not metadata:
        message = play.slack.state.messages[card.channel][card.ts]
        play.slack.state.keep_message(replace(message, metadata=None))
    async with play.store.writing() as tx:
        digest = await tx.digests.get(card.digest)
        assert digest is not None
        await tx.digests.put(replace(digest, ts=None, rendered_sha256=None))
    assert (await standing(play, records[5])).ts is None
    await play.start_bot()
    assert play.bot is not None
    assert await play.bot.channel.deliver(message_of(play, records[5], "card")) == Delivered()
    assert len(play.slack.messages(card.channel)) == 1
    assert (await standing(play, records[5])).ts == card.ts


async def test_a_deleted_digest_is_posted_anew_while_people_have_to_decide(play: Stage) -> None:
    await play.stop_worker()
    records = await flood(play, 8)
    await play.start_worker()
    await play.idle(30)
    card = await standing(play, records[0])
    assert card.ts is not None
    play.slack.state.drop_message(play.slack.state.messages[card.channel][card.ts])
    await play.vote(records[0], "ana")
    message = await showing(play, "7 requests")
    await play.idle()
    assert message["ts"] != card.ts
    assert (await standing(play, records[7])).ts == message["ts"]


async def test_a_replica_that_died_at_it_holds_up_nobody_for_long(play: Stage) -> None:
    """INV-53: the lease of a digest runs out, and until then its messages wait without an attempt being counted."""
    await play.stop_worker()
    records = await flood(play, 8)
    await play.start_worker()
    await play.idle(30)
    await play.stop_worker()
    card = await standing(play, records[0])
    now = play.deps.clock.now()
    assert card.digest is not None
    async with play.store.writing() as tx:
        assert await tx.digests.lease(card.digest, now=now, until=now + timedelta(seconds=1.5))
    await play.vote(records[0], "ana")
    assert play.bot is not None
    answer = await play.bot.channel.deliver(message_of(play, records[0], "card"))
    assert isinstance(answer, RetryLater)
    assert not answer.counts
    await play.start_worker()
    await showing(play, "7 requests")


async def test_what_an_edit_makes_critical_gets_its_own_card(tmp_path: Path) -> None:
    async with stage(tmp_path, policy=BURSTS) as play:
        await play.stop_worker()
        records = await flood(play, 7)
        await play.start_worker()
        await play.idle(30)
        rules = play.source.current
        play.reload(
            BURSTS.replace('topics: ["note.*"]}\n    decision: require_approval\n    risk: medium', NOTES)
        )
        assert play.source.current is not rules
        result = await edit(
            play.deps,
            EditPayload(
                action_id=records[4].id,
                version=1,
                person="ana",
                payload={"text": "all of them"},
                comment=None,
                approve=False,
            ),
        )
        assert isinstance(result, Done), result
        assert result.record.verdict.effective.risk is Risk.CRITICAL
        await play.idle(30)
        assert len(play.cards_of(records[4])) == 1
        assert "6 requests" in texts((await showing(play, "6 requests"))["blocks"])


NOTES = 'topics: ["note.*"]}\n    decision: require_approval\n    risk: critical'


async def test_two_replicas_make_one_digest(tmp_path: Path, migrated_postgres_url: str) -> None:
    """INV-37: whoever claims which message, the requests of a burst stand in Slack once."""
    async with stage(tmp_path, url=migrated_postgres_url, worker=False, policy=BURSTS) as play:
        records = await flood(play, 20)
        second = build_bot(play.deps, play.settings)
        await second.start()
        worker = OutboxWorker(
            store=play.store,
            clock=play.deps.clock,
            wakeups=play.deps.wakeups,
            metrics=Metrics(CollectorRegistry()),
            channels={"slack": Terms(channel=second.channel)},
            poll_sec=0.1,
        )
        try:
            await asyncio.gather(worker.start(), play.start_worker())
            await play.idle(30)
            assert len(digests(play)) == 1
            assert "20 requests" in texts(digests(play)[0]["blocks"])
            await asyncio.gather(*(play.vote(record, "ana") for record in records))
            message = await showing(play, "Nothing waits any more", 20)
            assert "20 approved" in texts(message["blocks"])
            await play.idle(30)
            assert buttons(digests(play)[0]) == set()
        finally:
            await worker.stop()
            await second.stop()


# -- direct messages -------------------------------------------------------------------------------


async def escalated(play: Stage, records: list[ActionRecord], person: str = "chi") -> None:
    """A ladder calls somebody for each of them."""
    now = play.deps.clock.now()
    async with play.store.writing() as tx:
        await tx.outbox.add(
            *(
                Message(
                    id=play.deps.ids.new("msg"),
                    action_id=record.id,
                    channel="slack",
                    kind="dm",
                    body={"person": person, "why": "escalated"},
                    created_at=now,
                    due_at=now,
                )
                for record in records
            )
        )
    play.deps.wakeups.notify("outbox")


async def minute_over(play: Stage, person: str) -> None:
    """As if what the person was sent last had been sent a minute ago."""
    async with play.store.writing() as tx:
        for urgent, ping in zip((False, True), await tx.pings.last(person), strict=True):
            if ping is not None:
                await tx.pings.put(
                    person, urgent=urgent, ping=replace(ping, at=ping.at - timedelta(minutes=1))
                )


def told(play: Stage, user: str) -> list[dict[str, Any]]:
    """The direct messages to a person."""
    return play.slack.messages(play.slack.dm(user))


async def test_many_messages_to_one_person_become_one(play: Stage) -> None:
    await play.stop_worker()
    records = await flood(play, 9)
    await play.start_worker()
    await play.idle(30)
    await play.stop_worker()
    await escalated(play, records)
    await play.start_worker()
    await play.idle(10)
    (message,) = told(play, "U0CHI")
    assert "9 requests wait for you" in message["text"]
    assert "4 more" in texts(message["blocks"])
    assert "go to the card" in texts(message["blocks"])


async def test_an_urgent_message_is_not_held_behind_ordinary_ones(play: Stage) -> None:
    await play.stop_worker()
    records = await flood(play, 9)
    high = await play.propose("pay.refund", payload={"amount": 8, "order": "r"})
    await play.start_worker()
    await play.idle(30)
    await play.stop_worker()
    await escalated(play, records)
    await play.start_worker()
    await play.idle(10)
    await escalated(play, [high])
    await play.idle(10)
    assert len(told(play, "U0CHI")) == 2
    assert "HIGH risk" in told(play, "U0CHI")[-1]["text"]


async def test_what_comes_after_the_one_for_all_waits_for_its_minute(play: Stage) -> None:
    await play.stop_worker()
    records = await flood(play, 12)
    await play.start_worker()
    await play.idle(30)
    await play.stop_worker()
    await escalated(play, records[:6])
    await play.start_worker()
    await play.idle(10)
    await play.stop_worker()
    assert len(told(play, "U0CHI")) == 1
    assert play.bot is not None
    await escalated(play, records[6:])
    async with play.store.writing() as tx:
        claimed = await tx.outbox.claim("slack", play.deps.clock.now(), lease_sec=30, limit=2)
    for message in claimed:
        answer = await play.bot.channel.deliver(message)
        assert isinstance(answer, RetryLater)
        assert not answer.counts
        assert 40 < (answer.after_sec or 0) <= 60
    await minute_over(play, "chi")
    await play.stop()
    await play.start_bot()
    assert play.bot is not None
    assert await play.bot.channel.deliver(claimed[0]) == Delivered()
    assert await play.bot.channel.deliver(claimed[1]) == Delivered()
    assert len(told(play, "U0CHI")) == 2


async def test_nobody_is_called_for_what_is_decided_meanwhile(play: Stage) -> None:
    await play.stop_worker()
    records = await flood(play, 9)
    await play.start_worker()
    await play.idle(30)
    await play.stop_worker()
    for record in records:
        await play.vote(record, "ana")
    await escalated(play, records)
    await play.start_worker()
    await play.idle(10)
    assert told(play, "U0CHI") == []


async def test_who_was_asked_only_for_what_joined_later_is_told_by_a_message(play: Stage) -> None:
    """An update mentions nobody, so that a person who came in with it would not be called at all."""
    await play.stop_worker()
    await flood(play, 7)
    await play.start_worker()
    await play.idle(30)
    play.reload(
        BURSTS.replace(
            "groups: [finance], sla: 30m}\n  - id: refunds", "assignees: [dev], sla: 30m}\n  - id: refunds"
        )
    )
    later = await play.propose("note.write", **note(77))
    await play.idle(10)
    assert later.asked == ("dev",)
    assert (await standing(play, later)).digest is not None
    assert "Write note 77" in told(play, "U0DEV")[0]["text"]


async def test_floods_of_two_agents_call_a_person_once_a_minute(play: Stage) -> None:
    """One thing calls a person within a minute, whichever agents ask; the other digest's messages wait for it."""
    other = replace(AGENT, id="agt_other", name="other-bot")
    await play.stop_worker()
    await flood(play, 7)
    await asyncio.gather(*(play.propose("note.write", agent=other, **note(n)) for n in range(50, 57)))
    await play.start_worker()
    await play.slack.wait_for(lambda _: len(digests(play)) == 2, 30)
    for user in ("U0ANA", "U0BO"):
        calls = sum(f"'user_id': '{user}'" in str(message["blocks"]) for message in digests(play))
        assert (user, calls, told(play, user)) == (user, 1, [])

    async def held() -> set[Any]:
        async with play.store.reading() as tx:
            rows = await tx.outbox.rows(dead_only=False, limit=100)
        later = play.deps.clock.now() + timedelta(seconds=30)
        return {row.body["person"] for row in rows if row.kind == "dm" and row.due_at > later}

    assert {"ana", "bo"} <= await play._polled(held, lambda people: {"ana", "bo"} <= people, 30)


async def test_whom_a_digest_has_called_gets_no_message_within_the_minute(play: Stage) -> None:
    await play.stop_worker()
    records = await flood(play, 7)
    await play.start_worker()
    await play.idle(30)
    await play.stop_worker()
    assert "'user_id': 'U0ANA'" in str(digests(play)[0]["blocks"])
    await escalated(play, records[:1], "ana")
    async with play.store.writing() as tx:
        (message,) = await tx.outbox.claim("slack", play.deps.clock.now(), lease_sec=30, limit=2)
    assert play.bot is not None
    answer = await play.bot.channel.deliver(message)
    assert isinstance(answer, RetryLater)
    assert (answer.after_sec or 0) > 20
    assert told(play, "U0ANA") == []


async def test_a_digest_that_slack_refused_at_first_calls_all_the_same(play: Stage) -> None:
    """INV-34: the call was reserved before the post, and is not lost with it."""
    await play.stop_worker()
    await flood(play, 7)
    play.slack.ratelimit("chat.postMessage", retry_after=1)
    await play.start_worker()
    await play.idle(30)
    (message,) = digests(play)
    assert "'user_id': 'U0ANA'" in str(message["blocks"])


async def test_who_is_left_in_peace_is_named_and_not_mentioned(play: Stage) -> None:
    """Quiet hours hold for a digest as for a card: what can wait is told by the message that was held back."""
    await play.stop_worker()
    people = PEOPLE.replace("slack: U0ANA}", 'slack: U0ANA, quiet_hours: {hours: "00:00-23:59", tz: UTC}}')
    long = BURSTS.replace("sla: 30m", "sla: 72h")
    play.source.load(long, people)
    records = await flood(play, 7)
    await play.start_worker()
    message = await showing(play, "7 requests")
    assert "'user_id': 'U0ANA'" not in str(message["blocks"])
    assert "'user_id': 'U0BO'" in str(message["blocks"])
    assert "Ana Ruiz" in texts(message["blocks"])
    assert told(play, "U0ANA") == []
    async with play.store.reading() as tx:
        held = [row for row in await tx.outbox.rows(dead_only=False, limit=100) if row.not_before is not None]
    assert {row.body["person"] for row in held} == {"ana"}
    assert len(held) == len(records)


def message_of(play: Stage, record: ActionRecord, kind: str) -> Message:
    now = play.deps.clock.now()
    return Message(
        id="msg_test", action_id=record.id, channel="slack", kind=kind, body={}, created_at=now, due_at=now
    )
