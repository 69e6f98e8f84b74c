"""A strict reading of YAML and JSON into plain values with the line of each; what the keys mean is the grammar's.

YAML is read as YAML 1.2 reads JSON: `no`, `on`, `1:30`, `0o17`, `2026-01-01` are text and never turn into
booleans, numbers or dates. Anchors, aliases, tags, merge keys, duplicate keys, several documents in one file,
NaN, infinities, integers a JSON reader could mangle, deep nesting and oversized texts are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from gate.policy.documents import Document, PolicyError, Problem

MAX_TEXT_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 48
MAX_INTEGER = 2**53 - 1

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A parsed text: its top-level value, and the line on which the key or item at each path stands."""

    name: str
    value: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of the nearest known ancestor of a path; 1 where nothing nearer is known."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return self.lines.get((), 1)


class _Refused(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def read(document: Document) -> Source:
    """The value of a text and its lines. Raises `PolicyError` with one problem, at the first thing refused."""
    try:
        return _Reader(document).read()
    except _Refused as refused:
        raise PolicyError([Problem(file=document.name, line=refused.line, message=refused.message)]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ": ".join(part for part in (error.context, error.problem) if part)
        line = mark.line + 1 if mark is not None else 1
        raise PolicyError([Problem(file=document.name, line=line, message=message)]) from None
    except yaml.YAMLError as error:
        raise PolicyError([Problem(file=document.name, line=1, message=str(error).split("\n")[0])]) from None


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


class _Reader:
    """Walks parser events; composing them here keeps aliases and merges from ever being expanded."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.lines: dict[Path, int] = {}

    def read(self) -> Source:
        text = self.document.text
        try:
            size = len(text.encode("utf-8"))
        except UnicodeEncodeError:
            raise _Refused(1, "the text holds a lone surrogate") from None
        if size > MAX_TEXT_BYTES:
            raise _Refused(1, f"the text is over {MAX_TEXT_BYTES // 1024 // 1024} MiB")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        events: Iterator[Any] = iter(yaml.parse(text, Loader=loader))
        value: Any = None
        seen = False
        for event in events:
            if type(event) is yaml.DocumentStartEvent:
                if seen:
                    raise _Refused(
                        _line(event),
                        "several YAML documents in one file; give each a file of its own",
                    )
                seen = True
                first = next(events)
                self.lines[()] = _line(first)
                value = self._value(first, events, (), 0)
        return Source(name=self.document.name, value=value, lines=self.lines)

    def _value(self, event: Any, events: Iterator[Any], path: Path, depth: int) -> Any:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(line, f"alias '*{event.anchor}' is refused; write the value out")
        if event.anchor is not None:
            raise _Refused(line, f"anchor '&{event.anchor}' is refused; write values out where they are used")
        if event.tag is not None and event.tag != "!":
            raise _Refused(line, f"tag '{event.tag}' is refused")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, line)
        if depth >= MAX_DEPTH:
            raise _Refused(line, f"nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(events, path, depth)
        return self._mapping(events, path, depth)

    def _list(self, events: Iterator[Any], path: Path, depth: int) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            here = (*path, len(items))
            self.lines[here] = _line(event)
            items.append(self._value(event, events, here, depth + 1))
        return items

    def _mapping(self, events: Iterator[Any], path: Path, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise _Refused(line, "a key must be plain text")
            self._value(event, events, path, depth)
            key = str(event.value)
            if key == "<<":
                raise _Refused(line, "merge key '<<' is refused; write the values out")
            if key in mapping:
                first = self.lines[(*path, key)]
                raise _Refused(line, f"key '{key}' is given twice (first on line {first})")
            here = (*path, key)
            self.lines[here] = line
            mapping[key] = self._value(next(events), events, here, depth + 1)
        return mapping

    def _scalar(self, event: Any, line: int) -> Any:
        text = str(event.value)
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            if len(text) > 20 or abs(int(text)) > MAX_INTEGER:
                raise _Refused(line, "integers beyond ±9007199254740991 are refused; quote it if it is text")
            return int(text)
        if _NOT_FINITE.fullmatch(text):
            raise _Refused(line, f"'{text}' is refused: only finite numbers are numbers here")
        if _FLOAT.fullmatch(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                raise _Refused(line, f"'{text}' is too large for a number")
            return number
        return text
