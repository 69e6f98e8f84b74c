"""Somebody who has approved much without a break: told when to go on, while others are asked."""

from __future__ import annotations

from gate.domain.request import Status
from gate.usecases.commands import Done
from tests.integration.bot.stage import POLICY, Stage, texts

TWO = """
  - id: desk
    match: {topics: ["desk.*"]}
    decision: require_approval
    risk: high
    reason: One of two
    approval: {assignees: [ana, bo], sla: 30m}
"""
"""Few requests do, and Slack takes one message a second in a channel."""
BREAKS = "fatigue_controls: {auto_rebalance: true, cooldown_after_approvals: 2, cooldown: 10m}\n"


async def test_a_click_too_many_is_answered_and_others_are_asked(play: Stage) -> None:
    play.reload(POLICY.rstrip() + TWO + BREAKS)
    records = [await play.propose("desk.item", payload={"n": n}) for n in range(4)]
    of_ana = [r for r in records if r.asked == ("ana",)]
    of_bo = [r for r in records if r.asked == ("bo",)]
    assert len(of_ana) >= 2 <= len(of_bo)
    for record in of_bo[:2]:
        assert isinstance(await play.vote(record, "ana"), Done)
    channel, ts = await play.posted(of_ana[0])
    await play.slack.click("U0ANA", channel, ts, "approve")
    said = await play.told("U0ANA", "without a break")
    assert "You have approved 2 requests without a break; please pause until" in said
    assert "you can still reject" in said
    assert (await play.load(of_ana[0].id)).status is Status.PENDING
    await play.idle()
    asked = (await play.load(of_ana[0].id)).asked
    assert len(asked) == 2
    story = " ".join(texts(m["blocks"]) for m in play.slack.messages(channel, thread_ts=ts))
    assert "Asked" in story
    assert "as well." in story
    assert "break" not in story

    await play.slack.click("U0ANA", channel, ts, "reject")
    await play.modal("U0ANA", "reject")
    await play.slack.submit("U0ANA", {"category": {"category": "unsafe"}, "comment": {"comment": "No."}})
    await play.told("U0ANA", "Rejected.")


async def test_whoever_needs_a_break_hears_it_before_reading_a_long_payload(play: Stage) -> None:
    play.reload(POLICY + BREAKS)
    for number in range(2):
        assert isinstance(await play.vote(await play.propose(payload={"n": number}), "ana"), Done)
    long = await play.propose(payload={f"line {n}": "x" * 60 for n in range(80)})
    channel, ts = await play.posted(long)
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "without a break")
    assert play.slack.modal("U0ANA") is None
