"""A real Chromium for tests: loopback only, windows of each test's own, and a page that complains fails the test.

One Chromium serves every test of a run (of a worker), so all who use it run on the session's event loop: asynchronous
fixtures of such tests say `loop_scope="session"`.
"""

import re
from collections.abc import AsyncIterator, Generator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright

from tools.ensure_chromium import require_chromium

ARTIFACTS = Path(__file__).resolve().parents[2] / "var" / "browser"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",  # CI runs as root in containers
    "--disable-dev-shm-usage",  # and with a small /dev/shm
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--force-color-profile=srgb",
    # Names and addresses other than this machine's do not resolve, for pages, fetches and sockets alike.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE ::1",
)
PATIENCE_MS = 45_000
"""A bound for machines that are busy; what is waited for comes within a second elsewhere."""
_failed = pytest.StashKey[bool]()


class Complaints:
    """What the pages of one test logged as errors or threw, less what the test said to expect."""

    def __init__(self) -> None:
        self._seen: list[str] = []
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str) -> None:
        """Errors that `pattern` is found in are part of this test, e.g. `status of 409`."""
        self._expected.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        return [text for text in self._seen if not any(pattern.search(text) for pattern in self._expected)]

    def listen(self, context: BrowserContext) -> None:
        context.on("console", lambda message: self._note(message.type, message.text, message.location))
        context.on("weberror", lambda failure: self._seen.append(f"uncaught: {failure.error}"))

    def _note(self, kind: str, text: str, location: Any) -> None:
        if kind == "error":
            self._seen.append(f"{text} ({location['url']}:{location['lineNumber']})")


class People:
    """Opens one isolated browser window per person, so that several reviewers can act in one test."""

    def __init__(self, browser: Browser, complaints: Complaints) -> None:
        self._browser = browser
        self._complaints = complaints
        self.pages: list[Page] = []

    async def open(self, url: str | None = None, **context_options: Any) -> Page:
        """A page in a context with its own cookies and storage; options are those of `new_context`."""
        options: dict[str, Any] = {
            "viewport": {"width": 1280, "height": 900},
            "locale": "en-GB",
            "timezone_id": "UTC",
            "reduced_motion": "reduce",
        }
        context = await self._browser.new_context(**(options | context_options))
        context.set_default_timeout(PATIENCE_MS)
        self._complaints.listen(context)
        page = await context.new_page()
        self.pages.append(page)
        if url is not None:
            await page.goto(url)
        return page


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """One of a test's own, for tests that cannot run on the session's event loop."""
    async with async_playwright() as playwright:
        browser = await _launched(playwright)
        yield browser
        await browser.close()


async def _launched(playwright: Playwright) -> Browser:
    return await playwright.chromium.launch(
        executable_path=require_chromium(), args=list(CHROMIUM_ARGUMENTS), timeout=90_000
    )


class _Shared:
    """Starts it when it is first asked for, and anew where it has crashed."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._browser: Browser | None = None

    async def connected(self) -> Browser:
        if self._browser is None or not self._browser.is_connected():
            self._browser = await _launched(self._playwright)
        return self._browser

    async def close(self) -> None:
        if self._browser is not None:
            await self._browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _shared_chromium() -> AsyncIterator[_Shared]:
    async with async_playwright() as playwright:
        shared = _Shared(playwright)
        yield shared
        await shared.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(_shared_chromium: _Shared) -> Browser:
    """The Chromium of this run."""
    return await _shared_chromium.connected()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    on_session_loop(item for item in items if "browser" in getattr(item, "fixturenames", ()))


def on_session_loop(items: Iterable[pytest.Item]) -> None:
    """These tests run where the shared Chromium lives."""
    for item in items:
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture
def complaints() -> Complaints:
    """Console errors and uncaught exceptions of this test's pages; `expect(pattern)` allows one."""
    return Complaints()


@pytest_asyncio.fixture(loop_scope="session")
async def people(
    browser: Browser, complaints: Complaints, request: pytest.FixtureRequest
) -> AsyncIterator[People]:
    """Opens pages; at the end of a failed test each is photographed into var/browser/."""
    windows = People(browser, complaints)
    yield windows
    if request.node.stash.get(_failed, False):
        await _photograph(windows.pages, request.node.name)
    for page in windows.pages:
        await page.context.close()
    unexpected = complaints.unexpected()
    assert not unexpected, "the page complained:\n" + "\n".join(unexpected)


@pytest_asyncio.fixture(loop_scope="session")
async def page(people: People) -> Page:
    """One blank page in a fresh context."""
    return await people.open()


async def _photograph(pages: list[Page], test: str) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w.-]+", "_", test)[:100]
    for number, page in enumerate(pages, start=1):
        if page.is_closed():
            continue
        await page.screenshot(path=ARTIFACTS / f"{stem}-{number}.png", full_page=True)
        (ARTIFACTS / f"{stem}-{number}.html").write_text(await page.content(), encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report
