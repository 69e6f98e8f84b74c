"""People in quiet hours are named and told later; alarms reach the channel for escalations and stop nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from gate.domain.request import ActionRecord
from gate.usecases.ports import Delivered, Message, Undeliverable
from tests.integration.bot.stage import APPROVALS, PEOPLE, POLICY, Stage, texts

SLOW = POLICY.replace(
    "approval: {groups: [finance], sla: 30m}\n  - id: refunds",
    "approval: {groups: [finance], sla: 20h}\n  - id: refunds",
)
ALARMS = PEOPLE.replace(
    'channels: {default: "#approvals"}',
    'channels: {default: "#approvals", escalations: "#approvals-finance"}',
)
FINANCE = "#approvals-finance"


def quiet_now(play: Stage, people: str = PEOPLE) -> str:
    """Everybody's quiet hours began two hours ago and end in two."""
    now = play.deps.clock.now()
    begin, end = now - timedelta(hours=2), now + timedelta(hours=2)
    return f'{people}quiet_hours: {{hours: "{begin:%H:%M}-{end:%H:%M}", tz: UTC}}\n'


async def held(play: Stage, record: ActionRecord) -> list[Message]:
    async with play.store.reading() as tx:
        rows = await tx.outbox.rows(dead_only=False, limit=100)
    return [row for row in rows if row.action_id == record.id and row.not_before is not None]


async def posted(play: Stage, record: ActionRecord) -> dict[str, Any]:
    await play.posted(record)
    (card,) = play.cards_of(record)
    return card


def direct(play: Stage, user: str) -> list[dict[str, Any]]:
    channels = play.slack.state.channels
    return [
        m
        for c in channels
        if c.startswith("D")
        for m in play.slack.messages(c)
        if user in channels[c].members
    ]


async def test_people_in_quiet_hours_are_named_and_told_when_they_are_over(play: Stage) -> None:
    """INV-35, INV-37: the card stands at once and mentions nobody; the direct message comes later, also to those who
    are in the channel, because nothing told them."""
    play.source.load(SLOW, quiet_now(play))
    record = await play.propose("note.add", summary="A note")
    card = await posted(play, record)
    assert "Ana Ruiz" in texts(card["blocks"])
    assert "U0ANA" not in str(card["blocks"])
    rows = await held(play, record)
    ana = next(row for row in rows if row.body["person"] == "ana")
    assert ana.body["held"] is True
    assert ana.due_at == ana.not_before
    assert direct(play, "U0ANA") == []
    assert play.bot is not None
    morning = replace(ana, not_before=play.deps.clock.now() - timedelta(seconds=1))
    assert isinstance(await play.bot.channel.deliver(morning), Delivered)
    (told,) = direct(play, "U0ANA")
    assert "A note" in told["text"]


async def test_who_was_left_in_peace_hears_nothing_of_what_is_decided_by_then(play: Stage) -> None:
    play.source.load(SLOW, quiet_now(play))
    record = await play.propose("note.add", summary="A note")
    await posted(play, record)
    (ana,) = [row for row in await held(play, record) if row.body["person"] == "ana"]
    await play.vote(record, "bo")
    assert play.bot is not None
    assert isinstance(await play.bot.channel.deliver(ana), Delivered)
    assert direct(play, "U0ANA") == []


async def test_high_risk_mentions_people_in_their_quiet_hours(play: Stage) -> None:
    play.source.load(SLOW, quiet_now(play))
    record = await play.propose()
    card = await posted(play, record)
    assert "U0ANA" in str(card["blocks"])
    assert await held(play, record) == []


def alarm(play: Stage, record: ActionRecord, **body: Any) -> Message:
    now = play.deps.clock.now()
    said = {
        "event": "approval.escalated",
        "at": int(now.timestamp() * 1_000_000),
        "person": None,
        "step": 1,
    } | body
    return Message(
        id=play.deps.ids.new("msg"),
        action_id=record.id,
        channel="slack",
        kind="alarm",
        body=said,
        created_at=now,
        due_at=now,
    )


HOLE = {"via": ["slack"], "nobody": True, "unreached": ["oncall:primary nobody"]}


async def alarms(play: Stage) -> list[dict[str, Any]]:
    found = next(c for c in play.slack.state.channels.values() if c.name == FINANCE.removeprefix("#"))
    return [m for m in play.slack.messages(found.id) if "Nobody could be reached" in m["text"]]


async def test_a_hole_in_a_ladder_is_told_in_the_channel_for_escalations(play: Stage) -> None:
    """INV-30: one line with a link to the card, that mentions nobody; delivered twice it stands once."""
    play.source.load(POLICY, ALARMS)
    record = await play.propose(summary="Refund <!channel> $1,400.00")
    await posted(play, record)
    message = alarm(play, record, **HOLE)
    assert play.bot is not None
    assert isinstance(await play.bot.channel.deliver(message), Delivered)
    assert isinstance(await play.bot.channel.deliver(replace(message, attempts=1)), Delivered)
    (line,) = await alarms(play)
    assert "On call for primary: nobody is there." in line["text"]
    assert "Open the card" in texts(line["blocks"])
    assert "user_id" not in str(line["blocks"])
    assert "<!channel>" not in line["text"]


async def test_an_alarm_is_not_repeated_beside_its_own_card(play: Stage) -> None:
    play.source.load(POLICY, ALARMS.replace(FINANCE, "#approvals"))
    record = await play.propose()
    await posted(play, record)
    before = len(play.slack.messages(APPROVALS))
    assert play.bot is not None
    assert isinstance(await play.bot.channel.deliver(alarm(play, record, **HOLE)), Delivered)
    assert len(play.slack.messages(APPROVALS)) == before


async def test_without_its_channel_an_alarm_is_a_dead_letter_and_the_card_goes_on(play: Stage) -> None:
    """INV-34, INV-35"""
    play.source.load(POLICY, ALARMS.replace(FINANCE, "#no-such-place"))
    record = await play.propose()
    await posted(play, record)
    async with play.store.writing() as tx:
        await tx.outbox.add(alarm(play, record, **HOLE))
    await play.vote(record, "ana")
    await play.idle()
    (dead,) = await play.dead()
    assert (dead.kind, "#no-such-place" in (dead.last_error or "")) == ("alarm", True)
    (card,) = play.cards_of(record)
    assert "Approved" in texts(card["blocks"])
    assert play.bot is not None
    answer = await play.bot.channel.deliver(alarm(play, record, **HOLE))
    assert isinstance(answer, Undeliverable)


async def test_equal_proposals_are_one_card_that_says_how_often_it_was_asked(play: Stage) -> None:
    """INV-42, INV-37"""
    record = await play.propose()
    await posted(play, record)
    for run in range(3):
        from_another_run = await play.propose()
        assert from_another_run.id == record.id, run
    await play.idle()
    (card,) = play.cards_of(record)
    assert "Asked 4 times" in texts(card["blocks"])
