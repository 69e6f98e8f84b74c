"""A flood of one agent in the channel: one message, a decision each, and the counts follow."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from playwright.async_api import expect

from tests.acceptance.browser.conftest import Lane
from tests.acceptance.browser.town import Agent

PICTURES = os.environ.get("SIGNOFF_PICTURES")
"""A folder for pictures of what is tested, to be looked at."""


async def test_a_burst_is_one_message_with_a_decision_each(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0ANA")
    asked = await asyncio.gather(
        *(
            agent.propose(
                lane.topic("review"),
                summary=f"Refund order {880 + number}",
                payload={"order": str(880 + number), "note": f"double charge {number}"},
            )
            for number in range(16)
        )
    )
    assert len({one["id"] for one in asked}) == 16
    digest = window.page.locator("#messages article", has_text="requests of refund-bot")
    await expect(digest).to_have_count(1)
    await expect(digest).to_contain_text("more: they move up here")
    reviewing = digest.get_by_role("button", name="Review & approve")
    await expect(reviewing).to_have_count(12)
    await _picture(window.page, "digest")
    await reviewing.first.click()
    await expect(window.dialog).to_contain_text("double charge")
    await _picture(window.page, "digest-confirm")
    await window.submit()
    await window.told("Approved. Released to refund-bot.")
    await expect(digest).to_contain_text("1 approved")
    await digest.get_by_role("button", name="Reject").first.click()
    await expect(window.dialog.get_by_role("radio", checked=True)).to_have_count(1)
    await window.page.keyboard.type("Not this one")
    await window.submit()
    await window.told("Rejected.")
    await expect(digest).to_contain_text("1 approved, 1 rejected")
    await expect(reviewing).to_have_count(12)
    decided = [await agent.read(one["id"]) for one in asked]
    assert sorted(one["status"] for one in decided) == ["approved"] + ["pending"] * 14 + ["rejected"]
    await _picture(window.page, "digest-after")


async def _picture(page: object, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)  # type: ignore[attr-defined]
