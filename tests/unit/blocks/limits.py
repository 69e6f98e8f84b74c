"""Slack's limits as tables, and what must hold for everything the bot shows; knows nothing of how it is built."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
MESSAGE_TEXT = 8_000
FALLBACK_BYTES = 3_800
VIEW_BYTES = 250_000
RICH_TEXT = 3_000

# type of block or element -> {path of a string: (shortest, longest)}; `*` stands for every item of a list
TEXTS: dict[str, dict[str, tuple[int, int]]] = {
    "section": {"text.text": (1, 3_000), "fields.*.text": (1, 2_000)},
    "header": {"text.text": (1, 150)},
    "context": {"elements.*.text": (1, 2_000)},
    "input": {"label.text": (1, 2_000), "hint.text": (1, 2_000), "block_id": (1, 255)},
    "button": {
        "text.text": (1, 75),
        "value": (1, 2_000),
        "url": (1, 3_000),
        "action_id": (1, 255),
        "accessibility_label": (1, 75),
    },
    "static_select": {
        "options.*.text.text": (1, 75),
        "options.*.value": (1, 150),
        "placeholder.text": (1, 150),
    },
    "multi_static_select": {
        "option_groups.*.label.text": (1, 75),
        "option_groups.*.options.*.text.text": (1, 75),
        "option_groups.*.options.*.value": (1, 150),
        "placeholder.text": (1, 150),
    },
    "radio_buttons": {"options.*.text.text": (1, 75), "options.*.value": (1, 150)},
    "plain_text_input": {"initial_value": (1, 3_000)},
    "email_text_input": {"initial_value": (1, 3_000)},
    "url_text_input": {"initial_value": (1, 3_000)},
    "number_input": {"initial_value": (1, 60)},
    "modal": {
        "title.text": (1, 24),
        "submit.text": (1, 24),
        "close.text": (1, 24),
        "private_metadata": (1, 3_000),
        "callback_id": (1, 255),
    },
    "text": {"text": (1, RICH_TEXT)},
    "link": {"text": (1, 200), "url": (9, 3_000)},
    "user": {"user_id": (3, 21)},
    "date": {"format": (1, 100), "fallback": (1, 100)},
}
# type -> {path of a list: (fewest, most)}
COUNTS: dict[str, dict[str, tuple[int, int]]] = {
    "context": {"elements": (1, 10)},
    "actions": {"elements": (1, 25)},
    "section": {"fields": (1, 10)},
    "static_select": {"options": (1, 100)},
    "multi_static_select": {"option_groups": (1, 100), "option_groups.*.options": (1, 100)},
    "radio_buttons": {"options": (1, 10)},
    "rich_text": {"elements": (1, 100)},
    "rich_text_section": {"elements": (1, 1_000)},
    "rich_text_preformatted": {"elements": (1, 1_000)},
    "rich_text_quote": {"elements": (1, 1_000)},
}
MESSAGE_TYPES = frozenset({"header", "rich_text", "section", "context", "actions", "divider"})
VIEW_TYPES = MESSAGE_TYPES | {"input"}
INERT = frozenset({"plain_text", "text"})
"""The only kinds of element that may hold text: Slack parses neither."""
USER_ID = re.compile(r"[UW][A-Z0-9]{2,20}")
PATTERNS = {
    "datepicker": ("initial_date", r"\d{4}-\d\d-\d\d"),
    "number_input": ("initial_value", r"-?\d+(\.\d+)?"),
    "email_text_input": ("initial_value", r"[^@\s]+@[^@\s]+\.[^@\s.]+"),
    "url_text_input": ("initial_value", r"https?://\S+"),
}


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _at(value: Any, path: str) -> Iterator[Any]:
    head, _, rest = path.partition(".")
    found: list[Any] = []
    if head == "*" and isinstance(value, list):
        found = value
    elif isinstance(value, dict) and head in value:
        found = [value[head]]
    for item in found:
        if rest:
            yield from _at(item, rest)
        else:
            yield item


def objects(value: Any) -> Iterator[Json]:
    """Every JSON object in a value, outermost first."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def _object_faults(found: Json) -> Iterator[str]:
    kind = found.get("type")
    for path, (least, most) in TEXTS.get(str(kind), {}).items():
        for text in _at(found, path):
            if not isinstance(text, str) or not least <= _units(text) <= most:
                yield f"{kind}.{path}: {text!r:.80} is not a text of {least} to {most}"
    for path, (least, most) in COUNTS.get(str(kind), {}).items():
        for items in _at(found, path):
            if not least <= len(items) <= most:
                yield f"{kind}.{path}: {len(items)} is not {least} to {most}"
    if (
        kind in PATTERNS
        and (name := PATTERNS[kind][0]) in found
        and not re.fullmatch(PATTERNS[kind][1], found[name])
    ):
        yield f"{kind}.{name}: {found[name]!r}"
    if kind in ("mrkdwn", "markdown", "broadcast", "usergroup", "channel", "emoji", "image"):
        yield f"{kind} is never used: Slack would parse it or fetch it"
    if kind == "plain_text" and found.get("emoji") is not False:
        yield "plain_text without emoji: false"
    if isinstance(found.get("text"), str) and kind not in INERT | {"link"}:
        yield f"text in {kind}"
    options = [o for path in ("options", "option_groups.*.options") for os in _at(found, path) for o in os]
    values = [o["value"] for o in options]
    if len(values) != len(set(values)):
        yield f"{kind}: a value twice"
    if "initial_option" in found and found["initial_option"] not in options:
        yield f"{kind}: starts on what it does not offer"


