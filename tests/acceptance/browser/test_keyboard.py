"""The page without a mouse, and what assistive technology is told of it."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.acceptance.browser.conftest import Lane
from tests.acceptance.browser.town import Agent


async def tab_to(page: Page, selector: str, *, at_most: int = 90) -> None:
    """Press Tab until the focus is there."""
    for _ in range(at_most):
        if await page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reached {selector}")


async def test_from_page_load_to_an_approval_without_the_mouse(agent: Agent, lane: Lane) -> None:
    asked = await agent.propose(lane.topic("review"), summary="Refund order 4712")
    window = await lane.window("U0ANA")
    page = window.page
    await expect(window.button(asked["id"], "approve")).to_be_visible()
    await tab_to(page, "[data-action-id=approve]")
    assert await page.evaluate("document.activeElement.getAttribute('aria-label')") == (
        "Approve: Refund order 4712"
    )
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "the focus can be seen"
    await page.keyboard.press("Enter")
    assert (await agent.until(asked["id"], "approved"))["status"] == "approved"
    await window.told("Approved. Released to refund-bot.")
    focused = await page.evaluate("document.activeElement.closest('article')?.innerText ?? ''")
    assert asked["id"] in focused, "the focus stays with the card that lost its buttons"


async def test_becoming_somebody_else_and_rejecting_without_the_mouse(agent: Agent, lane: Lane) -> None:
    asked = await agent.propose(lane.topic("review"))
    window = await lane.window("U0ANA")
    page = window.page
    await expect(window.button(asked["id"], "reject")).to_be_visible()
    await tab_to(page, ".person.current")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="You are Bo Lindqvist")).to_be_focused()
    await tab_to(page, "[data-action-id=reject]")
    await page.keyboard.press("Enter")
    await expect(window.dialog.get_by_label("What should be different?")).to_be_focused()
    await page.keyboard.type("Ask the customer first")
    await tab_to(page, "[data-modal=submit]")
    await page.keyboard.press("Enter")
    rejected = await agent.until(asked["id"], "rejected")
    assert rejected["approval"]["reject"]["comment"] == "Ask the customer first"
    await expect(window.dialog).to_be_hidden()


async def test_an_edit_without_the_mouse(agent: Agent, lane: Lane) -> None:
    asked = await agent.propose(
        lane.topic("shaped"), payload={"order": "881", "amount": 1400, "note": "twice", "notify": True}
    )
    window = await lane.window("U0ANA")
    page = window.page
    await expect(window.button(asked["id"], "edit")).to_be_visible()
    await tab_to(page, "[data-action-id=edit]")
    await page.keyboard.press("Enter")
    await expect(window.field("/amount").locator("input")).to_be_focused()
    await page.keyboard.press("Control+A")
    await page.keyboard.type("none")
    await page.keyboard.press("Enter")
    await expect(window.field("/amount").locator("input")).to_have_attribute("aria-invalid", "true")
    await expect(window.field("/amount").locator("input")).to_be_focused()
    described = await page.evaluate(
        "document.getElementById(document.activeElement.getAttribute('aria-describedby').split(' ').at(-1)).innerText"
    )
    assert described.strip(), "the error is tied to the field"
    await page.keyboard.press("Control+A")
    await page.keyboard.type("1200")
    await page.keyboard.press("Enter")
    assert (await agent.until(asked["id"], "approved"))["payload"]["amount"] == 1200


async def test_what_a_screen_reader_is_told(agent: Agent, lane: Lane) -> None:
    asked = await agent.propose(
        lane.topic("shaped"),
        summary="Refund $1,400.00 to order 881",
        payload={"order": "881", "amount": 1400, "note": "twice", "notify": True},
        rationale="Charged twice.",
    )
    window = await lane.window("U0ANA")
    card = window.card(asked["id"])
    page, here = window.page, f"#lane{lane.number}"
    rail = page.get_by_role("navigation", name="Channels", exact=True)
    await expect(rail.get_by_role("link", name="Signoff Home")).to_be_visible()
    await expect(rail.get_by_role("link", name=here[1:], exact=True)).to_have_attribute(
        "aria-current", "page"
    )
    place = page.get_by_role("main", name=here)
    await expect(place.get_by_role("heading", level=1)).to_have_text(here[1:])
    await expect(place.get_by_role("log", name=f"Messages in {here}")).to_be_visible()
    await expect(place.get_by_role("textbox", name=f"Message {here}")).to_be_visible()
    await expect(card).to_match_aria_snapshot(
        """
        - article:
          - heading "🔶 HIGH · Refund $1,400.00 to order 881" [level=3]
          - group "Actions":
            - 'button "Approve: Refund $1,400.00 to order 881"'
            - 'button "Edit: Refund $1,400.00 to order 881"'
            - 'button "Reject: Refund $1,400.00 to order 881"'
            - 'button "Details: Refund $1,400.00 to order 881"'
            - 'button "Reassign: Refund $1,400.00 to order 881"'
        """
    )
    order = await card.evaluate(
        "card => [...card.querySelectorAll('button[data-action-id]')].map(b => b.dataset.actionId)"
    )
    assert order == ["approve", "edit", "reject", "details", "reassign"]
    await window.press(asked["id"], "edit")
    await expect(window.dialog).to_match_aria_snapshot(
        """
        - dialog "Edit":
          - heading "Edit" [level=2]
          - button "Close"
          - textbox "amount"
          - textbox "note (optional)"
          - radiogroup "notify":
            - radio "true" [checked]
            - radio "false"
          - textbox /Comment/
          - radiogroup "Then":
            - radio "Save and approve what I saved" [checked]
            - radio "Save only, decide later"
          - button "Cancel"
          - button "Submit"
        """
    )
    unnamed = await window.page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, select, a[href]')]
          .filter(node => node.checkVisibility())
          .filter(node => !(node.getAttribute('aria-label') || node.innerText.trim() || node.title
            || node.labels?.length || node.closest('label')))
          .map(node => node.outerHTML.slice(0, 200))"""
    )
    assert unnamed == []


async def test_a_phone_shows_the_whole_card_without_scrolling_sideways(agent: Agent, lane: Lane) -> None:
    asked = await agent.propose(
        lane.topic("review"), summary="W" * 300, payload={"note": "n" * 400, "k" * 200: ["x" * 300]}
    )
    window = await lane.window("U0ANA", viewport={"width": 380, "height": 800}, color_scheme="dark")
    await expect(window.button(asked["id"], "approve")).to_be_visible()
    assert await window.page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [380, 380]
    box = await window.button(asked["id"], "reassign").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 380
    for name in ("edit", "details", "reject"):
        await window.press(asked["id"], name)
        await expect(window.dialog).to_be_visible()
        size = await window.dialog.evaluate("d => [d.scrollWidth <= d.clientWidth, d.clientWidth <= 380]")
        assert size == [True, True], name
        await window.page.keyboard.press("Escape")
        await expect(window.dialog).to_be_hidden()
