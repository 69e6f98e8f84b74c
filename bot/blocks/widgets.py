"""Knows which widget shows a value and gives it back exactly, and how a value is written into it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, cast

from bot.blocks.text import is_hidden, units
from gate.domain.masking import Masked, places

Json = Any

MAX_INPUT_TEXT = 3_000
"""Characters Slack takes in one input."""
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MINUTE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):00(Z|[+-][0-9]{2}:[0-9]{2})")
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,18})?")


class Absent(Enum):
    """The value of a place that is not in the payload; not the same as null."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


class Widget(Enum):
    """How one value is edited."""

    TEXT = "text"
    """One line."""
    LONG_TEXT = "long_text"
    """Several lines."""
    EMAIL = "email"
    URL = "url"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    """One of the schema's values; the option's value is its JSON text."""
    DATE = "date"
    MINUTE = "minute"
    """A time without seconds, kept in the zone it was written in."""
    JSON = "json"
    """Everything that no other widget gives back exactly."""


def types_of(schema: Mapping[str, Json]) -> set[str]:
    """The types a schema names; empty where it names none."""
    found = schema.get("type")
    if isinstance(found, str):
        return {found}
    return {t for t in cast("list[Json]", found) if isinstance(t, str)} if isinstance(found, list) else set()


def pick(value: Json | Absent, schema: Mapping[str, Json]) -> tuple[Widget, str | None, tuple[Json, ...]]:
    """(widget, what it starts with, its choices) for a value under its schema; JSON, without a start, for whatever no
    other widget gives back exactly."""
    if isinstance(value, Masked):
        return _masked_widget(value), None, ()
    allowed = schema.get("enum")
    if isinstance(allowed, list):
        choices = _choices(cast("list[Json]", allowed))
        if choices and (value is ABSENT or any(same(value, choice) for choice in choices)):
            return Widget.CHOICE, None if value is ABSENT else json.dumps(value, ensure_ascii=False), choices
    if value is ABSENT:
        return _absent_widget(schema), None, ()
    if isinstance(value, bool):
        return Widget.BOOLEAN, "true" if value else "false", ()
    if isinstance(value, (int, float)):
        return _number_widget(value, schema)
    if isinstance(value, str):
        return _text_widget(value, schema)
    return Widget.JSON, None, ()


def _choices(allowed: list[Json]) -> tuple[Json, ...]:
    texts = [json.dumps(choice, ensure_ascii=False) for choice in allowed]
    if not 1 <= len(texts) <= 100 or len(set(texts)) < len(texts):
        return ()
    return tuple(allowed) if all(units(text) <= 150 and not unseen(text) for text in texts) else ()


def _absent_widget(schema: Mapping[str, Json]) -> Widget:
    known = {
        "string": Widget.TEXT,
        "integer": Widget.INTEGER,
        "number": Widget.NUMBER,
        "boolean": Widget.BOOLEAN,
    }
    types = types_of(schema) - {"null"}
    return known.get(types.pop(), Widget.JSON) if len(types) == 1 else Widget.JSON


def _masked_widget(value: Masked) -> Widget:
    """For a value that is not shown: an input that starts empty and takes another one in its place."""
    held = value.opened()
    if isinstance(held, str):
        return Widget.LONG_TEXT if "\n" in held else Widget.TEXT
    number = isinstance(held, int | float) and not isinstance(held, bool)
    return Widget.NUMBER if number else Widget.JSON


def _number_widget(value: float, schema: Mapping[str, Json]) -> tuple[Widget, str | None, tuple[Json, ...]]:
    text = format(Decimal(repr(value)), "f") if isinstance(value, float) else format(value, "d")
    if not _NUMBER.fullmatch(text) or text == "-0" or (isinstance(value, float) and float(text) != value):
        return Widget.JSON, None, ()
    whole = isinstance(value, int) and types_of(schema) == {"integer"}
    return (Widget.INTEGER if whole else Widget.NUMBER), text, ()


def _text_widget(value: str, schema: Mapping[str, Json]) -> tuple[Widget, str | None, tuple[Json, ...]]:
    if units(value) > MAX_INPUT_TEXT or not survives(value):
        return Widget.JSON, None, ()
    if types_of(schema) and "string" not in types_of(schema):
        return Widget.JSON, None, ()
    if _DATE.fullmatch(value) and _is_date(value):
        return Widget.DATE, value, ()
    if _MINUTE.fullmatch(value) and minute_stamp(value) is not None:
        return Widget.MINUTE, value, ()
    if _EMAIL.fullmatch(value):
        return Widget.EMAIL, value, ()
    if _URL.fullmatch(value) and len(value) <= 1_000:
        return Widget.URL, value, ()
    return (Widget.LONG_TEXT if "\n" in value or len(value) > 120 else Widget.TEXT), value or None, ()


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).year >= 1000
    except ValueError:
        return False


def minute_stamp(text: str) -> int | None:
    """Unix seconds of `2026-11-13T08:00:00Z` or with an offset; None where a picker cannot hold it."""
    found = _MINUTE.fullmatch(text)
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(f"{found.group(1)}:00{found.group(2).replace('Z', '+00:00')}")
        stamp = int(at.timestamp())
    except (ValueError, OverflowError):
        return None
    return stamp if 10**9 <= stamp < 10**10 and minute_text(stamp, text) == text else None


def minute_text(stamp: int, like: str) -> str:
    """A time written in the same zone and form as `like`."""
    found = _MINUTE.fullmatch(like)
    zone = found.group(2) if found else "Z"
    if zone == "Z":
        offset = timedelta(0)
    else:
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6])) * (-1 if zone[0] == "-" else 1)
    local = datetime(1970, 1, 1) + timedelta(seconds=stamp) + offset
    return local.strftime("%Y-%m-%dT%H:%M:%S") + zone


def unseen(text: str) -> bool:
    """Whether a reader could take this text for another one."""
    return any(is_hidden(char) for char in text) or not unicodedata.is_normalized("NFC", text)


def survives(text: str) -> bool:
    """Whether a text input shows all of this and gives it back unchanged.

    Not so for characters one cannot see, for text that is not in NFC, for white space at an end, and for emoji, which
    Slack hands back as `:names:`.
    """
    if text != text.strip():
        return False
    if text.isascii() and (text.isprintable() or "\n" in text):
        return all(char == "\n" or char.isprintable() for char in text)
    if any(is_hidden(char) and char != "\n" for char in text) or not unicodedata.is_normalized("NFC", text):
        return False
    return all(ord(char) <= 0xFFFF and unicodedata.category(char) != "So" for char in text)


def json_text(value: Json) -> str | None:
    """A value as JSON text for an input: indented where that fits, nothing invisible in it; None where it is too
    long to be edited in place, or not all of it may be shown."""
    if places(value):
        return None
    for indent in (2, None):
        text = json.dumps(value, ensure_ascii=False, indent=indent)
        if len(text) > MAX_INPUT_TEXT:
            continue
        if not unicodedata.is_normalized("NFC", text):
            text = json.dumps(value, indent=indent)
        text = "".join(_visible_in_json(char) for char in text)
        if units(text) <= MAX_INPUT_TEXT:
            return text
    return None


def _visible_in_json(char: str) -> str:
    if char.isascii() or (ord(char) <= 0xFFFF and survives(char)):
        return char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}"
    return json.dumps(char)[1:-1]


def same(one: Json, other: Json) -> bool:
    """Whether two JSON values are the same, type by type: 1 is neither 1.0 nor true."""
    if isinstance(one, Masked) or isinstance(other, Masked):
        return bool(one == other)
    return type(one) is type(other) and json.dumps(one) == json.dumps(other)
