"""Cards, thread lines and direct messages arrive once, whatever Slack does meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import METHODS, RateLimits
from bot.surfaces.cards import CardDesk
from gate.usecases.ports import (
    Card,
    Delivered,
    Delivery,
    Message,
    RetryLater,
    SealedCheckpoint,
    Undeliverable,
)
from tests.integration.bot.stage import AGENT, APPROVALS, PEOPLE, POLICY, Stage, buttons, stage


def posts(play: Stage) -> int:
    return len(play.slack.calls("chat.postMessage"))


async def test_a_card_is_posted_once_and_mentions_who_is_asked(play: Stage) -> None:
    """Whoever is named by address only is found in Slack before the card is posted, so that it can mention them."""
    record = await play.propose()
    channel, _ = await play.posted(record)
    await play.idle()
    (card,) = play.cards_of(record)
    mentioned = str(card["blocks"])
    assert "U0ANA" in mentioned
    assert "U0BO" in mentioned
    assert channel == APPROVALS
    assert (
        posts(play) == 1
    )  # everybody asked who can be reached is in that channel: nobody gets a message on top


async def test_an_answer_lost_after_receipt_leads_to_one_card(play: Stage) -> None:
    """INV-34, INV-37: Slack took the card and the connection broke; it is found by its metadata."""
    play.slack.drop_after_receipt("chat.postMessage")
    record = await play.propose()
    await play.posted(record)
    await play.idle()
    assert len(play.cards_of(record)) == 1
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")


async def test_the_same_metadata_from_somebody_else_is_not_taken_for_the_card(play: Stage) -> None:
    await play.stop_worker()
    record = await play.propose()
    forged = await play.slack.say("U0DEV", APPROVALS, "not a card")
    message = play.slack.state.messages[APPROVALS][forged["ts"]]
    metadata = {"event_type": "signoff_card", "event_payload": {"action_id": record.id}}
    play.slack.state.keep_message(replace(message, metadata=metadata))
    now = play.deps.clock.now()
    async with play.store.writing() as tx:
        await tx.cards.put(
            Card(action_id=record.id, channel=APPROVALS, ts=None, posting_since=now - timedelta(minutes=5))
        )
    await play.start_worker()
    _, ts = await play.posted(record)
    assert ts != forged["ts"]


@pytest.mark.parametrize("metadata", [True, False], ids=["by-metadata", "by-buttons"])
async def test_a_process_that_died_between_posting_and_knowing_leaves_one_card(
    play: Stage, metadata: bool
) -> None:
    """INV-37: the intention is in the store, the card in Slack, and nothing else is known."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    await play.stop()
    if not metadata:
        message = play.slack.state.messages[channel][ts]
        play.slack.state.keep_message(replace(message, metadata=None))
    async with play.store.writing() as tx:
        card = await tx.cards.get(record.id)
        assert card is not None
        await tx.cards.put(replace(card, ts=None, rendered_sha256=None))
    await play.start_bot()
    assert play.bot is not None
    assert await play.bot.channel.deliver(card_message(play, record.id)) == Delivered()
    assert await play.posted(record) == (channel, ts)
    assert len(play.slack.messages(channel)) == 1


async def test_a_post_that_may_be_on_its_way_is_waited_for_before_posting_again(play: Stage) -> None:
    """INV-37: not finding a card proves nothing while its post may still arrive."""
    await play.stop_worker()
    record = await play.propose()
    now = play.deps.clock.now()
    async with play.store.writing() as tx:
        await tx.cards.put(Card(action_id=record.id, channel=APPROVALS, ts=None, posting_since=now))
    assert play.bot is not None
    answer = await play.bot.channel.deliver(card_message(play, record.id))
    assert isinstance(answer, RetryLater)
    assert not answer.counts
    assert 0 < (answer.after_sec or 0) <= 15
    assert play.cards_of(record) == []


