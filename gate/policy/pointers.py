"""JSON pointers (RFC 6901) and the difference of two JSON values by them; what may differ is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

MAX_CHANGES = 10_000


class Absent:
    """Stands where one of two values has nothing. There is one of it, `ABSENT`; it is false."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = Absent()


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What stands at a pointer before and after; `ABSENT` on the side that has nothing."""

    pointer: str
    old: Any
    new: Any


def escaped(key: str) -> str:
    """One key as a part of a pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def covers(path: str, pointer: str) -> bool:
    """Whether a path names a pointer or something above it. The empty path names everything."""
    return pointer == path or pointer.startswith(f"{path}/") or path == ""


def diff(old: Any, new: Any) -> tuple[Change, ...]:
    """The smallest parts in which two JSON values differ, in the order of the old value, then what is new.

    Lists are compared place by place. `1` and `1.0` are equal, `true` and `1` are not. Costs one visit to each
    part; past `MAX_CHANGES` changes the rest is one change of the whole.
    """
    changes: list[Change] = []
    for change in _differences(old, new, ""):
        changes.append(change)
        if len(changes) > MAX_CHANGES:
            return (Change(pointer="", old=old, new=new),)
    return tuple(changes)


def _differences(old: Any, new: Any, at: str) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        ours, theirs = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            yield from _differences(ours.get(key, ABSENT), theirs.get(key, ABSENT), f"{at}/{escaped(key)}")
    elif isinstance(old, list) and isinstance(new, list):
        mine, yours = cast("list[Any]", old), cast("list[Any]", new)
        for index in range(max(len(mine), len(yours))):
            before = mine[index] if index < len(mine) else ABSENT
            after = yours[index] if index < len(yours) else ABSENT
            yield from _differences(before, after, f"{at}/{index}")
    elif not _same(old, new):
        yield Change(pointer=at, old=old, new=new)


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    if isinstance(old, int | float) and isinstance(new, int | float):
        return old == new
    return type(old) is type(new) and bool(old == new)
