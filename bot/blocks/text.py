"""Knows how untrusted text is shown: everything visible, nothing active, cut by a rule one can see; it knows nothing of
actions or of Block Kit."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\uffa0")
"""Characters that Unicode calls letters, marks or symbols and that show nothing."""
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_MAX_MARKS = 3
"""Combining marks on one letter that are shown as they are; what is piled on top is named."""
_OPEN = "\u27e6"
_ZWJ = "\u200d"
_EMOJI_STYLE = "\ufe0f"
_PLAIN = re.compile(r"[ -~]*")
_BROADCAST = re.compile(r"@(?=(?:here|channel|everyone)\b)", re.IGNORECASE)


def units(text: str) -> int:
    """UTF-16 code units, the larger of the two ways in which Slack may count a text."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


@lru_cache(maxsize=1 << 12)
def marker(char: str) -> str:
    """A character named instead of shown: `⟦U+202E⟧`."""
    return f"{_OPEN}U+{ord(char):04X}\u27e7"


@lru_cache(maxsize=1 << 16)
def is_hidden(char: str) -> bool:
    """Whether a reader could not see this character, or could not tell it from another: controls, bidi and
    zero-width characters, tags, variation selectors, private use, unassigned, blanks, spaces but the common one."""
    if " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    if category in _HIDDEN_CATEGORIES or char in BLANKS:
        return True
    if category == "Zs":
        return char != " "
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


@lru_cache(maxsize=1 << 16)
def is_mark(char: str) -> bool:
    """Whether it is drawn on the character before it."""
    return bool(unicodedata.combining(char)) or unicodedata.category(char) in ("Mn", "Me")


def _joins_emoji(text: str, at: int) -> bool:
    """Whether the joiner or style selector at `at` is inside an emoji, where it belongs."""
    before = unicodedata.category(text[at - 1]) if at else ""
    if text[at] == _EMOJI_STYLE:
        return before in ("So", "Sm")
    if text[at] == _ZWJ and at + 1 < len(text):
        drawn = before == "So" or (at > 1 and text[at - 1] == _EMOJI_STYLE) or _is_skin_tone(text[at - 1])
        return bool(at) and drawn and unicodedata.category(text[at + 1]) == "So"
    return False


def _is_skin_tone(char: str) -> bool:
    return "\U0001f3fb" <= char <= "\U0001f3ff"


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def pieces(text: str, *, newlines: bool = False) -> list[str]:
    """What is shown for each character of `text`; `newlines` keeps line feeds as they are."""
    if _PLAIN.fullmatch(text):
        return list(text)
    # A text has few different characters, and mostly none of them needs a second look.
    doubtful = {char for char in set(text) if char == _OPEN or is_hidden(char) or is_mark(char)}
    if newlines:
        doubtful.discard("\n")
    found = list(text)
    if not doubtful:
        return found
    marks, last = 0, -1
    for at, char in enumerate(text):
        if char not in doubtful:
            continue
        if is_mark(char):
            marks, last = (marks + 1 if last == at - 1 else 1), at
            if marks > _MAX_MARKS:
                found[at] = marker(char)
                continue
        if char == _OPEN or (is_hidden(char) and not _joins_emoji(text, at)):
            found[at] = marker(char)
    return found


def _may_cut(text: str, at: int) -> bool:
    """Whether a reader sees two characters meet at `at`, not the middle of one."""
    before, after = text[at - 1], text[at]
    if is_mark(after) or unicodedata.category(after) == "Mc":
        return False
    if after in (_ZWJ, _EMOJI_STYLE) or before == _ZWJ or _is_skin_tone(after):
        return False
    if _is_regional(before) and _is_regional(after):
        start = at
        while start and _is_regional(text[start - 1]):
            start -= 1
        return (at - start) % 2 == 0
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """Text made visible. `rest` is how many characters of the original are not in it, 0 where it is whole."""

    text: str
    rest: int = 0


def more(rest: int) -> str:
    """The rule by which everything is cut: how much is missing is always said."""
    return f"… {rest:,} more character{'' if rest == 1 else 's'}"


def head(text: str, limit: int, *, newlines: bool = False) -> Shown:
    """As much of `text` as fits into `limit` UTF-16 units, made visible, without a word about the rest."""
    begun = text[
        : limit + 2
    ]  # a character takes one unit at least, and an emoji's joiner looks at the next one
    parts = pieces(begun, newlines=newlines)
    size = at = 0
    while at < len(parts) and size + units(parts[at]) <= limit:
        size += units(parts[at])
        at += 1
    if at == len(text):
        return Shown(text="".join(parts))
    back = at
    while back and not _may_cut(text, back):
        back -= 1
    at = back or at  # one endless pile of marks is cut anywhere
    return Shown(text="".join(parts[:at]), rest=len(text) - at)


def shown(text: str, limit: int, *, newlines: bool = False) -> str:
    """`text` made visible in at most `limit` UTF-16 units; where it is cut, how much is missing stands at the end."""
    whole = head(text, limit, newlines=newlines)
    if not whole.rest:
        return whole.text
    cut = head(text, max(0, limit - units(more(len(text))) - 1), newlines=newlines)
    return f"{cut.text} {more(cut.rest)}"[:limit] if cut.text else more(cut.rest)[:limit]


def cut(text: str, limit: int) -> str:
    """The head, in at most `limit` units, of text that was made visible before; never ends inside a `⟦U+…⟧`."""
    if units(text) <= limit:
        return text
    kept = text[:limit]
    while units(kept) > limit:
        kept = kept[:-1]
    opened = kept.rfind(_OPEN)
    return kept[:opened] if opened > kept.rfind("\u27e7") else kept


def trimmed(text: str, limit: int) -> str:
    """Text that was made visible before, in at most `limit` units, with an ellipsis where it was cut."""
    return text if units(text) <= limit else cut(text, limit - 1) + "…"


def escape(text: str) -> str:
    """For text that Slack parses: `&`, `<` and `>` as entities, so that nothing in it is a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def inert(text: str) -> str:
    """For the fallback text, which Slack parses and notifications show: escaped, addresses and broadcasts defanged."""
    return _BROADCAST.sub("[@]", escape(text)).replace("://", "[:]//")


def clip_bytes(text: str, limit: int) -> str:
    """Escaped text in at most `limit` bytes of UTF-8, never ending inside an entity or a character."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode()
    cut = raw[: limit - 3].decode("utf-8", "ignore")
    entity = cut.rfind("&")
    if entity >= 0 and ";" not in cut[entity:]:
        cut = cut[:entity]
    return cut + "…"