def _blocks_faults(blocks: list[Json], types: frozenset[str], most: int) -> Iterator[str]:
    if not 1 <= len(blocks) <= most:
        yield f"{len(blocks)} blocks"
    for block in blocks:
        if block["type"] not in types:
            yield f"block {block['type']}"
    named = [block["block_id"] for block in blocks if "block_id" in block]
    if len(named) != len(set(named)):
        yield "a block_id twice"
    for block in blocks:
        actions = [o["action_id"] for o in objects(block) if "action_id" in o]
        if len(actions) != len(set(actions)):
            yield "an action_id twice in a block"
    for found in objects(blocks):
        yield from _object_faults(found)


def _mention_faults(value: Any, people: frozenset[str], links: frozenset[str]) -> Iterator[str]:
    for found in objects(value):
        if found.get("type") == "user" and (
            found["user_id"] not in people or not USER_ID.fullmatch(found["user_id"])
        ):
            yield f"mentions {found['user_id']}"
        for url in [found["url"]] if "url" in found else []:
            if url not in links:
                yield f"links to {url}"


def texts(value: Any) -> Iterator[str]:
    """Every text a person reads in blocks."""
    for found in objects(value):
        if isinstance(found.get("text"), str):
            yield found["text"]


def fallback_faults(text: str) -> Iterator[str]:
    """What is wrong with a message's `text`: Slack parses it and notifications show it."""
    if not text.strip() or len(text.encode()) > FALLBACK_BYTES:
        yield f"a fallback of {len(text.encode())} bytes"
    if re.search(r"[<>]|&(?!(?:amp|lt|gt);)", text):
        yield "an unescaped character"
    if re.search(r"://|@(?:here|channel|everyone)\b", text, re.IGNORECASE):
        yield "an address or a broadcast"


def message_faults(
    text: str,
    blocks: list[Json],
    *,
    people: frozenset[str] = frozenset(),
    links: frozenset[str] = frozenset(),
) -> list[str]:
    """Everything wrong with a message; `people` may be mentioned and `links` may be linked to."""
    found = [*fallback_faults(text), *_blocks_faults(blocks, MESSAGE_TYPES, MESSAGE_BLOCKS)]
    found += _mention_faults(blocks, people, links)
    total = sum(_units(t) for t in texts(blocks))
    return found + ([f"{total} characters in blocks"] if total > MESSAGE_TEXT else [])


def view_faults(
    view: Json, *, people: frozenset[str] = frozenset(), links: frozenset[str] = frozenset()
) -> list[str]:
    """Everything wrong with a modal or a Home tab."""
    found = [*_blocks_faults(view["blocks"], VIEW_TYPES, VIEW_BLOCKS), *_object_faults(view)]
    found += _mention_faults(view, people, links)
    size = len(json.dumps(view))
    if size > VIEW_BYTES:
        found.append(f"{size} bytes")
    if any(block["type"] == "input" for block in view["blocks"]) and "submit" not in view:
        found.append("inputs without submit")
    return found
