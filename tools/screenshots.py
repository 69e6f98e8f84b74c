"""Takes the pictures the README shows: starts the real thing in an empty folder and photographs its page.

Relies only on what people see: a line of `gate run` that names the sandbox's address, and the names of
the buttons on a card.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Page, async_playwright

from tests.harness.browser import CHROMIUM_ARGUMENTS
from tests.harness.environment import scrubbed
from tests.harness.processes import GATE, Running
from tools.ensure_chromium import require_chromium

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "images"
_SANDBOX_LINE = re.compile(r"(?:sandbox|page)\b.*?(http://[^\s\"']+)", re.IGNORECASE)


async def _card(page: Page) -> None:
    """A request that waits for a person, as it arrives in the channel."""
    await page.get_by_role("button", name="Approve").last.scroll_into_view_if_needed()


async def _details(page: Page) -> None:
    """Everything the gate knows about it."""
    await page.get_by_role("button", name="Details").last.click()
    await page.get_by_role("dialog").wait_for()


async def _edit(page: Page) -> None:
    """The payload as typed fields."""
    await page.keyboard.press("Escape")
    await page.get_by_role("dialog").wait_for(state="hidden")
    await page.get_by_role("button", name="Edit").last.click()
    await page.get_by_role("dialog").wait_for()


SCENES: dict[str, Callable[[Page], Awaitable[None]]] = {"card": _card, "details": _details, "edit": _edit}


async def photograph(url: str) -> None:
    """One PNG per scene, in order, as a reviewer comes by them."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=require_chromium(), args=list(CHROMIUM_ARGUMENTS)
        )
        context = await chromium.new_context(
            viewport={"width": 1280, "height": 860}, device_scale_factor=2, reduced_motion="reduce"
        )
        page = await context.new_page()
        await page.goto(url)
        for name, prepare in SCENES.items():
            await prepare(page)
            await page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")
            print(f"==> {(PICTURES / f'{name}.png').relative_to(ROOT)}", flush=True)
        await chromium.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = scrubbed() | {
            "GATE_BIND": "127.0.0.1:0",
            "GATE_DATABASE_URL": f"sqlite:///{folder}/gate.db",
            "GATE_KEYS": f"{folder}/keys",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }
        print("==> starting the gate and the sandbox", flush=True)
        with Running([GATE, "run", *sys.argv[1:]], env=environment, cwd=ROOT) as running:
            url = running.expect(_SANDBOX_LINE, within=60)[1]
            asyncio.run(photograph(url))


if __name__ == "__main__":
    main()
