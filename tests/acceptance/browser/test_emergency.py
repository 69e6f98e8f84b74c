"""An emergency on the page: a person breaks the glass, the card says so loudly, a supervisor reviews it in Home."""

from __future__ import annotations

from playwright.async_api import expect

from tests.acceptance.browser.conftest import Lane
from tests.acceptance.browser.town import Agent


async def test_breaking_the_glass_and_its_review_without_leaving_the_workspace(
    agent: Agent, lane: Lane
) -> None:
    """INV-17: a person, a reason, an expiry; called at once, and reviewed after."""
    window = await lane.window("U0ANA")
    summary = f"Open the floodgate of lane {lane.number}"
    asked = await agent.propose(
        lane.topic("review"), summary=summary, payload={"gate": "north", "open": True}
    )
    await expect(window.card(asked["id"])).to_be_visible()
    await window.say("/gate break-glass")
    await expect(window.dialog).to_contain_text("For an emergency only")
    await window.dialog.locator("[data-input-block=request] select").select_option(f"{asked['id']}:1")
    await window.submit()
    await expect(window.dialog).to_contain_text('"north"')
    await expect(window.dialog).to_contain_text("Cho Minji")
    reason = window.dialog.locator("[data-input-block=reason]")
    await reason.locator("textarea").fill("water")
    await window.submit()
    await expect(reason.locator(".input-error")).to_contain_text("10 to 1,000 characters")
    await reason.locator("textarea").fill("The water is at the door")
    await window.dialog.locator("[data-input-block=valid]").get_by_role("radio").last.check()
    await window.submit()
    await expect(window.dialog).to_contain_text("Released to refund-bot in an emergency")
    await window.page.keyboard.press("Escape")
    released = await agent.until(asked["id"], "approved")
    assert released["approval"]["break_glass"]["review"] == "open"
    assert released["grant"] is not None
    await window.decided(
        asked["id"],
        "RELEASED IN AN EMERGENCY",
        "Ana Ruiz broke the glass",
        "The water is at the door",
        "Review due by",
    )
    await window.thread(asked["id"], ["broke the glass", "Called to review it"])
    await window.become("U0CHO")
    await window.go_home()
    await expect(window.home).to_contain_text("Emergency releases to review")
    await window.home.get_by_role("button", name=f"Review: {summary}").click()
    await expect(window.dialog).to_contain_text("The water is at the door")
    await expect(window.dialog).to_contain_text('"north"')
    await window.dialog.locator("[data-input-block=finding]").get_by_role("radio").last.check()
    await window.dialog.locator("[data-input-block=comment] textarea").fill("The lock would have held")
    await window.submit()
    await expect(window.dialog).to_contain_text("The release is taken back")
    await window.page.keyboard.press("Escape")
    await expect(window.home).not_to_contain_text("Emergency releases to review")
    after = await agent.read(asked["id"])
    assert after["approval"]["break_glass"]["review"] == "unjustified"
    assert after["grant"] is None
    status, refused = await agent.redeem(released["grant"]["token"], released["payload"])
    assert (status, refused["code"]) == (410, "grant_revoked")
    await window.open()
    await window.decided(asked["id"], "NOT justified, says Cho Minji", "taken back after its review")
    kinds = [record["kind"] for record in await agent.record(asked["id"])]
    assert kinds == ["approval.requested", "approval.break_glass", "grant.issued", "review.closed"]
