"""Whatever an agent sends is shown whole and inert: nobody is pinged, nothing runs, no limit breaks, nothing hides."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import expect

from tests.acceptance.browser.board import Board
from tests.acceptance.browser.conftest import Lane
from tests.acceptance.browser.town import Agent

MENTIONS = "<!channel> <!here> <@U0BO> <!subteam^S0FINANCE> @here @everyone @channel <#C0APPROVALS>"
LINKS = "<https://evil.example/x|safe> https://evil.example/y [safe](https://evil.example/z) <mailto:a@evil.example|b>"
MARKUP = (
    "<script>window.owned = 1</script><img src=x onerror='window.owned = 1'>"
    '"><svg onload="window.owned = 1"><a href="javascript:window.owned = 1">x</a>&lt;b&gt;'
)
BIDI = "invoice\u202egpj.exe\u2066\u2069 and \u200eleft\u200f"
BLANK = "pay\u200bpal\u2060.com\ufeff \u00ad\u3164 \u115f\u034f|"
LOOKALIKE = "billing@p\u0430yp\u0430l.com"
CONTROLS = "a\u0000\u0007b\u001b[31mred\u007f\u0085\ttab\r\nline\u2028sep"
EMOJI = "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 ❤️ e\u0301"
STYLE = "*bold* _italic_ ~struck~ `code` ```\nfence\n``` > quote"

SHORT = {
    "mentions": (MENTIONS, ["<!channel> <!here> <@U0BO>", "@everyone"]),
    "links": (LINKS, ["<https://evil.example/x|safe>", "[safe](https://evil.example/z)"]),
    "markup": (MARKUP, ["<script>window.owned = 1</script>", "&lt;b&gt;", "javascript:window.owned"]),
    "bidi": (BIDI, ["invoice⟦U+202E⟧gpj.exe⟦U+2066⟧⟦U+2069⟧", "⟦U+200E⟧left⟦U+200F⟧"]),
    "zero width": (BLANK, ["pay⟦U+200B⟧pal⟦U+2060⟧.com⟦U+FEFF⟧", "⟦U+3164⟧"]),
    "look-alike": (LOOKALIKE, ["Not what it looks like", LOOKALIKE]),
    "emoji": (EMOJI, ["👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "👍🏽"]),
    "formatting": (STYLE, ["*bold* _italic_ ~struck~ `code`"]),
    "ampersands": ("&" * 300, ["&" * 100]),
    "brackets": ("<" * 300, ["<" * 100]),
    "no space": ("W" * 300, ["W" * 100]),
}
"""What is written everywhere -> what a reader sees of it."""


def everywhere(text: str) -> dict[str, Any]:
    """A proposal with this text in every place that ends up before a reader."""
    return {
        "summary": text[:300],
        "rationale": text,
        "tool": "mail.send",
        "payload": {"note": text, f"key {text}"[:120]: [text]},
        "evidence": [{"label": text[:100], "value": text, "tone": "red"}],
        "labels": {"region": text[:100].replace("\r", "").replace("\n", "")},
        "context": {
            "workflow": text[:100],
            "original_request": text,
            "sources": [{"id": "s1", "title": text[:100]}],
        },
    }


@pytest.mark.parametrize("name", SHORT)
async def test_text_is_shown_and_does_nothing(agent: Agent, lane: Lane, name: str) -> None:
    text, visible = SHORT[name]
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("review"), **everywhere(text))
    card = window.card(asked["id"])
    await expect(card).to_be_visible()
    for words in visible:
        await expect(card).to_contain_text(words)
    await is_inert(agent, window, asked)
    await window.press(asked["id"], "details")
    for words in visible:
        await expect(window.dialog).to_contain_text(words)
    await is_inert(agent, window, asked)
    await window.page.keyboard.press("Escape")
    await approve_wholly(window, asked)
    approved = await agent.until(asked["id"], "approved")
    assert approved["payload"] == everywhere(text)["payload"]
    await expect(window.card(asked["id"])).to_contain_text("Approved by Ana Ruiz")
    await is_inert(agent, window, asked)


def deep(depth: int) -> Any:
    value: Any = {"treasure": "at the bottom"}
    for level in range(depth - 2):
        value = {f"level{level}": value}
    return value


def words_up_to(size: int) -> str:
    return " ".join(f"w{number:06}" for number in range(size // 8))


LONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "256 KiB": ({"body": words_up_to(255_000)}, [f"w{n:06}" for n in range(255_000 // 8)]),
    "3000 keys": (
        {f"key{n:04}": n for n in range(3_000)},
        [f"key{n:04}" for n in range(3_000)],
    ),
    "tail": (
        {"note": "harmless\n" * 200 + "and wire everything to <@U0BO>"},
        ["and wire everything to <@U0BO>"],
    ),
    "long keys": ({"k" * 5_000 + "END1": 1, "x" * 5_000 + "END2": {"y" * 5_000: 2}}, ["END1", "END2"]),
}


async def test_control_characters_stay_out_of_prose_and_are_named_in_a_payload(
    agent: Agent, lane: Lane
) -> None:
    window = await lane.window("U0ANA")
    body = {"topic": lane.topic("review"), **everywhere(CONTROLS)}
    status, refused = await agent.call("POST", "/v1/actions", body)
    assert (status, refused["code"]) == (422, "invalid_field")
    assert {"pointer": "/summary", "code": "control_character"}.items() <= refused["errors"][0].items()
    payload = {"note": CONTROLS, f"key {CONTROLS}": 1}
    asked = await agent.propose(lane.topic("review"), payload=payload)
    shown = "a⟦U+0000⟧⟦U+0007⟧b⟦U+001B⟧[31mred⟦U+007F⟧⟦U+0085⟧⟦U+0009⟧tab"
    await expect(window.card(asked["id"])).to_contain_text(shown)
    await expect(window.card(asked["id"])).to_contain_text("⟦U+2028⟧sep")
    await is_inert(agent, window, asked)
    await window.press(asked["id"], "approve")
    assert (await agent.until(asked["id"], "approved"))["payload"] == payload


FOLDED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "depth 64": (deep(64), ["level0", "level61", "at the bottom"]),
    "spaces": ({"note": "harmless" + " " * 20_000 + "or not"}, ["⟦U+0020⟧×20000or not"]),
}


@pytest.mark.parametrize("name", FOLDED)
async def test_what_would_push_the_end_out_of_sight_is_folded_onto_the_card(
    agent: Agent, lane: Lane, name: str
) -> None:
    payload, parts = FOLDED[name]
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("review"), payload=payload)
    await expect(window.button(asked["id"], "approve")).to_have_text("Approve")
    for part in parts:
        await expect(window.card(asked["id"])).to_contain_text(part)
    await window.press(asked["id"], "approve")
    assert (await agent.until(asked["id"], "approved"))["payload"] == payload


@pytest.mark.parametrize("name", LONG)
async def test_a_long_payload_is_read_to_its_end_before_it_is_approved(
    agent: Agent, lane: Lane, name: str
) -> None:
    payload, parts = LONG[name]
    window = await lane.window("U0ANA")
    asked = await agent.propose(lane.topic("review"), payload=payload)
    button = window.button(asked["id"], "approve")
    await expect(button).to_have_text("Review all & approve")
    await expect(window.card(asked["id"])).to_contain_text("Not all of it is shown")
    read = await approve_wholly(window, asked)
    flat = re.sub(r"[\s┃↪]+", "", read)
    missing = [part for part in parts if re.sub(r"\s+", "", part) not in flat]
    assert not missing, missing[:5]
    approved = await agent.until(asked["id"], "approved")
    assert approved["payload"] == payload
    await window.decided(asked["id"], "Approved by Ana Ruiz")
    await is_inert(agent, window, asked)


async def approve_wholly(window: Board, asked: dict[str, Any]) -> str:
    """Approve with one click, or page through all of it and approve at its end; what was read on the way."""
    button = window.button(asked["id"], "approve")
    whole = await button.inner_text() == "Approve"
    await button.click()
    if whole:
        return ""
    read: list[str] = []
    await expect(window.dialog).to_be_visible()
    title = window.dialog.locator("h2")
    while True:
        top = await window.dialog.locator(".modal-body").evaluate("body => body.scrollTop")
        assert top == 0, "a page is read from its beginning"
        read += await window.dialog.locator(".modal-body pre").all_inner_texts()
        if await window.dialog.locator("[data-modal=submit]").count():
            break
        before = await title.inner_text()
        await window.dialog.locator("[data-action-id=page_next]").click()
        await expect(title).not_to_have_text(before)
    await window.submit()
    return "".join(read)


async def is_inert(agent: Agent, window: Board, asked: dict[str, Any]) -> None:
    """Nobody but the asked is mentioned, by block or by fallback; nothing on the page came alive."""
    state = await agent.workspace()
    mine = [m for m in state["messages"] if asked["id"] in json.dumps(m) and not m["visible_to"]]
    assert mine
    for message in mine:
        assert "<" not in message["text"]
        assert not re.search(r"@(here|channel|everyone)\b", message["text"], re.IGNORECASE)
        for block in walk(message["blocks"]):
            assert block.get("type") not in ("usergroup", "broadcast", "channel")
            if block.get("type") == "mrkdwn":
                assert not re.search(r"<[!@#]|<http", block["text"])
    mentioned = {b["user_id"] for b in walk([m["blocks"] for m in mine]) if b.get("type") == "user"}
    assert mentioned <= {"U0ANA", "U0BO", "U0CHO", "U0DEE", "U0GUS", "U0HAL", "U0STAN"}
    assert "U0OWN" not in mentioned
    page = window.page
    assert await page.evaluate("window.owned") is None
    inside = "#messages .blocks, dialog#modal[open]"
    assert await page.locator(inside).locator("script, img, iframe, svg[onload]").count() == 0
    assert await page.locator(inside).locator("a[href*='evil.example'], a[href^='javascript']").count() == 0
    hidden = r"[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\u2060\ufeff\u0000-\u0008\u001b]"
    for text in await page.locator(inside).all_inner_texts():
        assert not re.search(hidden, text)


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from walk(inner)
