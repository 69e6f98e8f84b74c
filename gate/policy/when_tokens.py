"""Text of an expression to tokens; what they may follow is the grammar's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


class SyntaxProblem(ValueError):
    """An expression that cannot be compiled; the message says why and, where it helps, what to write."""


_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+|//[^\n]*)
      | (?P<string>[rR]?(?:\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'))
      | (?P<double>[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)
      | (?P<int>0x[0-9a-fA-F]+|[0-9]+)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<op>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)
_PLAIN_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "`": "`",
    "?": "?",
}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is string, double, int, word, op or end; `at` counts characters from nought."""

    kind: str
    text: str
    at: int


def tokens(text: str) -> Iterator[Token]:
    """The tokens with one of kind `end` after them. Raises `SyntaxProblem`."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            hint = " (write == to compare)" if text[at] == "=" else ""
            raise SyntaxProblem(f"unexpected {text[at]!r} at character {at + 1}{hint}")
        kind = found.lastgroup or "op"
        if kind != "space":
            yield Token(kind, found.group(), at)
        at = found.end()
    yield Token("end", "", len(text))


def unquoted(text: str) -> str:
    """The text a quoted literal stands for. Raises `SyntaxProblem`."""
    if text[0] in "rR":
        return text[2:-1]

    def one(found: re.Match[str]) -> str:
        two, four, eight, octal, plain = found.groups()
        if plain is not None:
            if plain not in _PLAIN_ESCAPES:
                raise SyntaxProblem(f"unknown escape \\{plain} in a string; for a pattern write r'…'")
            return _PLAIN_ESCAPES[plain]
        code = int(octal, 8) if octal is not None else int(two or four or eight, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise SyntaxProblem("an escape names no character")
        return chr(code)

    return _ESCAPE.sub(one, text[1:-1])
