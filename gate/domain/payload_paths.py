"""Paths into a payload: JSON pointers whose parts may stand for every member; what they are for is said elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import cast

from gate.domain.action import Json

ANY = "*"
"""As a part of a path: every member of an object, every item of a list."""


@lru_cache(maxsize=1_024)
def path_parts(path: str) -> tuple[str, ...]:
    """The parts of a JSON pointer; none for the whole payload."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])


def below(paths: Sequence[tuple[str, ...]], part: str) -> list[tuple[str, ...]]:
    """What is left of the paths one step further down."""
    return [path[1:] for path in paths if path and path[0] in (part, ANY)]


def is_named(paths: Sequence[str], pointer: str) -> bool:
    """Whether one of the paths names what stands at a JSON pointer, or something it is a part of."""
    left = [path_parts(path) for path in paths]
    for part in path_parts(pointer):
        left = [()] if () in left else below(left, part)
    return () in left


def standing_at(value: Json, path: Sequence[str]) -> Iterator[Json]:
    """Everything in a value that a path, in its parts, names."""
    if not path:
        yield value
    elif isinstance(value, Mapping):
        found = cast("Mapping[str, Json]", value)
        for key in found if path[0] == ANY else [path[0]] if path[0] in found else []:
            yield from standing_at(found[key], path[1:])
    elif isinstance(value, list):
        items = cast("list[Json]", value)
        for at, item in enumerate(items):
            if path[0] in (ANY, str(at)):
                yield from standing_at(item, path[1:])
