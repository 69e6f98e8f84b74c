"""A blind second review on the wire: between first and second approval nothing Slack is sent gives it away."""

from __future__ import annotations

import json

from gate.domain.request import ActionRecord, Choice, Status
from gate.usecases.commands import CastVote, Done
from gate.usecases.decide import decide
from tests.integration.bot.stage import POLICY, Stage, buttons, texts

BLIND = "fatigue_controls: {sampled_second_review_rate: 1}\n"
FIRST = "Your approval counts. A second person looks at it independently."
TELLING = ("approved", "Approved", "agreed", "so far", "second", "Second", "blind", "✓", "1 of 2", "2 people")
"""Words by which a first approval, or the draw, could be known."""


def on_card(play: Stage, record: ActionRecord) -> str:
    (card,) = play.cards_of(record)
    return json.dumps(card["blocks"], ensure_ascii=False) + card["text"]


async def drawn(play: Stage, policy: str = POLICY) -> tuple[ActionRecord, str, str]:
    play.reload(policy + BLIND)
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.idle()
    assert record.plan is not None
    assert record.plan.second_review
    return record, channel, ts


async def test_between_the_two_nothing_sent_to_slack_tells_of_the_first(play: Stage) -> None:
    record, channel, ts = await drawn(play)
    for user in ("U0ANA", "U0BO", "U0CHI"):
        await play.slack.open_home(user)
    before = on_card(play, record)
    assert not [word for word in TELLING if word in before]
    sent = len(play.slack.calls())
    assert (await play.slack.click("U0ANA", channel, ts, "approve")).ok
    assert FIRST in await play.told("U0ANA", "Your approval counts")
    await play.idle()
    await play.slack.click("U0BO", channel, ts, "details")
    await play.modal("U0BO", "details")
    await play.slack.open_home("U0BO")
    await play.slack.command("U0BO", "C0APPROVALS", "queue")
    await play.told("U0BO", "1")
    between = play.slack.calls()[sent:]
    assert not [c for c in between if c.method in ("chat.update", "chat.postMessage")]
    for call in between:
        if call.method == "chat.postEphemeral" and call.args.get("user") == "U0ANA":
            continue
        said = json.dumps(call.args, ensure_ascii=False).replace("Decided lately", "")
        assert not [word for word in TELLING if word in said], (call.method, said)
    assert on_card(play, record) == before
    assert play.slack.messages(channel, thread_ts=ts)[1:] == []

    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "already counts")
    await play.slack.click("U0BO", channel, ts, "approve")
    await play.told("U0BO", "Approved. Released to support-bot.")
    await play.idle()
    assert (await play.load(record.id)).status is Status.APPROVED
    (card,) = play.cards_of(record)
    assert buttons(card) == set()
    assert "Blind second review: two people looked at it independently, and they agreed." in texts(
        card["blocks"]
    )
    assert "Ana Ruiz and Bo Lindqvist" in texts(card["blocks"])
    thread = " ".join(texts(m["blocks"]) for m in play.slack.messages(channel, thread_ts=ts))
    assert "Blind second review" in thread


async def test_a_no_after_a_hidden_yes_is_shown_as_what_it_is(play: Stage) -> None:
    record, channel, ts = await drawn(play)
    assert isinstance(await play.vote(record, "ana"), Done)
    await play.slack.click("U0BO", channel, ts, "reject")
    await play.modal("U0BO", "reject")
    await play.slack.submit("U0BO", {"category": {"category": "unsafe"}, "comment": {"comment": "No."}})
    await play.told("U0BO", "Rejected.")
    await play.idle()
    (card,) = play.cards_of(record)
    assert "Blind second review: they disagreed; Ana Ruiz had approved it" in texts(card["blocks"])


async def test_the_next_one_is_asked_like_anybody(play: Stage) -> None:
    alone = POLICY.replace(
        "approval:\n      groups: [finance]", "approval:\n      assignees: [chi]\n      groups: [finance]"
    )
    record, channel, ts = await drawn(play, alone)
    assert record.asked == ("chi",)
    before = on_card(play, record)
    command = CastVote(action_id=record.id, version=1, person="chi", choice=Choice.APPROVE)
    assert isinstance(await decide(play.deps, command), Done)
    await play.idle()
    assert (await play.load(record.id)).asked == ("chi", "ana")
    asked = [c.args for c in play.slack.calls("chat.postMessage")][-1]
    assert asked["text"].startswith("You are asked to decide. HIGH risk: support-bot")
    assert not [word for word in TELLING if word in json.dumps(asked, ensure_ascii=False)]
    assert on_card(play, record) == before
    assert play.slack.messages(channel, thread_ts=ts)[1:] == []