async def test_two_deliveries_of_one_card_at_once_post_one(play: Stage) -> None:
    """INV-37: also when a lease ran out and the row is delivered twice."""
    await play.stop_worker()
    record = await play.propose()
    assert play.bot is not None
    message = card_message(play, record.id)
    answers = await asyncio.gather(*(play.bot.channel.deliver(message) for _ in range(5)))
    assert set(answers) == {Delivered()}
    assert len(play.cards_of(record)) == 1
    assert posts(play) == 1


async def test_what_did_not_change_is_not_sent_again(play: Stage) -> None:
    record = await play.propose()
    await play.posted(record)
    await play.idle()
    assert play.bot is not None
    before = len(play.slack.calls("chat.update"))
    assert await play.bot.channel.deliver(card_message(play, record.id)) == Delivered()
    assert len(play.slack.calls("chat.update")) == before


async def test_a_deleted_card_is_posted_anew_while_people_have_to_decide(play: Stage) -> None:
    record = await play.propose("pay.wire")
    channel, ts = await play.posted(record)
    await play.idle()
    play.slack.state.drop_message(play.slack.state.messages[channel][ts])
    await play.vote(record, "ana")
    await play.idle()
    assert len(play.cards_of(record)) == 1
    _, fresh = await play.posted(record)
    assert fresh != ts


async def test_a_deleted_card_stays_away_once_decided(play: Stage) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    await play.stop_worker()
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")
    play.slack.state.drop_message(play.slack.state.messages[channel][ts])
    await play.start_worker()
    await play.idle()
    assert play.cards_of(record) == []
    assert await play.dead() == ()


async def test_the_story_is_told_once_below_the_card(play: Stage) -> None:
    """INV-36: a thread line whose answer was lost is found again, not told twice."""
    record = await play.propose("pay.wire")
    channel, ts = await play.posted(record)
    await play.idle()
    play.slack.drop_after_receipt("chat.postMessage")
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "One more person is needed")
    await play.idle()
    assert len(play.slack.messages(channel, thread_ts=ts)) == 1


async def test_who_is_asked_and_not_in_the_channel_gets_one_message_with_a_link(tmp_path: Path) -> None:
    async with stage(tmp_path, start=False) as play:
        channel = play.slack.state.channels[APPROVALS]
        play.slack.state.channels[APPROVALS] = replace(
            channel, members=tuple(m for m in channel.members if m != "U0BO")
        )
        await play.start_bot()
        await play.start_worker()
        record = await play.propose()
        await play.posted(record)
        await play.idle()
        asked = play.slack.messages(play.slack.dm("U0BO"))
        assert len(asked) == 1
        assert "Refund $1,400.00" in asked[0]["text"]
        assert play.slack.messages(play.slack.dm("U0ANA")) == []


