"""A person with the card open decides in few clicks, is told what came of it, and never leaves the workspace."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import pytest
from playwright.async_api import TimeoutError as PageTimeout
from playwright.async_api import expect

from tests.acceptance.browser.conftest import Lane
from tests.acceptance.browser.town import Agent

REFUND = {"order": "881", "amount": 1400, "note": "double charge on 12 Nov", "notify": True}
SHAPE = {
    "type": "object",
    "properties": {
        "order": {"type": "string"},
        "amount": {"type": "number", "minimum": 1, "maximum": 5000},
        "note": {"type": "string", "maxLength": 60},
        "notify": {"type": "boolean"},
    },
    "required": ["order", "amount"],
}


async def refund(agent: Agent, lane: Lane) -> dict[str, object]:
    """A refund above what policy lets pass, with a schema that types its fields."""
    return await agent.propose(
        lane.topic("shaped"),
        tool="stripe.refund",
        summary="Refund $1,400.00 to order 881",
        payload=REFUND,
        payload_schema=SHAPE,
        rationale="Charged twice, see ticket 77.",
    )


async def test_approving_takes_one_click(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("review"))
    clicks = await window.count_clicks()
    await window.press(asked["id"], "approve")
    await agent.until(asked["id"], "approved")
    await window.decided(asked["id"], "Approved by Ana Ruiz")
    await window.told("Approved. Released to refund-bot.")
    assert await clicks() == 1
    assert len(window.page.context.pages) == 1


async def test_a_card_that_changes_beneath_the_finger_is_still_clicked(agent: Agent, lane: Lane) -> None:
    window, beside = await lane.window("U0ANA"), await lane.window("U0BO")
    asked = await agent.propose(lane.topic("held"))
    await window.button(asked["id"], "approve").hover()
    before = await beside.card(asked["id"]).inner_text()
    await window.page.mouse.down()
    await expect(beside.card(asked["id"])).not_to_have_text(before, use_inner_text=True)
    await window.page.mouse.up()
    await agent.until(asked["id"], "approved")
    await window.decided(asked["id"], "Approved by Ana Ruiz")


async def test_rejecting_with_a_reason_takes_two_clicks(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0BO")
    asked = await agent.propose(lane.topic("review"))
    clicks = await window.count_clicks()
    await window.press(asked["id"], "reject")
    await expect(window.dialog.get_by_role("radio", checked=True)).to_have_count(1)  # a category is preset
    await window.page.keyboard.type("Wrong order")  # the comment has the focus
    await window.submit()
    rejected = await agent.until(asked["id"], "rejected")
    assert rejected["approval"]["reject"]["comment"] == "Wrong order"
    assert rejected["approval"]["reject"]["category"]
    assert await clicks() == 2
    await window.decided(asked["id"], "Rejected by Bo Lindqvist", "Wrong order")


async def test_a_rejection_that_says_nothing_is_asked_for_words(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0BO")
    asked = await agent.propose(lane.topic("review"))
    await window.press(asked["id"], "reject")
    await window.submit()
    comment = window.dialog.locator("[data-input-block=comment]")
    await expect(comment.locator(".input-error")).not_to_be_empty()
    assert (await agent.read(asked["id"]))["status"] == "pending"
    await window.dialog.get_by_role("radio").first.check()
    await window.submit()
    assert (await agent.until(asked["id"], "rejected"))["approval"]["reject"]["category"]


async def test_an_edit_is_corrected_on_the_field_and_what_runs_is_the_edited_payload(
    agent: Agent, lane: Lane
) -> None:
    window = await lane.window("U0ANA")
    asked = await refund(agent, lane)
    await window.press(asked["id"], "edit")
    amount = window.field("/amount")
    await expect(amount.locator("input")).to_have_value("1400")
    await expect(window.field("/notify").get_by_role("radio").first).to_be_visible()
    await expect(window.field("/order")).to_have_count(0)  # policy lets nobody change it
    for wrong, words in (
        ("9000", re.compile("5000|5,000")),
        ("-3", re.compile("1")),
        ("1450", "max_amount_usd"),
    ):
        await amount.locator("input").fill(wrong)
        await window.submit()
        await expect(amount.locator(".input-error")).to_contain_text(words)
        await expect(amount.locator("input")).to_have_attribute("aria-invalid", "true")
    assert (await agent.read(asked["id"]))["version"] == 1

    await amount.locator("input").fill("1200")
    await window.field("/note").locator("input, textarea").fill("one charge only")
    await window.submit()
    edited = {**REFUND, "amount": 1200, "note": "one charge only"}
    approved = await agent.until(asked["id"], "approved")
    assert (approved["payload"], approved["version"], approved["edited"]) == (edited, 2, True)
    assert approved["payload_sha256"] != approved["proposed_payload_sha256"]
    await window.decided(asked["id"], "amount: 1400 → 1200", "Approved by Ana Ruiz")
    await window.told("Saved as version 2 and approved. Released to refund-bot.")

    token = approved["grant"]["token"]
    for other in (REFUND, {**edited, "amount": 1201}, {**edited, "order": "882"}):
        status, refused = await agent.redeem(token, other)
        assert (status, refused["code"]) == (403, "payload_mismatch")
    status, redeemed = await agent.redeem(token, approved["payload"])
    assert (status, redeemed["version"]) == (200, 2)


async def test_an_edit_that_is_only_saved_takes_votes_away_and_waits(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("critical"), payload={"service": "checkout", "replicas": 3})
    await window.press(asked["id"], "approve")
    await expect(window.card(asked["id"])).to_contain_text("1 of 2 so far: Ana Ruiz")
    await window.become("U0BO")
    await window.press(asked["id"], "edit")
    await window.field("/replicas").locator("input").fill("5")
    await window.dialog.locator("[data-input-block=then]").get_by_role("radio").last.check()
    await window.submit()
    await window.told("Saved as version 2. Earlier approvals no longer count")
    card = window.card(asked["id"])
    await expect(card).to_contain_text("replicas: 3 → 5")
    await expect(card).not_to_contain_text("so far")
    await expect(window.button(asked["id"], "approve")).to_have_text("Approve version 2")
    saved = await agent.read(asked["id"])
    assert (saved["status"], saved["version"]) == ("pending", 2)
    await window.press(asked["id"], "approve")
    await window.become("U0ANA")
    await expect(card).to_contain_text("1 of 2 so far: Bo Lindqvist")
    await window.press(asked["id"], "approve")
    approved = await agent.until(asked["id"], "approved")
    assert approved["payload"] == {"service": "checkout", "replicas": 5}


async def test_two_different_people_agree_on_what_is_critical(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("critical"))
    card = window.card(asked["id"])
    await expect(card).to_contain_text("CRITICAL")
    for _ in range(3):
        before = await window.notes.count()
        await window.press(asked["id"], "approve")
        await expect(window.notes).to_have_count(before + 1)
    await expect(card).to_contain_text("1 of 2 so far: Ana Ruiz")
    document = await agent.read(asked["id"])
    assert document["status"] == "pending"
    assert [vote["person"] for vote in document["approval"]["votes"]] == ["ana"]
    await expect(window.notes.first).to_contain_text("One more person is needed (1 of 2)")
    await window.become("U0CHO")
    await window.press(asked["id"], "approve")
    approved = await agent.until(asked["id"], "approved")
    assert sorted(vote["person"] for vote in approved["approval"]["votes"]) == ["ana", "cho"]
    await window.decided(asked["id"], "Approved by Ana Ruiz and Cho Minji")


CLICK = "button => { const there = button.isConnected; if (there) button.click(); return there }"
"""A click on a button that is drawn anew between being found and being clicked would reach nothing."""


@pytest.mark.parametrize(
    "buttons", [("approve", "approve"), ("approve", "reject")], ids=["both approve", "one rejects"]
)
async def test_two_people_in_the_same_instant_get_one_result_and_both_are_told(
    agent: Agent, lane: Lane, buttons: tuple[str, str]
) -> None:
    while True:
        ana, bo = await asyncio.gather(lane.window("U0ANA"), lane.window("U0BO"))
        asked = await agent.propose(lane.topic("review"))
        if buttons[1] == "reject":
            await bo.press(asked["id"], "reject")
            await bo.dialog.get_by_label("What should be different?").fill("No")
            second = bo.dialog.locator("[data-modal=submit]")
        else:
            second = bo.button(asked["id"], "approve")
        first = ana.button(asked["id"], "approve")
        await expect(first).to_be_visible()
        await expect(second).to_be_visible()
        with suppress(PageTimeout):
            there = await asyncio.gather(*(each.evaluate(CLICK, timeout=5_000) for each in (first, second)))
            if all(there):
                break
            if not any(there):
                continue
        # One browser was so slow that the other's decision had taken its button: that was no same instant.
        await agent.until(asked["id"], "approved", "rejected")
    ended = await agent.until(asked["id"], "approved", "rejected")
    told: list[str] = []
    for window in (ana, bo):
        await expect(window.card(asked["id"]).locator("button[data-action-id]")).to_have_count(0)
        if await window.dialog.is_visible():
            await expect(window.dialog).to_contain_text("Already decided")
            told.append(await window.dialog.inner_text())
        else:
            await expect(window.notes.first).to_be_visible()
            told.append(await window.notes.first.inner_text())
    done = [text for text in told if "Approved. Released" in text or "Rejected. refund-bot" in text]
    late = [text for text in told if text not in done]
    assert (len(done), len(late)) == (1, 1), told
    winner = ended["approval"]["votes"][0]["person"]
    assert {"ana": "Ana Ruiz", "bo": "Bo Lindqvist"}[winner] in late[0]
    kinds = [record["kind"] for record in await agent.record(asked["id"])]
    assert len([kind for kind in kinds if kind in ("approval.granted", "approval.rejected")]) == 1


async def test_others_are_asked_and_may_decide(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("review"))
    await window.press(asked["id"], "reassign")
    choice = window.dialog.locator("details.multi")
    await choice.locator("summary").click()
    await choice.get_by_label("Dee Okafor").check()
    await window.dialog.get_by_label("Why?").fill("Dee knows this customer")
    await window.submit()
    await window.told("Asked Dee Okafor. Whoever was asked before may still decide.")
    await window.thread(asked["id"], ["Ana Ruiz", "Dee Okafor", "to decide."])
    await window.become("U0DEE")
    await window.press(asked["id"], "approve")
    await agent.until(asked["id"], "approved")


async def test_the_details_tell_everything(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0ANA")
    asked = await agent.propose(
        lane.topic("review"),
        rationale="Charged twice, see ticket 77.",
        confidence=0.84,
        evidence=[{"label": "Contract", "value": "CON-4821", "tone": "emerald"}],
        context={"workflow": "customer-refund", "step": "3", "model": {"name": "m-1", "version": "7"}},
    )
    await window.press(asked["id"], "details")
    for words in (
        *("Refund order 881", "A person looks at it", "CON-4821", "Charged twice, see ticket 77."),
        *("customer-refund", "m-1", "0.84", asked["payload_sha256"], asked["id"], lane.topic("review")),
    ):
        await expect(window.dialog).to_contain_text(words)
    await expect(window.dialog.locator("[data-modal=submit]")).to_have_count(0)
    await window.page.keyboard.press("Escape")
    await expect(window.dialog).to_be_hidden()
    await expect(window.button(asked["id"], "details")).to_be_focused()
