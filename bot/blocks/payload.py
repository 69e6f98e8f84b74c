"""Knows how a payload is written out exactly and readably: one line a value, typed, aligned, nothing left out; leaves
how much of it fits where to the surfaces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from bot.blocks.text import cut, head, marker, more, pieces, units
from gate.domain.masking import MARK, Masked

Json = Any

KEY_COLUMN = 24
"""Keys up to this long stand in one column with their values beside them; longer ones stand above theirs."""
LONG_PATH = 160
_SIMPLE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_TRAILING = re.compile(r" +$")
_WIDE_GAP = re.compile(r"(?<=\S) {8,}")
"""So many spaces could push words of a value to where a reader expects the next key."""
_BAR = "┃ "


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """One value that is not split further: a scalar, or an empty object or list. `path` is ready to be shown."""

    path: str
    value: Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Alias:
    """Takes the place of a path that is too long to be repeated before everything below it."""

    path: str


def leaves(payload: Json) -> Iterator[Leaf]:
    """Every value of a payload in the order it is written, however deep; never recursive.

    Where a path grows past `LONG_PATH` a leaf with an `Alias` comes first (`§1`), and what is below uses it.
    """
    stack: list[tuple[str, Json]] = [("", payload)]
    aliases = 0
    while stack:
        path, value = stack.pop()
        if isinstance(value, (Mapping, list)) and value and units(path) > LONG_PATH:
            aliases += 1
            yield Leaf(path=f"§{aliases}", value=Alias(path=path))
            path = f"§{aliases}"
        if isinstance(value, Mapping) and value:
            found = cast("Mapping[str, Json]", value)
            stack.extend((_member(path, key), found[key]) for key in reversed(list(found)))
        elif isinstance(value, list) and value:
            items = cast("list[Json]", value)
            stack.extend((f"{path}[{at}]", items[at]) for at in reversed(range(len(items))))
        else:
            yield Leaf(path=path, value=value)


def _member(path: str, key: str) -> str:
    if _SIMPLE_KEY.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{quoted(key)}]"


def pointer_path(pointer: str) -> str:
    """A JSON pointer as the path that the payload is shown with; a number is taken for a list's index."""
    path = ""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        path = f"{path}[{key}]" if key.isdigit() and path else _member(path, key)
    return path or "the whole payload"


def quoted(text: str) -> str:
    """A string as JSON writes it, so that "881" is not 881; what cannot be seen is named."""
    written_out = "".join(_in_quotes(piece) for piece in pieces(text))
    return f'"{_WIDE_GAP.sub(_named_spaces, written_out)}"'


def _in_quotes(piece: str) -> str:
    return "\\" + piece if piece in ('"', "\\") else piece


