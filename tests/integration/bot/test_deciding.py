"""People decide with the buttons of a card, and every click is answered."""

from __future__ import annotations

import asyncio

import pytest

from gate.domain.request import Status
from tests.integration.bot.stage import APPROVALS, PEOPLE, POLICY, Stage, buttons, texts


async def test_one_click_approves_and_says_so(play: Stage) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    assert channel == APPROVALS
    assert (await play.slack.click("U0ANA", channel, ts, "approve")).ok
    await play.told("U0ANA", "Approved. Released to support-bot.")
    assert (await play.load(record.id)).status is Status.APPROVED
    await play.idle()
    card = play.slack.message(channel, ts)
    assert card is not None
    assert buttons(card) == set()
    assert "Ana Ruiz" in texts(card["blocks"])
    assert len(play.slack.messages(channel, thread_ts=ts)) >= 1


async def test_two_clicks_reject_with_a_reason(play: Stage) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "reject")
    await play.modal("U0ANA", "reject")
    reply = await play.slack.submit(
        "U0ANA", {"category": {"category": "wrong_amount"}, "comment": {"comment": "It was 140."}}
    )
    assert reply.ok, reply
    await play.told("U0ANA", "Rejected.")
    after = await play.load(record.id)
    assert after.status is Status.REJECTED
    assert after.rejection is not None
    assert (after.rejection.category, after.rejection.comment) == ("wrong_amount", "It was 140.")
    assert play.slack.modal("U0ANA") is None


async def test_a_second_account_of_the_owner_is_the_owner_or_nobody(play: Stage) -> None:
    """INV-05, threat 8: an address that people.yaml gives to the owner makes its account the owner; once the owner is
    pinned to one account no other acts for them."""
    address = "own.private@meridian.example"
    play.slack.change_user("U0DEV", email=address, real_name="Own Ferrari")
    alias = PEOPLE.replace("slack: U0DEV", "slack: U0OTHER").replace(
        "email: own@meridian.example", f"email: own@meridian.example, aliases: [{address}]"
    )
    record = await play.propose()
    channel, ts = await play.posted(record)
    play.source.load(POLICY, alias)
    await play.slack.click("U0DEV", channel, ts, "approve")
    await play.told("U0DEV", "", limit=30)
    play.source.load(POLICY, alias.replace(", slack: U0OWN", ""))
    seen = len(play.slack.ephemerals("U0DEV"))
    await play.slack.click("U0DEV", channel, ts, "approve")
    await play.told("U0DEV", "You own the agent support-bot", seen=seen, limit=30)
    assert (await play.load(record.id)).votes == ()


@pytest.mark.parametrize(
    ("user", "words"),
    [
        pytest.param("U0OWN", "You own the agent support-bot", id="owner"),
        pytest.param("U0DEV", "not a reviewer of this request", id="other-person"),
        pytest.param("U0GIA", "Guests cannot decide", id="guest"),
        pytest.param("U0PIA", "People of other workspaces", id="stranger"),
        pytest.param("U0HAL", "deactivated", id="deactivated"),
    ],
)
async def test_who_must_not_decide_is_told_why(play: Stage, user: str, words: str) -> None:
    """INV-05: nobody's word counts who owns the agent, is a guest, a stranger or deactivated."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.click(user, channel, ts, "approve")
    await play.told(user, words)
    after = await play.load(record.id)
    assert after.status is Status.PENDING
    assert after.votes == ()


async def test_of_two_simultaneous_clicks_one_wins_and_both_are_told(play: Stage) -> None:
    """INV-03: one decision, one record of it, and the loser hears who decided."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    await asyncio.gather(
        play.slack.click("U0ANA", channel, ts, "approve"), play.slack.click("U0BO", channel, ts, "approve")
    )
    both = {
        user: await play.told(user, "ppro") for user in ("U0ANA", "U0BO")
    }  # "Approved." or "This was already approved by …"
    won = [user for user, text in both.items() if text.startswith("Approved.")]
    assert len(won) == 1, both
    winner = "Ana Ruiz" if won == ["U0ANA"] else "Bo Lindqvist"
    loser = next(text for user, text in both.items() if user not in won)
    assert f"already approved by {winner}" in loser
    assert (await play.story(record.id)).count("approval.granted") == 1


async def test_three_clicks_by_one_person_are_one_vote(play: Stage) -> None:
    """INV-04, INV-08: a critical action takes two different people, however often one of them clicks."""
    record = await play.propose("pay.wire")
    channel, ts = await play.posted(record)
    await asyncio.gather(*(play.slack.click("U0ANA", channel, ts, "approve") for _ in range(3)))
    await play.told("U0ANA", "One more person is needed (1 of 2).")
    await play.told("U0ANA", "Your approval already counts")
    after = await play.load(record.id)
    assert after.status is Status.PENDING
    assert [v.person for v in after.votes] == ["ana"]
    await play.slack.click("U0BO", channel, ts, "approve")
    await play.told("U0BO", "Approved. Released to support-bot.")
    assert (await play.load(record.id)).status is Status.APPROVED


async def test_a_click_after_the_decision_changes_nothing_and_says_who_decided(play: Stage) -> None:
    """INV-01, INV-37: the stale button of an old card is harmless."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.stop_worker()
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")
    await play.slack.click("U0BO", channel, ts, "reject")
    await play.told("U0BO", "already approved by Ana Ruiz")
    assert (await play.load(record.id)).status is Status.APPROVED


async def test_a_duplicate_envelope_has_one_effect(play: Stage) -> None:
    """INV-36: Slack delivers a click twice; the vote counts once and the answers make sense."""
    record = await play.propose("pay.wire")
    channel, ts = await play.posted(record)
    play.slack.duplicate_delivery()
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "One more person is needed")
    await play.told("U0ANA", "already counts")
    assert [v.person for v in (await play.load(record.id)).votes] == ["ana"]


async def test_a_deactivated_reviewer_is_looked_up_fresh_at_high_risk(play: Stage) -> None:
    """Threat 6: what was true of an account a moment ago does not count where it matters."""
    first, second = await play.propose(), await play.propose(payload={"amount": 2, "order": "882"})
    channel, ts = await play.posted(first)
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")
    play.slack.change_user("U0ANA", deleted=True)
    channel, ts = await play.posted(second)
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "deactivated")
    assert (await play.load(second.id)).status is Status.PENDING


async def test_policy_that_changed_meanwhile_refuses_the_approval(play: Stage) -> None:
    """INV-14: a reload tightens what is pending."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    play.reload(POLICY.replace("50000", "1000"))
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Policy has changed and now refuses this")
    assert (await play.load(record.id)).status is Status.PENDING


async def test_the_person_is_told_when_the_bot_cannot_post_in_the_channel(play: Stage) -> None:
    """No ephemeral there: the response_url answers, and failing that a direct message."""
    record = await play.propose()
    channel, ts = await play.posted(record)
    play.slack.error("chat.postEphemeral", "not_in_channel")
    await play.slack.click("U0DEV", channel, ts, "approve")
    await play.told("U0DEV", "not a reviewer")
