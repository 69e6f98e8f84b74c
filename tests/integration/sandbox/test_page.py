"""Knows that the page does a reviewer's job in a real browser: by keyboard alone, live, safe and narrow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import Page, expect
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox import RateLimits, Sandbox
from tests.integration.sandbox.cards import approval_card, edit_modal
from tests.integration.sandbox.running import connected

AS_ANA = "#/as/U0ANA/c/C0APPROVALS"


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(rate_limits=RateLimits(enabled=False), seed=7) as running:
        yield running


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(60):
        if await page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reached {selector}")


def editing(app: AsyncApp, client: AsyncWebClient) -> None:
    """An app that edits: refuses more than 1,200 at the field, then says so to the person alone."""

    @app.action("edit")
    async def edit(ack: Any, body: Any) -> None:
        await ack()
        metadata = f"{body['channel']['id']}"
        await client.views_open(trigger_id=body["trigger_id"], view=edit_modal(metadata))

    @app.view("edit")
    async def save(ack: Any, view: Any, body: Any) -> None:
        if float(view["state"]["values"]["field:/amount"]["value"]["value"]) > 1200:
            await ack(response_action="errors", errors={"field:/amount": "At most 1,200."})
            return
        await ack()
        await client.chat_postEphemeral(
            channel=view["private_metadata"], user=body["user"]["id"], text="Saved as *version 2*."
        )

    @app.view_closed("edit")
    async def closed(ack: Any) -> None:
        await ack()


async def test_a_reviewer_edits_by_keyboard_alone(
    sandbox: Sandbox, app: AsyncApp, client: AsyncWebClient, page: Page
) -> None:
    editing(app, client)
    async with connected(app, sandbox):
        await page.goto(sandbox.url + AS_ANA)
        await expect(page.locator(".empty")).to_contain_text("No approvals yet")
        await client.chat_postMessage(channel="C0APPROVALS", text="Refund", blocks=approval_card())
        await expect(page.locator("[data-action-id=edit]")).to_be_visible()

        await tab_to(page, "[data-action-id=edit]")
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Edit the refund")
        await expect(dialog).to_be_visible()
        amount = dialog.get_by_label("amount")
        await expect(amount).to_be_focused()

        await page.keyboard.press("Control+A")
        await page.keyboard.type("1300")
        await page.keyboard.press("Enter")
        await expect(dialog.get_by_text("At most 1,200.")).to_be_visible()
        await expect(amount).to_have_attribute("aria-invalid", "true")
        await expect(amount).to_be_focused()

        await page.keyboard.press("Control+A")
        await page.keyboard.type("1200")
        await tab_to(page, "[data-modal=submit]")
        await page.keyboard.press("Enter")
        await expect(dialog).to_be_hidden()
        note = page.locator("article.ephemeral")
        await expect(note).to_contain_text("Only visible to you")
        await expect(note.locator("strong")).to_have_text("version 2")
        await expect(page.locator("[data-action-id=edit]")).to_be_focused()

        await page.keyboard.press("Enter")
        await expect(dialog).to_be_visible()
        for _ in range(12):  # the focus never leaves the dialog
            await page.keyboard.press("Tab")
            inside = await page.evaluate(
                "document.activeElement === document.body || !!document.activeElement.closest('#modal')"
            )
            assert inside
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        assert sandbox.modal("U0ANA") is None


async def test_people_home_commands_threads_and_confirmation(
    sandbox: Sandbox, app: AsyncApp, client: AsyncWebClient, page: Page
) -> None:
    pressed: list[str] = []

    @app.event("app_home_opened")
    async def home(event: Any) -> None:
        who = {"type": "mrkdwn", "text": f"Queue of <@{event['user']}>"}
        await client.views_publish(
            user_id=event["user"], view={"type": "home", "blocks": [{"type": "section", "text": who}]}
        )

    @app.command("/gate")
    async def gate(ack: Any, command: Any) -> None:
        await ack(f"Nothing in your {command['text']}.")

    @app.action("stop")
    async def stop(ack: Any, body: Any) -> None:
        await ack()
        pressed.append(body["user"]["id"])

    confirm = {
        "title": {"type": "plain_text", "text": "Stop it?"},
        "text": {"type": "mrkdwn", "text": "*Really* stop?"},
        "confirm": {"type": "plain_text", "text": "Stop"},
        "deny": {"type": "plain_text", "text": "Keep"},
    }
    stop_button = {
        "type": "button",
        "action_id": "stop",
        "text": {"type": "plain_text", "text": "Stop"},
        "confirm": confirm,
    }
    async with connected(app, sandbox):
        await page.goto(sandbox.url + AS_ANA)
        await page.get_by_role("button", name="You are Ana Ruiz").focus()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="You are Bo Lindqvist")).to_be_focused()
        assert "#/as/U0BO/" in page.url

        await page.get_by_role("link", name="Signoff Home").click()
        await expect(page.locator("#home")).to_have_text("Queue of @Bo Lindqvist")

        await page.get_by_role("link", name="general").click()
        field = page.get_by_label("Message #general")
        await field.fill("/ga")
        await expect(page.locator(".command-hint")).to_be_visible()
        await field.press("Tab")
        await expect(field).to_have_value("/gate ")
        await field.press_sequentially("queue")
        await field.press("Enter")
        await expect(page.locator("article.ephemeral")).to_contain_text("Nothing in your queue.")

        posted = await client.chat_postMessage(
            channel="C0APPROVALS", text="Stop?", blocks=[{"type": "actions", "elements": [stop_button]}]
        )
        await client.chat_postMessage(channel="C0APPROVALS", text="in the thread", thread_ts=posted["ts"])
        await expect(page.get_by_role("link", name="approvals 1 unread")).to_be_visible()
        link = (await client.chat_getPermalink(channel="C0APPROVALS", message_ts=posted["ts"]))["permalink"]
        await page.goto(link)
        await expect(page.locator("#messages article").first).to_be_focused()
        await page.locator("#messages [data-action-id=stop]").click()
        question = page.get_by_role("dialog", name="Stop it?")
        await question.get_by_role("button", name="Keep").click()
        assert pressed == []
        await page.locator("#messages [data-action-id=stop]").click()
        await question.get_by_role("button", name="Stop").click()
        await sandbox.wait_for(lambda _: pressed)

        await page.get_by_role("link", name="1 reply").click()
        reply = page.get_by_label("Reply in thread", exact=True).and_(page.locator("textarea"))
        await expect(reply).to_be_focused()
        await reply.fill("seen <b> & done")
        await reply.press("Enter")
        await expect(page.locator("#thread article").nth(2)).to_contain_text("seen <b> & done")
        await expect(page.get_by_role("link", name="2 replies")).to_be_visible()


async def test_an_app_that_is_gone_shows_on_the_button_and_in_a_toast(
    sandbox: Sandbox, client: AsyncWebClient, page: Page
) -> None:
    await client.chat_postMessage(channel="C0APPROVALS", text="Refund", blocks=approval_card())
    await page.goto(sandbox.url + AS_ANA)
    button = page.locator("[data-action-id=approve]")
    await button.click()
    await expect(page.locator("#toasts")).to_contain_text("not responding")
    await expect(button).to_have_class("button primary failed")
    await page.get_by_role("button", name="Troubles and call log").click()
    await page.get_by_role("switch", name="Slack is down").check()
    await sandbox.wait_for(lambda s: s.faults.down_mode == "refused")
    await page.get_by_role("button", name="Back to good weather").click()
    await sandbox.wait_for(lambda s: s.faults.down_mode is None)


HOSTILE = (
    '<img src=x onerror="document.title=1"> <script>document.title=1</script> '
    "<javascript:alert(1)|click> <https://example.com|safe> &lt;b&gt;"
)


async def test_hostile_text_stays_text_and_a_narrow_window_does_not_scroll_sideways(
    sandbox: Sandbox, client: AsyncWebClient, page: Page
) -> None:
    rich = {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": HOSTILE + "x" * 400}]}
        ],
    }
    section = {"type": "section", "text": {"type": "mrkdwn", "text": HOSTILE}}
    await client.chat_postMessage(channel="C0APPROVALS", text=HOSTILE)
    await client.chat_postMessage(channel="C0APPROVALS", text="x", blocks=[*approval_card(), section, rich])
    await page.set_viewport_size({"width": 380, "height": 760})
    await page.goto(sandbox.url + AS_ANA)
    await expect(page.locator("pre").last).to_contain_text("<script>")
    assert await page.locator("#messages img, #messages script").count() == 0
    assert await page.locator("#messages a[href^='javascript']").count() == 0
    assert await page.locator("#messages a[href='https://example.com']").count() == 2
    await expect(page.locator("article").first).to_contain_text("<b>")
    widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths == [380, 380]
    await page.get_by_role("button", name="Channels and messages").click()
    await page.get_by_role("link", name="general").click()
    await expect(page.get_by_label("Message #general")).to_be_visible()
