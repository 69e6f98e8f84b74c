"""Shares one running gate among the tests of a file, and gives each its own channel and agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.acceptance.browser.board import Board
from tests.acceptance.browser.town import Agent, Town, town_in, write_people, write_policy
from tests.harness.browser import PATIENCE_MS, People, on_session_loop

expect.set_options(timeout=PATIENCE_MS)
FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    on_session_loop(item for item in items if item.path.is_relative_to(FOLDER))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    with town_in(folder, write_policy(folder), write_people(folder)) as running:
        yield running
        outbox = running.command("outbox", "list")
    assert outbox["dead"] == 0, outbox
    assert not running.complaints(), "\n".join(running.complaints())


@pytest_asyncio.fixture(loop_scope="session")
async def agent(town: Town) -> AsyncIterator[Agent]:
    timeout = aiohttp.ClientTimeout(total=90)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        yield Agent(http, town)


class Lane:
    """A channel of this test's own: topics, windows on it."""

    def __init__(self, number: int, town: Town, people: People, agent: Agent) -> None:
        self.number = number
        self.channel = f"C0LANE{number}"
        self._town = town
        self._people = people
        self._agent = agent
        self._begun = False

    def topic(self, kind: str) -> str:
        return f"job.lane{self.number}.{kind}"

    async def window(self, user: str, channel: str = "", **options: object) -> Board:
        """A window of this person's own on the channel, no form open in it."""
        if not self._begun:
            await self._agent.close_forms()
        self._begun = True
        page: Page = await self._people.open(**options)
        since = await self._agent.newest_message()
        return await Board(page, self._town.page, user, channel or self.channel, since=since).open()


@pytest.fixture
def lane(town: Town, people: People, agent: Agent) -> Lane:
    return Lane(town.next_lane(), town, people, agent)
