"""What a newcomer sees: `gate run` in an empty folder, the first card on the page, the terminal answering clicks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.harness.browser import People
from tests.harness.processes import Processes, Running

POLICIES = Path(__file__).resolve().parents[3] / "policies"


@pytest.fixture
def running(processes: Processes) -> Running:
    """What `make run` starts, on free ports, its recorded agents a little quicker than people like."""
    env = {
        "GATE_BIND": "127.0.0.1:0",
        "GATE_SANDBOX_BIND": "127.0.0.1:0",
        "GATE_POLICIES": str(POLICIES),
        "GATE_PEOPLE": str(POLICIES / "people.yaml"),
    }
    return processes.gate("run", "--pace", "0.1", "--limit", "10", env=env)


def card(page: Page, words: str) -> Locator:
    return page.locator("#messages article:not(.ephemeral)", has_text=words)


async def test_the_terminal_says_released_or_refused_as_a_newcomer_clicks(
    running: Running, people: People, tmp_path: Path
) -> None:
    opened = await running.aexpect(r"Open\s+(http://\S+)")
    page = await people.open(opened[1])
    await expect(page.get_by_role("button", name="You are Ana Ruiz")).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("^Approve")).first).to_be_visible()
    await running.aexpect(r"released .*Read ticket 77 .*allowed by allow-reads")
    await running.aexpect(r"refused .*Drop the table orders_2019 .*never-drop-prod")
    await running.aexpect(r"instead: Archive it")

    await page.get_by_role("link", name=re.compile("approvals-finance")).click()
    await card(page, "Refund $1,400.00").locator("[data-action-id=approve]").click()
    await running.aexpect(r"released .*Refund \$1,400\.00 to order 881 .*approved by ana")
    await expect(card(page, "Refund $1,400.00")).to_contain_text("executed")

    credit = card(page, "credit note of $240.00")
    await credit.locator("[data-action-id=edit]").click()
    dialog = page.get_by_role("dialog", name="Edit")
    await dialog.get_by_role("textbox", name="amount").fill("200")
    await dialog.get_by_role("button", name="Submit").click()
    await running.aexpect(r"released .*credit note .*approved by ana, edited: amount 240 -> 200")
    await expect(credit).to_contain_text("amount: 240 → 200")

    await page.get_by_role("link", name="approvals", exact=False).first.click()
    mail = card(page, "Send Mara Vogt the answer")
    await mail.locator("[data-action-id=reject]").click()
    dialog = page.get_by_role("dialog", name="Reject")
    await dialog.get_by_label("What should be different?").fill("The refund is not through yet")
    await dialog.get_by_role("button", name="Reject").click()
    await running.aexpect(r"refused .*Send Mara Vogt .*rejected by ana: The refund is not through yet")

    await page.goto("about:blank")  # a page left open complains that its workspace is gone
    running.ask_to_stop()
    assert await running.await_exit() == 0
    assert "Traceback" not in running.output
    kept = {path.name for path in (tmp_path / "var").iterdir()}
    assert {"gate.db", "keys", "sandbox.json"} <= kept
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "var").iterdir()}
    assert set(modes.values()) == {0}, modes
