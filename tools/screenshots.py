"""Takes the pictures the README shows: starts the real thing in an empty folder and photographs its page.

Relies only on what people see: the line of `gate run` that says what to open, and names on the page.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Locator, Page, async_playwright, expect

from tests.harness.browser import CHROMIUM_ARGUMENTS
from tests.harness.environment import scrubbed
from tests.harness.processes import GATE, Running
from tools.ensure_chromium import require_chromium

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "images"
MOST_BYTES = 300_000
"""Of one picture: a page that shows them should open at once."""
_OPEN_LINE = re.compile(r"\bOpen\s+(http://[^\s\"']+)")


def _refund(page: Page) -> Locator:
    return page.locator("#messages article", has_text="Refund $1,400.00 to order 881")


async def _card(page: Page) -> None:
    """A request that waits for a person, as it stands in the channel."""
    await page.get_by_role("link", name=re.compile("approvals-finance")).click()
    await expect(_refund(page).get_by_role("button", name="Approve")).to_be_visible()
    await expect(page.locator("#messages article", has_text="credit note of $240.00")).to_be_visible()
    await _refund(page).evaluate(
        "card => card.parentElement.scrollTo(0, card.offsetTop - card.parentElement.offsetTop - 40)"
    )


async def _details(page: Page) -> None:
    """Everything the gate knows about it."""
    await _refund(page).get_by_role("button", name="Details").click()
    await page.get_by_role("dialog").wait_for()


async def _edit(page: Page) -> None:
    """The payload as typed fields, one of them corrected."""
    await page.keyboard.press("Escape")
    await page.get_by_role("dialog").wait_for(state="hidden")
    await _refund(page).get_by_role("button", name="Edit").click()
    await page.get_by_role("dialog").get_by_role("textbox", name="amount").fill("1200")


SCENES: dict[str, Callable[[Page], Awaitable[None]]] = {"card": _card, "details": _details, "edit": _edit}


async def photograph(url: str) -> None:
    """One PNG per scene, in order, as a reviewer comes by them."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=require_chromium(), args=list(CHROMIUM_ARGUMENTS)
        )
        context = await chromium.new_context(
            viewport={"width": 1120, "height": 940},
            device_scale_factor=1.5,
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="Europe/Berlin",
        )
        page = await context.new_page()
        await page.goto(url)
        for name, prepare in SCENES.items():
            await prepare(page)
            picture = PICTURES / f"{name}.png"
            await page.screenshot(path=picture, animations="disabled", caret="hide")
            size = picture.stat().st_size
            print(f"==> {picture.relative_to(ROOT)} ({size // 1000} kB)", flush=True)
            if size > MOST_BYTES:
                raise SystemExit(f"{picture.name} is larger than {MOST_BYTES // 1000} kB")
        await chromium.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = scrubbed() | {
            "GATE_BIND": "127.0.0.1:0",
            "GATE_SANDBOX_BIND": "127.0.0.1:0",
            "GATE_POLICIES": str(ROOT / "policies"),
            "GATE_PEOPLE": str(ROOT / "policies" / "people.yaml"),
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }
        print("==> starting the gate and the sandbox", flush=True)
        command = [GATE, "run", "--pace", "0.2", *sys.argv[1:]]
        with Running(command, env=environment, cwd=Path(folder)) as running:
            url = running.expect(_OPEN_LINE, within=60)[1]
            asyncio.run(photograph(url))


if __name__ == "__main__":
    main()
