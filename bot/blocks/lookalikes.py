"""Knows what in a payload or an address is not what it looks like, and says it in words; it changes nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from bot.blocks.payload import leaves, quoted
from bot.blocks.text import pieces, shown, units

_WORD = re.compile(r"[^\W_]+(?:[.\-@_][^\W_]+)*")
_ORDINARY = re.compile(r"[ -~\n\r\t]*")
_ORDINARY_BREAKS = re.compile(r"[\n\r\t\u27e6]")
_PUNYCODE = re.compile(r"(?:[\w-]+\.)*xn--[\w-]+(?:\.[\w-]+)*", re.IGNORECASE)
_LATIN_TWINS = frozenset(
    "аеорсухіјѕԁһӏԛԝьвкмнтАВЕКМНОРСТУХІЈЅԌԚԜЅ"  # Cyrillic
    "αορνικυγωΑΒΕΖΗΙΚΜΝΟΡΤΥΧϲ"  # Greek
    "օսոցհԁյքմաՕՍՏ"  # Armenian
)
"""Letters of other scripts that a reader takes for Latin ones; a name made of them alone is as misleading as a mix."""
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "DESERET", "LISU")
_DRAWN_LATIN = ("MATHEMATICAL", "FULLWIDTH LATIN", "CIRCLED LATIN", "DOUBLE-STRUCK", "SCRIPT", "BLACK-LETTER")
MAX_NOTICES = 6


@lru_cache(maxsize=1 << 16)
def script(char: str) -> str | None:
    """The script of a letter among those that look alike; `STYLED` for letters drawn as symbols; None for others."""
    if char.isascii():
        return "LATIN" if char.isalpha() else None
    name = unicodedata.name(char, "")
    if name.startswith(_DRAWN_LATIN) and char.isalpha():
        return "STYLED"
    return next((known for known in _SCRIPTS if name.startswith(known)), None) if char.isalpha() else None


def _odd_letter(word: str) -> tuple[str, str] | None:
    """(what is odd, the letter) of a word that looks Latin and is not all Latin."""
    found = {s: char for char in word if (s := script(char)) is not None}
    if "STYLED" in found:
        return "is written with letters drawn as symbols", found["STYLED"]
    foreign = [s for s in found if s != "LATIN"]
    if "LATIN" in found and foreign:
        return f"mixes Latin and {foreign[0].title()} letters", found[foreign[0]]
    if len(foreign) > 1:
        return f"mixes {foreign[0].title()} and {foreign[1].title()} letters", found[foreign[1]]
    if foreign and re.search(r"[.@]", word):
        letters = [char for char in word if char.isalpha() and not char.isascii()]
        if letters and all(char in _LATIN_TWINS for char in letters):
            return f"looks Latin but is {foreign[0].title()}", letters[0]
    return None


def in_text(text: str) -> Iterator[str]:
    """What is misleading in one text, each as a sentence about it; nothing for plain ASCII without punycode."""
    if "xn--" in text.casefold():
        for found in _PUNYCODE.finditer(text):
            yield f"“{shown(found.group(), 60)}” is a name in disguise (punycode){_decoded(found.group())}"
    if _ORDINARY.fullmatch(text):
        return
    for word in dict.fromkeys(found.group() for found in _WORD.finditer(text) if not found.group().isascii()):
        odd = _odd_letter(word)
        if odd is not None:
            yield f"“{shown(word, 60)}” {odd[0]} ({odd[1]} is U+{ord(odd[1]):04X})"
    hidden = sum(1 for piece in pieces(_ORDINARY_BREAKS.sub(" ", text)) if len(piece) > 1)
    if hidden:
        yield f"holds {hidden:,} character{'s' if hidden > 1 else ''} that cannot be seen"
    if any(map(_runs_leftwards, set(text))):
        yield "holds text that runs from right to left"
    if not unicodedata.is_normalized("NFC", text):
        yield "is not in the usual Unicode form (NFC); another text can look the same"


@lru_cache(maxsize=1 << 16)
def _runs_leftwards(char: str) -> bool:
    return unicodedata.bidirectional(char) in ("R", "AL")


def _decoded(host: str) -> str:
    try:
        readable = ".".join(
            part[4:].encode().decode("punycode") if part.casefold().startswith("xn--") else part
            for part in host.split(".")
        )
    except (UnicodeError, ValueError, OverflowError):
        return ""
    return f", read as “{shown(readable, 60)}”"


def _twins(keys: Iterable[str]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for key in keys:
        folded = unicodedata.normalize("NFKC", key).casefold()
        if folded in seen and seen[folded] != key and not (key.isascii() and seen[folded].isascii()):
            yield f"The keys {_short(seen[folded])} and {_short(key)} look alike and are different"
        seen.setdefault(folded, key)


def _short(key: str) -> str:
    return quoted(key) if units(key) <= 40 else f"“{shown(key, 60)}”"


def in_payload(payload: Mapping[str, Any]) -> list[str]:
    """Every misleading place of a payload, in words, keys and values both."""
    found: list[str] = []
    stack: list[Any] = [payload]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            members = cast("Mapping[str, Any]", value)
            found.extend(_twins(members))
            for key in members:
                found.extend(f"The key {_short(key)}: {what}" for what in in_text(key))
            stack.extend(members.values())
        elif isinstance(value, list):
            stack.extend(cast("list[Any]", value))
    for leaf in leaves(payload):
        if isinstance(leaf.value, str):
            path = leaf.path if units(leaf.path) <= 60 else "…" + leaf.path[-50:]
            found.extend(f"{path}: {what}" for what in in_text(leaf.value))
    return found


def notices(payload: Mapping[str, Any], *texts: tuple[str, str | None]) -> list[str]:
    """The first `MAX_NOTICES` misleading places of texts, given as (label, text), and of a payload, and how many more
    there are."""
    found = [f"{label}: {what}" for label, text in texts if text for what in in_text(text)]
    found += in_payload(payload)
    rest = len(found) - MAX_NOTICES
    return found[:MAX_NOTICES] + ([f"… and {rest:,} more like these"] if rest > 0 else [])
