"""Knows the Block Kit pieces every surface is built of; untrusted text only ever goes into pieces that Slack does not
parse: rich text elements and plain_text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bot.blocks.text import shown, trimmed
from bot.blocks.words import utc
from gate.usecases.views import PersonRef

Json = dict[str, Any]

_WEB_ADDRESS = re.compile(r"https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/]")
_USER_ID = re.compile(r"[UW][A-Z0-9]{2,20}")
CLOCK = "{time}"
DAY_AND_CLOCK = "{date_short_pretty} at {time}"
COUNTDOWN = "{date_short_pretty} at {time}, {ago}"
"""Slack counts for the reader, so a card that is not touched for an hour still says how long is left."""
POST_OPTIONS: Json = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
"""What every message is posted with: Slack turns nothing in it into links, mentions or previews."""


def plain(text: str, limit: int) -> Json:
    """A plain_text object. Untrusted text is safe in it; `:smile:` stays what was written."""
    return {"type": "plain_text", "text": shown(text, limit) or " ", "emoji": False}


def own(text: str, limit: int = 3_000) -> Json:
    """A plain_text object of our own words (and of text that was made visible before), kept as they are."""
    return {"type": "plain_text", "text": trimmed(text, limit), "emoji": False}


def words(text: str, *, bold: bool = False, italic: bool = False, code: bool = False) -> Json:
    """A rich text element, shown as it is: Slack parses nothing in it."""
    element: Json = {"type": "text", "text": text or " "}  # Slack refuses an empty one
    style = {name: True for name, on in (("bold", bold), ("italic", italic), ("code", code)) if on}
    return element | ({"style": style} if style else {})


def when(at: datetime, form: str = DAY_AND_CLOCK) -> Json:
    """A time in the reader's own zone."""
    return {"type": "date", "timestamp": int(at.timestamp()), "format": form, "fallback": utc(at)}


def mention(person: PersonRef) -> Json:
    """The person, mentioned where their Slack id is known and well-formed, else by name, and by name in their quiet
    hours."""
    if not person.quiet and person.slack is not None and _USER_ID.fullmatch(person.slack):
        return {"type": "user", "user_id": person.slack}
    return words(name(person), bold=True)


def web_address(link: str | None) -> str | None:
    """A permalink that may be shown as a link: https, or http on this very machine; None for anything else."""
    return link[:3_000] if link is not None and _WEB_ADDRESS.match(link) else None


def name(person: PersonRef) -> str:
    """The person's name, made visible; their id where they have none."""
    return shown(person.name or person.id, 80)


def line(*elements: Json) -> Json:
    """One paragraph of rich text."""
    return {"type": "rich_text_section", "elements": list(elements)}


def quote(*elements: Json) -> Json:
    """Someone else's words."""
    return {"type": "rich_text_quote", "elements": list(elements)}


def pre(text: str) -> Json:
    """Text in a box of its own, aligned, never parsed."""
    return {"type": "rich_text_preformatted", "elements": [words(text)]}


def rich(*parts: Json) -> Json:
    """A rich text block."""
    return {"type": "rich_text", "elements": list(parts)}


def lines(paragraphs: Sequence[Sequence[Json]]) -> Json:
    """A rich text block with one line per paragraph."""
    elements: list[Json] = []
    for at, paragraph in enumerate(paragraphs):
        if at:
            elements.append(words("\n"))
        elements.extend(paragraph)
    return rich(line(*elements))


def header(text: str) -> Json:
    """A header of text that was made visible and cut before."""
    return {"type": "header", "text": own(text, 150)}


def note(*texts: str) -> Json:
    """Small print, each text shown as it is."""
    return {"type": "context", "elements": [own(text, 2_000) for text in texts]}


def button(text: str, action: str, value: str, *, style: str | None = None, label: str | None = None) -> Json:
    """A button; `label` is what a screen reader says instead of `text`."""
    made: Json = {"type": "button", "action_id": action, "text": own(text, 75), "value": value}
    if style:
        made["style"] = style
    if label:
        made["accessibility_label"] = trimmed(label, 75)
    return made


def actions(*buttons: Json, block_id: str | None = None) -> Json:
    """A row of buttons."""
    return {"type": "actions", "elements": list(buttons)} | ({"block_id": block_id} if block_id else {})


def divider() -> Json:
    """A line between two parts."""
    return {"type": "divider"}