async def test_whom_the_card_has_told_costs_no_second_look_at_the_action(
    play: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody asked has a message in line; for nearly all of them the card, or their minute, has settled it."""
    record = await play.propose()
    await play.posted(record)
    await play.idle()
    await play.stop_worker()
    assert play.bot is not None
    looks: list[str] = []
    look = CardDesk.view

    async def counted(desk: CardDesk, action_id: str, own: Any) -> Any:
        looks.append(action_id)
        return await look(desk, action_id, own)

    monkeypatch.setattr(CardDesk, "view", counted)
    asked = replace(card_message(play, record.id), kind="dm", body={"person": "ana", "why": "asked"})
    assert await play.bot.channel.deliver(asked) == Delivered()
    assert looks == []
    escalated = replace(asked, id="msg_1", body={"person": "chi", "why": "escalated"})
    assert await play.bot.channel.deliver(escalated) == Delivered()
    assert looks == [record.id]
    assert play.slack.messages(play.slack.dm("U0ANA")) == []


async def test_a_ladder_step_messages_whom_it_names_unless_it_is_decided(play: Stage) -> None:
    """INV-38: escalated people are called by a message of their own, while there is something to decide."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    await play.stop_worker()
    assert play.bot is not None
    message = replace(card_message(play, record.id), kind="dm", body={"person": "chi", "why": "escalated"})
    assert await play.bot.channel.deliver(message) == Delivered()
    assert len(play.slack.messages(play.slack.dm("U0CHI"))) == 1
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")
    late = replace(message, id="msg_late")
    assert await play.bot.channel.deliver(late) == Delivered()
    assert len(play.slack.messages(play.slack.dm("U0CHI"))) == 1


async def direct(play: Stage, person: str, why: str = "escalated") -> Delivery:
    """A message of the outbox to this person about a request that stands."""
    record = await play.propose()
    await play.posted(record)
    await play.idle()
    await play.stop_worker()
    assert play.bot is not None
    message = replace(card_message(play, record.id), kind="dm", body={"person": person, "why": why})
    return await play.bot.channel.deliver(message)


async def test_details_open_from_a_direct_message(play: Stage) -> None:
    await direct(play, "chi")
    dm = play.slack.dm("U0CHI")
    (message,) = play.slack.messages(dm)
    await play.slack.click("U0CHI", dm, message["ts"], "details")
    await play.modal("U0CHI", "details")


async def test_a_person_slack_does_not_know_is_a_dead_letter_that_says_so(play: Stage) -> None:
    """INV-34: the message names the person and what to correct."""
    people = PEOPLE.replace("bo@meridian.example", "bo@elsewhere.example")
    play.source.load(POLICY, people)
    answer = await direct(play, "bo")
    assert isinstance(answer, Undeliverable)
    assert "people.yaml" in answer.error


async def test_a_scope_only_messages_need_does_not_hold_up_the_card(play: Stage) -> None:
    """INV-35: the line of an action goes on."""
    play.slack.error("conversations.open", "missing_scope")
    answer = await direct(play, "chi")
    assert isinstance(answer, Undeliverable)
    assert "manifest.json" in answer.error


async def test_a_revoked_token_holds_everything_and_says_so(play: Stage) -> None:
    """INV-34: an operator has to act; nothing is given up meanwhile."""
    await play.stop_worker()
    record = await play.propose()
    play.slack.error("chat.postMessage", "token_revoked")
    assert play.bot is not None
    answer = await play.bot.channel.deliver(card_message(play, record.id))
    assert isinstance(answer, RetryLater)
    assert not answer.counts
    assert "revoked" in (play.bot.problem or "")
    assert await play.bot.channel.deliver(card_message(play, record.id)) == Delivered()
    assert play.bot.problem is None


async def test_the_groups_channel_is_used(play: Stage) -> None:
    record = await play.propose("pay.quiet")
    channel, _ = await play.posted(record)
    assert channel == "C0FINANCE"


async def test_a_channel_that_is_not_there_falls_back_to_the_default(play: Stage) -> None:
    record = await play.propose("pay.lost")
    channel, _ = await play.posted(record)
    assert channel == APPROVALS


async def test_no_channel_at_all_is_a_dead_letter_that_says_what_to_do(play: Stage) -> None:
    """INV-34: what cannot be delivered is visible."""
    state = play.slack.state
    state.channels[APPROVALS] = replace(state.channels[APPROVALS], is_archived=True)
    record = await play.propose()
    await play.dead_letters(1)
    dead = await play.dead()
    assert any("#approvals" in (m.last_error or "") for m in dead)
    assert play.cards_of(record) == []


async def test_a_public_channel_is_joined(play: Stage) -> None:
    state = play.slack.state
    channel = state.channels[APPROVALS]
    state.channels[APPROVALS] = replace(
        channel, members=tuple(m for m in channel.members if m != state.app.bot_user_id)
    )
    record = await play.propose()
    assert (await play.posted(record))[0] == APPROVALS


async def test_too_many_calls_wait_as_long_as_slack_says_and_count_for_nothing(play: Stage) -> None:
    """INV-34: 429 with Retry-After delays this method only and makes no dead letter."""
    play.slack.ratelimit("chat.postMessage", retry_after=1, count=1)
    record = await play.propose()
    await play.posted(record)
    await play.idle()
    assert len(play.cards_of(record)) == 1
    assert await play.dead() == ()


async def test_an_outage_delays_and_then_everything_converges(play: Stage) -> None:
    """INV-34, INV-37: Slack goes away; what happened meanwhile is shown when it is back, once, and buttons work."""
    record = await play.propose("pay.wire")
    channel, ts = await play.posted(record)
    await play.idle()
    play.slack.down()
    assert play.bot is not None
    other = await play.propose(payload={"amount": 3, "order": "9"})
    await play.problem()
    play.slack.clear_faults()
    await play.posted(other)
    await play.idle(20)
    await play.slack.wait_connected()
    assert len(play.cards_of(other)) == 1
    assert await play.dead() == ()
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "One more person is needed")
    assert play.bot.problem is None


