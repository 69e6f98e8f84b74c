"""The story of one decision in Slack: told to those it concerns, from the details and by its id, and to nobody else."""

from __future__ import annotations

from tests.integration.bot.stage import Stage, texts


async def test_the_story_opens_from_the_details_and_for_a_decided_action_by_its_id(play: Stage) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.click("U0ANA", channel, ts, "details")
    await play.modal("U0ANA", "details")
    await play.slack.click_in_view("U0ANA", "history")
    waiting = texts((await play.modal("U0ANA", "history"))["blocks"])
    assert "waits for a decision" in waiting
    assert record.version.payload_sha256 in waiting
    await play.slack.click("U0ANA", channel, ts, "approve")
    await play.told("U0ANA", "Approved.")
    await play.slack.command("U0CHI", channel, f"/gate history {record.id}")
    told = texts((await play.modal("U0CHI", "history"))["blocks"])
    for words in ("ana approved payload 1 after", "Rule:  refunds", "Saw the card", "Decided"):
        assert words in told, told


async def test_a_story_is_told_to_nobody_it_does_not_concern(play: Stage) -> None:
    """Threat 5: an id that somebody types or forges opens nothing."""
    record = await play.propose()
    channel, _ = await play.posted(record)
    await play.slack.command("U0DEV", channel, f"/gate history {record.id}")
    await play.told("U0DEV", "This story is for those who were asked")
    await play.slack.command("U0ANA", channel, "/gate history act_nonsense:1")
    await play.told("U0ANA", "Say of which action")
    assert play.slack.modal("U0DEV") is None