def scalar(value: Json) -> str:
    """A value on one line, typed: strings in quotes, numbers exactly, `true`, `null`, `{}`, `[]`. What policy masks is
    marked without quotes, so that no text can pass for it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Alias):
        return f"stands for {value.path}"
    if isinstance(value, Masked):
        return MARK
    try:
        return json.dumps(value)
    except (ValueError, TypeError):  # digits past what Python prints; the door refuses such numbers
        return f"a number of {cast('int', value).bit_length():,} bits"


def brief(value: Json, limit: int) -> str:
    """A value on one line within `limit` units; what is missing is said. Objects and lists as compact JSON."""
    if isinstance(value, str):
        whole = quoted(value)
        begun = head(value, max(1, limit - 32))
        return (
            whole
            if units(whole) <= limit
            else f"{quoted(value[: len(value) - begun.rest])} {more(begun.rest)}"
        )
    if isinstance(value, (Mapping, list)):
        compact = ", ".join(f"{leaf.path}: {scalar(leaf.value)}" for leaf in leaves(cast("Json", value)))
        compact = "{" + compact + "}" if isinstance(value, Mapping) else "[" + compact + "]"
    else:
        compact = scalar(value)
    if units(compact) <= limit:
        return compact
    begun = cut(compact, max(1, limit - 32))
    return f"{begun} {more(len(compact) - len(begun))}"


def rows(payload: Mapping[str, Json]) -> Iterator[str]:
    """The whole payload as lines of text. Every value is in it exactly; a text of several lines stands below its key,
    each line behind a bar, so that no value can pass itself off as another key."""
    if not payload:
        yield "{}   (an empty object)"
        return
    column = max((units(leaf.path) for leaf in leaves(payload) if units(leaf.path) <= KEY_COLUMN), default=0)
    for leaf in leaves(payload):
        yield from _leaf_lines(leaf, column)


def beside(payload: Mapping[str, Json], pointers: Sequence[str], *, most: int) -> tuple[list[str], int]:
    """The first `most` lines of what stands neither at nor below any of the JSON pointers, and how many more values
    there are."""
    paths = [pointer_path(pointer) for pointer in pointers if pointer]
    exactly, below = frozenset(paths), tuple(f"{path}{mark}" for path in paths for mark in ".[")
    kept: list[Leaf] = []
    rest = 0
    for leaf in leaves(payload) if payload and "" not in pointers else ():
        if leaf.path in exactly or leaf.path.startswith(below):
            continue
        if len(kept) < most:
            kept.append(leaf)
        else:
            rest += 1
    column = max((units(leaf.path) for leaf in kept if units(leaf.path) <= KEY_COLUMN), default=0)
    found: list[str] = []
    for leaf in kept:
        if len(found) < most:
            found += _leaf_lines(leaf, column)
        else:
            rest += 1
    return found[:most], rest + bool(found[most:])


def written(payload: Mapping[str, Json]) -> list[str]:
    """All of `rows`."""
    return list(rows(payload))


def line_count(payload: Mapping[str, Json]) -> int:
    """How many lines `rows` has, without writing them."""
    if not payload:
        return 1
    return sum(_line_count(leaf) for leaf in leaves(payload))


def _line_count(leaf: Leaf) -> int:
    if isinstance(leaf.value, str) and "\n" in leaf.value:
        return leaf.value.count("\n") + 2
    return 2 if units(leaf.path) > KEY_COLUMN else 1


def _leaf_lines(leaf: Leaf, column: int) -> Iterator[str]:
    path = leaf.path + " " * max(0, column - units(leaf.path))
    if isinstance(leaf.value, str) and "\n" in leaf.value:
        yield from _text_lines(path, leaf.value)
    elif units(leaf.path) > KEY_COLUMN:
        yield leaf.path
        yield "    " + scalar(leaf.value)
    else:
        yield f"{path}  {scalar(leaf.value)}"


def _text_lines(path: str, text: str) -> Iterator[str]:
    rows = text.split("\n")
    ends = ""
    if len(rows) > 1 and all(row.endswith("\r") for row in rows[:-1]):
        rows = [*(row[:-1] for row in rows[:-1]), rows[-1]]
        ends = " that end in CR LF"
    yield f"{path}  text of {len(rows):,} lines{ends}, {len(text):,} characters:"
    for row in rows:
        yield _BAR + _WIDE_GAP.sub(_named_spaces, _TRAILING.sub(_named_spaces, "".join(pieces(row))))


def _named_spaces(found: re.Match[str]) -> str:
    number = len(found.group())
    return marker(" ") if number == 1 else f"{marker(' ')}×{number}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Excerpt:
    """As much of a payload as fits. `whole` is False where anything at all is missing."""

    text: str
    whole: bool
    rest_lines: int = 0


def excerpt(payload: Mapping[str, Json], *, max_units: int, max_lines: int) -> Excerpt:
    """The head of a written payload; a line that is too long by itself is cut and says so."""
    kept: list[str] = []
    size = 0
    for row in rows(payload):
        room = max_units - size
        long = units(row)
        if len(kept) >= max_lines or room < min(long, 80) + 1:
            return Excerpt(text="\n".join(kept), whole=False, rest_lines=line_count(payload) - len(kept))
        if long + 1 > room:
            begun = cut(row, room - 40)
            kept.append(f"{begun} {more(len(row) - len(begun))}")
            return Excerpt(text="\n".join(kept), whole=False, rest_lines=line_count(payload) - len(kept))
        kept.append(row)
        size += long + 1
    return Excerpt(text="\n".join(kept), whole=True)


def chunks(lines: Sequence[str], *, max_units: int) -> Iterator[str]:
    """The whole of a written payload in pieces of at most `max_units`; a longer line goes on in the next piece, marked
    by `↪`. Joining the pieces gives every character."""
    kept: list[str] = []
    size = 0
    for row in lines:
        mark = ""
        while True:
            room = max_units - size
            if units(row) + units(mark) + 1 <= room:
                break
            if kept and room < max_units // 3:
                yield "\n".join(kept)
                kept, size = [], 0
                continue
            begun = cut(row, room - units(mark) - 1)
            kept.append(mark + begun)
            yield "\n".join(kept)
            kept, size, row, mark = [], 0, row[len(begun) :], "↪ "
        kept.append(mark + row)
        size += units(row) + units(mark) + 1
    if kept:
        yield "\n".join(kept)
