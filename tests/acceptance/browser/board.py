"""The sandbox page as a person uses it: find a card, press, type, read; leaves what must hold to the tests."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from playwright.async_api import Locator, Page, expect


class Board:
    """One person's window on one channel of the workspace."""

    def __init__(self, page: Page, url: str, user: str, channel: str, *, since: str = "0") -> None:
        self.page = page
        self.user = user
        self._url = url
        self._channel = channel
        self._since = since

    async def open(self) -> Board:
        await self.page.goto(f"{self._url}/#/as/{self.user}/c/{self._channel}")
        await expect(self.page.locator("#messages")).to_be_visible()
        return self

    async def become(self, user: str) -> Board:
        """Press another person's face."""
        self.user = user
        await self.page.locator(f".person[data-user={user}]").click()
        return self

    def card(self, action_id: str) -> Locator:
        """The card of an action in the channel; its id stands in the small print."""
        return self.page.locator("#messages article:not(.ephemeral)", has_text=action_id)

    def button(self, action_id: str, name: str) -> Locator:
        return self.card(action_id).locator(f"[data-action-id={name}]")

    async def press(self, action_id: str, name: str) -> None:
        await self.button(action_id, name).click()

    @property
    def notes(self) -> Locator:
        """What only this person sees, of what came after the window was opened."""
        newer = f"contains(@class, 'ephemeral') and number(@data-ts) > {self._since}"
        return self.page.locator(f"xpath=//*[@id='messages']//article[{newer}]")

    async def told(self, words: str | re.Pattern[str]) -> None:
        """The newest line that only this person sees says so."""
        await expect(self.notes.last).to_contain_text(words)

    @property
    def answers(self) -> Locator:
        """What a press brought: lines for this person alone, and the form on top."""
        return self.notes.or_(self.page.locator("dialog#modal[open]"))

    @property
    def dialog(self) -> Locator:
        return self.page.locator("dialog#modal")

    def field(self, pointer: str) -> Locator:
        """The block of an edit form's input."""
        return self.dialog.locator(f'[data-input-block="field:{pointer}"]')

    async def submit(self) -> None:
        await self.dialog.locator("[data-modal=submit]").click()

    async def decided(self, action_id: str, *words: str) -> Locator:
        """The card, once it says all of these and has no button left."""
        card = self.card(action_id)
        for word in words:
            await expect(card).to_contain_text(word)
        await expect(card.locator("button[data-action-id]")).to_have_count(0)
        return card

    async def thread(self, action_id: str, words: Sequence[str]) -> None:
        """Open the thread below the card and find these lines there."""
        await self.card(action_id).locator(".reply-bar").click()
        for word in words:
            await expect(self.page.locator("#thread")).to_contain_text(word)

    async def count_clicks(self) -> Callable[[], Awaitable[int]]:
        """From here on every press of the mouse on the page counts; the answer asks how many there were."""
        await self.page.evaluate(
            "window.pressed = 0; addEventListener('pointerdown', () => { window.pressed += 1 }, true)"
        )
        return lambda: self.page.evaluate("window.pressed")

    @property
    def home(self) -> Locator:
        return self.page.locator("#home")

    async def go_home(self) -> None:
        await self.page.get_by_role("link", name="Signoff Home").click()
        await expect(self.home).to_be_visible()

    async def say(self, words: str) -> None:
        """Type into the channel and send."""
        field = self.page.locator("textarea").first
        await field.fill(words)
        await field.press("Enter")
