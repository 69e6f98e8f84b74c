"""Cards and votes over a crash: posted once, clickable afterwards, and what a person was told counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.running import Json, buttons, cards_of, town
from tests.harness.processes import Processes


def _decided(card: Json) -> bool:
    return not buttons(card)


async def test_an_old_card_works_after_a_crash(processes: Processes, tmp_path: Path) -> None:
    """INV-37, INV-36: its buttons do what they did; a click while nobody is there is answered by Slack, and changes
    nothing; a stale button tells who decided."""
    async with town(processes, tmp_path) as (gate, slack):
        action = await gate.propose("work.lane-0")
        card = await slack.card(action["id"])
        await gate.crash()
        nobody = await slack.click("U0ANA", card)
        assert not nobody["ok"]
        assert nobody["notice"]
        await gate.start()
        assert (await gate.action(action["id"]))["status"] == "pending"
        assert (await slack.click("U0ANA", card))["ok"]
        assert (await gate.action(action["id"], wait=60))["status"] == "approved"
        await slack.card(action["id"], _decided)


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
async def test_a_vote_that_was_acknowledged_counts_after_a_crash(
    processes: Processes, tmp_path: Path, request: pytest.FixtureRequest, engine: str
) -> None:
    """INV-43: the gate is killed the moment Ana reads that her approval counts. INV-04, INV-08: clicking again after
    the crash makes no second vote of it; Bo's does."""
    url = request.getfixturevalue("postgres_url") if engine == "postgresql" else None
    async with town(processes, tmp_path, database_url=url) as (gate, slack):
        action = await gate.propose("work.pair")
        card = await slack.card(action["id"])
        await slack.click("U0ANA", card)
        told = await slack.told("U0ANA", "Your approval counts")
        await gate.crash()
        await gate.start()
        votes = (await gate.action(action["id"]))["approval"]["votes"]
        assert [(v["person"], v["vote"]) for v in votes] == [("ana", "approve")]
        await slack.click("U0ANA", card)
        await slack.told("U0ANA", "", after=told["ts"])
        assert (await gate.action(action["id"]))["status"] == "pending"
        await slack.click("U0BO", card)
        assert (await gate.action(action["id"], wait=60))["status"] == "approved"
        kinds = [r["kind"] for r in await gate.records(action["id"])]
        assert kinds == ["approval.requested", "approval.vote", "approval.granted", "grant.issued"]


async def test_a_card_that_was_posted_and_never_confirmed_is_adopted(
    processes: Processes, tmp_path: Path
) -> None:
    """INV-34, INV-37: Slack took the post, cut the connection, and the gate died. The next one finds the card."""
    async with town(processes, tmp_path) as (gate, slack):
        await slack.fault("drop_after_receipt", method="chat.postMessage")
        action = await gate.propose("work.lane-0")
        await slack.until_called("chat.postMessage", 1)
        await gate.crash()
        await gate.start()
        await gate.process.aexpect('"slack_card_adopted"')
        card = await slack.card(action["id"])
        await slack.click("U0ANA", card)
        assert (await gate.action(action["id"], wait=60))["status"] == "approved"
        await slack.card(action["id"], _decided)
        assert len(cards_of(await slack.state(), action["id"])) == 1


async def test_a_decision_that_the_card_does_not_show_yet_is_shown_after_a_crash(
    processes: Processes, tmp_path: Path
) -> None:
    """INV-33, INV-37: decided, told, and killed before the card followed: it follows when the gate is back."""
    async with town(processes, tmp_path) as (gate, slack):
        action = await gate.propose("work.lane-0")
        card = await slack.card(action["id"])
        await slack.fault("error", method="chat.update", code="internal_error", count=1)
        await slack.click("U0ANA", card)
        await slack.until_called("chat.update", 1)
        await gate.crash()
        assert buttons(await slack.card(action["id"]))
        await gate.start()
        await slack.card(action["id"], _decided, within=60)
        assert (await gate.action(action["id"]))["status"] == "approved"
