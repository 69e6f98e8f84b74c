"""The other places of the workspace: the Home tab with its queue, and what `/gate` answers."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.acceptance.browser.board import Board
from tests.acceptance.browser.conftest import Lane
from tests.acceptance.browser.town import Agent


async def test_the_home_queue_shows_what_waits_and_deciding_there_empties_it(
    agent: Agent, lane: Lane
) -> None:
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("review"), summary=f"Refund order 4711 of lane {lane.number}")
    await expect(window.card(asked["id"])).to_be_visible()
    await window.go_home()
    line = window.home.get_by_role("button", name=f"Open: Refund order 4711 of lane {lane.number}")
    await expect(line).to_be_visible()
    await line.click()
    await expect(window.dialog).to_contain_text(asked["id"])
    await window.page.keyboard.press("Escape")
    await window.open()
    await window.press(asked["id"], "approve")
    await agent.until(asked["id"], "approved")
    await window.go_home()
    await expect(window.home).to_contain_text("Decided lately")
    await expect(line).to_have_count(0)


async def test_a_person_nothing_waits_for_sees_an_empty_home(lane: Lane) -> None:
    window = await lane.window("U0NED")
    await window.go_home()
    await expect(window.home).to_contain_text("Nothing waits for you")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        pytest.param("/gate oncall", r"primary: (Bo|Dee)", id="oncall"),
        pytest.param("/gate help", r"/gate queue", id="help"),
        pytest.param("/gate", r"/gate queue", id="alone"),
        pytest.param(
            "/gate nonsense",
            r"There is no .nonsense.; there is queue, delegate, oncall, revoke, break-glass, report, policy, "
            r"history and help",
            id="nonsense",
        ),
        pytest.param("/gate break-glass act_1", r"This request does not exist here", id="nothing to release"),
        pytest.param("/gate QUEUE", r"waiting for you|Nothing waits", id="queue in capitals"),
    ],
)
async def test_gate_answers_each_word_to_whoever_typed_it(lane: Lane, typed: str, words: str) -> None:
    window = await lane.window("U0DEE")
    before = await window.notes.count()
    await window.say(typed)
    await expect(window.notes).to_have_count(before + 1)
    await window.told(re.compile(words))
    await window.become("U0BO")
    await expect(window.notes.filter(has_text=re.compile(words))).to_have_count(0)


async def test_the_queue_opens_from_the_command(agent: Agent, lane: Lane) -> None:
    window: Board = await lane.window("U0BO")
    asked = await agent.propose(lane.topic("held"), summary=f"The most pressing of lane {lane.number}")
    await expect(window.card(asked["id"])).to_be_visible()
    await window.say("/gate queue")
    await window.told("waiting for you")
    await window.notes.last.get_by_role(
        "button", name=f"Open: The most pressing of lane {lane.number}"
    ).click()
    await expect(window.dialog).to_contain_text(asked["id"])
    await window.page.keyboard.press("Escape")
    await window.press(asked["id"], "approve")
    await agent.until(asked["id"], "approved")
