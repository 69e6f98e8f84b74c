"""The browser harness: pages are real, isolated, kept on this machine, and their complaints fail a test."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Error, Page

from tests.harness.browser import Complaints, People

OUTSIDE = ("http://example.com/", "http://93.184.215.14/", "http://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/")


@pytest_asyncio.fixture(loop_scope="session")
async def site() -> AsyncIterator[str]:
    async def index(request: web.Request) -> web.Response:
        return web.Response(text="<title>Home</title><h1>Queue</h1>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/favicon.ico", index)
    runner = web.AppRunner(app)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}/"
    await runner.cleanup()


async def test_a_page_of_this_machine_is_shown(page: Page, site: str) -> None:
    await page.goto(site)
    assert await page.get_by_role("heading").inner_text() == "Queue"


async def test_each_person_has_their_own_storage(people: People, site: str) -> None:
    ana, ben = await asyncio.gather(people.open(site), people.open(site))
    await ana.evaluate("localStorage.setItem('me', 'ana')")
    assert await ben.evaluate("localStorage.getItem('me')") is None


@pytest.mark.parametrize("address", OUTSIDE, ids=["name", "IPv4", "IPv6"])
async def test_nothing_outside_this_machine_is_reached(page: Page, address: str) -> None:
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        await page.goto(address)


async def test_a_console_error_and_an_exception_are_noted(
    page: Page, complaints: Complaints, site: str
) -> None:
    await page.goto(site)
    await page.evaluate("console.error('broken card'); console.log('fine')")
    async with page.expect_event("pageerror"):
        await page.evaluate("setTimeout(() => { throw new Error('late failure') })")
    async with asyncio.timeout(60):
        while len(complaints.unexpected()) < 2:
            await page.evaluate("1")  # a round trip, after which earlier events have arrived
    seen = "\n".join(complaints.unexpected())
    assert "broken card" in seen
    assert "late failure" in seen
    assert "fine" not in seen
    complaints.expect("broken card")
    complaints.expect("late failure")
    assert complaints.unexpected() == []
