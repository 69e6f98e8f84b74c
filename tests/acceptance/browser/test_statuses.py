"""Every state of an action is reached by HTTP, and where a person is involved through the page, down to its card."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.acceptance.browser.conftest import Lane
from tests.acceptance.browser.town import Agent, Town


@pytest.mark.parametrize(
    ("kind", "status", "decision"),
    [
        pytest.param("read", "allowed", "allow", id="allowed"),
        pytest.param("drop", "denied", "deny", id="denied"),
        pytest.param("newsletter", "allowed", "allow_with_constraints", id="allowed within limits"),
    ],
)
async def test_policy_alone_decides(agent: Agent, kind: str, status: str, decision: str) -> None:
    document = await agent.propose(f"job.{kind}-test.{kind}")
    assert (document["status"], document["decision"]) == (status, decision)
    assert (document["grant"] is not None) == (status == "allowed")
    assert document["approval"] is None
    if kind == "drop":
        assert document["remediations"][0]["title"] == "Archive it"
    if kind == "newsletter":
        assert document["constraints"] == {"max_runtime_sec": 60}


async def test_what_comes_too_often_is_throttled(agent: Agent) -> None:
    first = await agent.propose("job.weekly.newsletter")
    second = await agent.propose("job.weekly.newsletter")
    assert first["status"] == "allowed"
    assert (second["status"], second["decision"], second["rule"]) == ("throttled", "throttle", "one-a-day")
    assert second["retry_after_sec"] > 0
    assert second["grant"] is None


async def test_approved_redeemed_succeeded(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("review"))
    assert asked["status"] == "pending"
    assert asked["approval"]["required"] == 1
    await window.press(asked["id"], "approve")
    approved = await agent.until(asked["id"], "approved")
    assert [vote["person"] for vote in approved["approval"]["votes"]] == ["ana"]
    await window.told("Approved. Released to refund-bot.")

    token = approved["grant"]["token"]
    status, redeemed = await agent.redeem(token, approved["payload"])
    assert (status, redeemed["action"]) == (200, asked["id"])
    status, refused = await agent.redeem(token, approved["payload"])
    assert (status, refused["code"]) == (409, "grant_redeemed")

    document = await agent.report(asked["id"], "succeeded", detail="refund re_1 created")
    assert document["outcome"]["result"] == "succeeded"
    card = await window.decided(asked["id"], "APPROVED", "Approved by Ana Ruiz after", "executed")
    await expect(card).to_contain_text("refund re_1 created")
    kinds = [record["kind"] for record in await agent.record(asked["id"])]
    assert kinds == [
        "approval.requested",
        "approval.granted",
        "grant.issued",
        "grant.redeemed",
        "outcome.reported",
    ]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        pytest.param("failed", "execution failed", id="failed"),
        pytest.param("unknown", "outcome unknown", id="unknown"),
    ],
)
async def test_an_outcome_that_is_no_success_stands_on_the_card(
    agent: Agent, lane: Lane, result: str, words: str
) -> None:
    window = await lane.window("U0BO")
    asked = await agent.propose(lane.topic("review"))
    await window.press(asked["id"], "approve")
    approved = await agent.until(asked["id"], "approved")
    await agent.redeem(approved["grant"]["token"], approved["payload"])
    document = await agent.report(asked["id"], result, detail="the bank timed out", incident=True)
    assert document["outcome"]["result"] == result
    await window.decided(asked["id"], "Approved by Bo Lindqvist", words, "incident reported")


async def test_rejected(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0CHO")
    asked = await agent.propose(lane.topic("review"))
    await window.press(asked["id"], "reject")
    await window.dialog.get_by_label("What should be different?").fill("Refund the second charge only")
    await window.submit()
    rejected = await agent.until(asked["id"], "rejected")
    assert rejected["grant"] is None
    assert rejected["approval"]["reject"]["comment"] == "Refund the second charge only"
    await window.decided(
        asked["id"], "REJECTED", "Rejected by Cho Minji after", "Refund the second charge only"
    )
    await window.told("Rejected. refund-bot is told, and nothing is released.")


async def test_expired_after_an_escalation(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("quick"))
    expired = await agent.until(asked["id"], "expired")
    assert expired["grant"] is None
    await window.decided(asked["id"], "EXPIRED", "Expired after 2 s (nobody decided in time)")
    await window.thread(asked["id"], ["Escalated", "Nothing was released."])
    kinds = [record["kind"] for record in await agent.record(asked["id"])]
    assert kinds.index("approval.escalated") < kinds.index("approval.expired")


async def test_held_past_its_time_until_a_person_decides(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("held"))
    card = window.card(asked["id"])
    await expect(card).to_contain_text("OVERDUE")
    await expect(card).to_contain_text("held until a person decides")
    held = await agent.read(asked["id"])
    assert (held["status"], held["approval"]["held"]) == ("pending", True)
    await window.press(asked["id"], "approve")
    assert (await agent.until(asked["id"], "approved"))["grant"] is not None
    await window.decided(asked["id"], "Approved by Ana Ruiz")


async def test_cancelled_by_the_agent(agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("review"))
    await expect(window.button(asked["id"], "approve")).to_be_visible()
    status, document = await agent.call(
        "POST", f"/v1/actions/{asked['id']}/cancel", {"reason": "The customer called it off"}
    )
    assert (status, document["status"]) == (200, "cancelled")
    await window.decided(asked["id"], "CANCELLED", "The customer called it off")
    status, document = await agent.call("POST", f"/v1/actions/{asked['id']}/cancel", {"reason": "again"})
    assert status == 409


async def test_a_grant_expires_and_is_issued_anew_while_the_approval_is_valid(
    agent: Agent, lane: Lane
) -> None:
    window = await lane.window("U0DEE")
    asked = await agent.propose(lane.topic("brief"))
    await window.press(asked["id"], "approve")
    approved = await agent.until(asked["id"], "approved")
    first = approved["grant"]["token"]
    hourglass = await agent.propose(lane.topic("quick"))  # its two seconds outlast the grant's one
    await agent.until(hourglass["id"], "expired")
    status, refused = await agent.redeem(first, approved["payload"])
    assert (status, refused["code"]) == (410, "grant_expired")
    async with asyncio.timeout(30):
        while status == 410:  # the new one lives as short, and may run out on the way
            again = (await agent.read(asked["id"]))["grant"]["token"]
            assert again != first
            status, _ = await agent.redeem(again, approved["payload"])
    assert status == 200
    await window.decided(asked["id"], "Approved by Dee Okafor", "handed to the executor")


async def test_a_grant_that_an_operator_took_back_is_dead(town: Town, agent: Agent, lane: Lane) -> None:
    window = await lane.window("U0DEE")
    asked = await agent.propose(lane.topic("review"))
    await window.press(asked["id"], "approve")
    approved = await agent.until(asked["id"], "approved")
    await asyncio.to_thread(town.command, "grants", "revoke", asked["id"], "--reason", "wrong order")
    status, refused = await agent.redeem(approved["grant"]["token"], approved["payload"])
    assert (status, refused["code"]) == (410, "grant_revoked")
    assert (await agent.read(asked["id"]))["grant"] is None
    await window.decided(asked["id"], "Approved by Dee Okafor", "taken back by an operator")
    await window.thread(asked["id"], ["took the release back"])
