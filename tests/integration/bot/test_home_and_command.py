"""The Home tab and the slash command."""

from __future__ import annotations

import pytest

from tests.integration.bot.stage import Stage, texts


async def test_home_shows_the_queue_and_keeps_it_fresh(play: Stage) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.open_home("U0ANA")
    await play.slack.wait_for(lambda s: "Refund $1,400.00" in texts((s.home("U0ANA") or {}).get("blocks")))
    await play.slack.click("U0BO", channel, ts, "approve")
    await play.told("U0BO", "Approved.")
    await play.slack.wait_for(
        lambda s: "Nothing waits for you" in texts((s.home("U0ANA") or {}).get("blocks"))
    )
    await play.propose(summary="Refund $7.00 to order 9", payload={"amount": 7, "order": "9"})
    await play.slack.wait_for(lambda s: "Refund $7.00" in texts((s.home("U0ANA") or {}).get("blocks")))


async def test_home_opens_the_details_of_a_line(play: Stage) -> None:
    record = await play.propose()
    await play.posted(record)
    await play.slack.open_home("U0ANA")
    await play.slack.wait_for(lambda s: "Refund $1,400.00" in texts((s.home("U0ANA") or {}).get("blocks")))
    await play.slack.click_in_view("U0ANA", "open_queue_item")
    modal = await play.modal("U0ANA", "details")
    assert "double charge" in texts(modal["blocks"])


async def test_home_of_somebody_who_is_no_reviewer_says_so(play: Stage) -> None:
    await play.slack.open_home("U0GIA")
    await play.slack.wait_for(
        lambda s: "Guests cannot decide" in texts((s.home("U0GIA") or {}).get("blocks"))
    )


async def test_the_queue_is_listed_and_opens_details(play: Stage) -> None:
    record = await play.propose()
    await play.posted(record)
    assert (await play.slack.command("U0ANA", "C0GENERAL", "/gate queue")).ok
    await play.told("U0ANA", "1 request")
    (message,) = play.slack.ephemerals("U0ANA")
    assert "Refund $1,400.00" in texts(message["blocks"])
    await play.slack.click("U0ANA", "C0GENERAL", message["ts"], "open_queue_item")
    await play.modal("U0ANA", "details")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        pytest.param("/gate", "/gate queue", id="nothing"),
        pytest.param("/gate help", "/gate oncall", id="help"),
        pytest.param("/gate oncall", "Chi Okafor", id="oncall"),
        pytest.param("/gate report", "Nothing waits for anybody.", id="report"),
        pytest.param("/gate policy", "1 document, 6 rules", id="policy"),
        pytest.param("/gate break-glass", "the policy set in force has no", id="break-glass"),
        pytest.param("/gate aprove", "There is no “aprove”; there is queue, delegate, ", id="unknown"),
    ],
)
async def test_the_command_always_answers(play: Stage, typed: str, words: str) -> None:
    assert (await play.slack.command("U0ANA", "C0GENERAL", typed)).ok
    await play.told("U0ANA", words)


async def test_the_queue_is_not_for_strangers(play: Stage) -> None:
    await play.slack.command("U0DEV", "C0GENERAL", "/gate queue")
    await play.told("U0DEV", "Nothing waits for you")
    await play.slack.command("U0GIA", "C0GENERAL", "/gate queue")
    await play.told("U0GIA", "Guests cannot decide")


async def test_the_report_is_for_listed_reviewers_and_others_figures_for_approvers(play: Stage) -> None:
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.click("U0BO", channel, ts, "approve")
    await play.told("U0BO", "Approved.")
    for user in ("U0CHI", "U0ANA"):
        await play.slack.command(user, "C0GENERAL", "/gate report")
        await play.told(user, "Last 24 hours: 1 asked, 1 decided by people.")
    seen = {user: texts(play.slack.ephemerals(user)[-1]["blocks"]) for user in ("U0CHI", "U0ANA")}
    assert "Bo Lindqvist" in seen["U0CHI"]
    assert "Bo Lindqvist" not in seen["U0ANA"]
    assert "are for the approvers" in seen["U0ANA"]
    for word in ("report", "policy"):
        await play.slack.command("U0GIA", "C0GENERAL", f"/gate {word}")
        await play.told("U0GIA", "Guests cannot decide")


async def test_home_shows_the_persons_own_reviews(play: Stage) -> None:
    await play.slack.open_home("U0BO")
    await play.slack.wait_for(lambda s: "decided nothing" in texts((s.home("U0BO") or {}).get("blocks")))
    record = await play.propose()
    channel, ts = await play.posted(record)
    await play.slack.click("U0BO", channel, ts, "approve")
    await play.slack.wait_for(lambda s: "1 of 1 approved" in texts((s.home("U0BO") or {}).get("blocks")))


async def test_a_refusal_is_a_sentence_without_its_code(play: Stage) -> None:
    await play.slack.command("U0ANA", "C0GENERAL", "/gate aprove")
    await play.told("U0ANA", "There is no “aprove”")
    assert "unknown_command" not in texts(play.slack.ephemerals("U0ANA")[-1]["blocks"])
