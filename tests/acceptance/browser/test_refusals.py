"""Whoever may not decide is refused in the page with the reason, and nothing of it changes the request."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tests.acceptance.browser.conftest import Lane
from tests.acceptance.browser.town import Agent


@pytest.mark.parametrize(
    ("user", "flags", "words"),
    [
        pytest.param("U0OWN", {}, "You own the agent refund-bot", id="the agent's owner"),
        pytest.param("U0GUS", {"is_restricted": True}, "Guests cannot decide", id="a guest"),
        pytest.param("U0HAL", {"deleted": True}, "account is deactivated", id="a deactivated person"),
        pytest.param(
            "U0STAN",
            {"is_stranger": True},
            "People of other workspaces cannot decide",
            id="a person of another company",
        ),
    ],
)
@pytest.mark.parametrize("button", ["approve", "reject", "edit"])
async def test_who_may_not_decide_is_told_why(
    agent: Agent, lane: Lane, user: str, flags: dict[str, Any], words: str, button: str
) -> None:
    window = await lane.window(user)
    asked = await agent.propose(lane.topic("shaped"), payload={"order": "881", "amount": 12, "note": ""})
    try:
        await expect(window.button(asked["id"], button)).to_be_visible()
        if flags:
            await agent.change_person(user, **flags)
        await window.press(asked["id"], button)
        await expect(window.answers).to_have_count(1)
        if await window.dialog.is_visible():  # it opened on what was known of the person a minute ago
            if button == "reject":
                await window.dialog.get_by_label("What should be different?").fill("No")
            else:
                await window.field("/amount").locator("input").fill("11")
            await window.submit()
        await expect(window.answers.filter(has_text=words)).to_have_count(1)
        document = await agent.read(asked["id"])
        assert (document["status"], document["version"]) == ("pending", 1)
        assert document["approval"]["votes"] == []
    finally:
        await agent.change_person(user, **dict.fromkeys(flags, False))


async def test_somebody_without_a_group_is_told_so(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0NED", "C0APPROVALS")
    asked = await agent.propose("job.elsewhere.thing")  # no rule covers it: the approvers decide
    await window.press(asked["id"], "approve")
    await window.told("You are not a reviewer of this request")
    assert (await agent.read(asked["id"]))["approval"]["votes"] == []


async def test_a_card_that_went_stale_in_another_window_is_harmless(agent: Agent, lane: Lane) -> None:
    """A click on what was decided meanwhile says by whom."""
    ana, bo = await lane.window("U0ANA"), await lane.window("U0BO")
    asked = await agent.propose(lane.topic("review"))
    await expect(bo.button(asked["id"], "reject")).to_be_visible()
    await bo.press(asked["id"], "reject")
    await ana.press(asked["id"], "approve")
    await agent.until(asked["id"], "approved")
    await bo.dialog.get_by_label("What should be different?").fill("Too late")
    await bo.submit()
    await expect(bo.dialog).to_contain_text("Approved by Ana Ruiz")
    await expect(bo.dialog).to_contain_text("was not counted")
    assert (await agent.read(asked["id"]))["status"] == "approved"
