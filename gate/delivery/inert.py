"""Untrusted text for channels read outside Slack: all of it visible, none of it active, every cut said."""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\u27e6\ufe0e")
_PLAIN = re.compile(r"[ -~]*")
_SCHEME = re.compile(r"(?<=\w):(?=//)|\b(?:mailto|tel|data|javascript):", re.IGNORECASE)
_DOT = re.compile(r"(?<=\w)\.(?=[^\W\d_]{2,})")


def visible(text: str, *, newlines: bool = False) -> str:
    """Characters that a reader could not see, or that turn text around, by name: `⟦U+202E⟧`."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(c if (c == "\n" and newlines) or not _is_hidden(c) else _named(c) for c in text)


def inert(text: str, limit: int, *, newlines: bool = False) -> str:
    """At most about `limit` characters of `text`, visible, in which a mail program finds no link and no address."""
    shown = visible(text[:limit], newlines=newlines)
    shown = _DOT.sub("[.]", _SCHEME.sub(lambda found: found[0].replace(":", "[:]"), shown))
    rest = len(text) - limit
    return f"{shown} … {rest:,} more character{'' if rest == 1 else 's'}" if rest > 0 else shown


def _is_hidden(char: str) -> bool:
    if " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    return category in _HIDDEN or char in _BLANKS or (category == "Zs" and char != " ")


def _named(char: str) -> str:
    return f"\u27e6U+{ord(char):04X}\u27e7"