async def test_buttons_of_old_cards_work_after_a_restart(play: Stage) -> None:
    """INV-37: the bot keeps nothing that a card needs."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    await play.stop()
    await play.start_bot()
    await play.start_worker()
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")
    await play.idle()
    assert buttons(play.cards_of(record)[0]) == set()


async def test_a_burst_keeps_to_slacks_pace(tmp_path: Path) -> None:
    """A channel takes about one message a second: cards wait their turn here, and Slack never has to refuse."""
    async with stage(tmp_path, rate_limits=RateLimits()) as play:
        agents = [replace(AGENT, id=f"agt_{n}", name=f"bot {n}") for n in range(6)]  # a card for each of them
        records = [await play.propose(agent=agent) for agent in agents]
        for record in records:
            await play.posted(record)
        assert all(len(play.cards_of(record)) == 1 for record in records)
        refused = [c for c in play.slack.calls("chat.postMessage") if c.status == 429]
        assert refused == []


async def test_only_covered_methods_are_called(play: Stage) -> None:
    """The stand-in declares what it covers; the bot lives on that."""
    record = await play.propose("pay.wire")
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "One more")
    await play.slack.open_home("U0ANA")
    await play.slack.wait_for(lambda slack: slack.home("U0ANA"))
    assert play.bot is not None
    assert play.bot.web.asked - {"response_url"} <= set(METHODS)


def card_message(play: Stage, action_id: str) -> Message:
    now = play.deps.clock.now()
    return Message(
        id="msg_test",
        action_id=action_id,
        channel="slack",
        kind="card",
        body={},
        created_at=now,
        due_at=now,
    )


async def test_other_channels_get_the_cards_link_or_none_in_time(play: Stage) -> None:
    """INV-38: a letter waits for no Slack that is away."""
    record = await play.propose()
    assert play.bot is not None
    assert await play.bot.card_link("act_nowhere") is None
    channel, ts = await play.posted(record)
    link = await play.bot.card_link(record.id)
    assert link is not None
    assert channel in link
    assert ts.replace(".", "") in link
    play.slack.down("503")
    assert await play.bot.card_link(record.id) is None


async def test_a_checkpoint_is_kept_in_its_channel_once_and_only_the_newest(play: Stage) -> None:
    """INV-48: as text that can be copied into a file, in a channel of another system."""
    await play.stop_worker()
    now = play.deps.clock.now()
    notes = {
        1: "signoff/test\n1\nAAAA\n\n\u2014 signed one\n",
        2: "signoff/test\n2\nBBBB\n\n\u2014 signed two\n",
    }
    async with play.store.writing() as tx:
        for size, note in notes.items():
            await tx.tree.seal(SealedCheckpoint(size=size, root=bytes(32), note=note, at=now))
            body = {"channel": APPROVALS, "size": size, "place": "slack:1"}
            await tx.outbox.add(
                Message(
                    id=f"msg_{size}",
                    action_id="record",
                    channel="slack",
                    kind="checkpoint",
                    body=body,
                    created_at=now,
                    due_at=now,
                )
            )
        assert await tx.publications.claim("slack:1", now=now, until=now)
        await tx.publications.done("slack:1", size=2, at=now)
    await play.start_worker()
    await play.idle()
    posted = [m for m in play.slack.state.messages[APPROVALS].values() if "Checkpoint" in m.text]
    assert [message.blocks[0]["elements"][-1]["elements"][0]["text"] for message in posted] == [notes[2]]
