"""Patterns written by others, matched in linear time by RE2; which text they are held against is the caller's.

google-re2 carries no types, so it is touched here only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, cast

import re2 as _untyped  # pyright: ignore[reportMissingTypeStubs]

_re2: Any = cast("Any", _untyped)

MAX_PATTERN = 512
MAX_MEMORY = 1 << 20


class PatternProblem(ValueError):
    """A pattern that is too long, not RE2, or too large once compiled."""


Test = Callable[[str], bool]


@lru_cache(maxsize=4_096)
def searcher(pattern: str) -> Test:
    """Whether a text holds the pattern somewhere. Raises `PatternProblem`."""
    if len(pattern) > MAX_PATTERN:
        raise PatternProblem(f"a pattern may have {MAX_PATTERN} characters, this one has {len(pattern)}")
    compiled = _compiled(pattern)
    return lambda text: compiled.search(text) is not None


def joined_by_anything(parts: Iterable[str]) -> Test:
    """Whether a text is these literal parts in a row with at least one character between each two."""
    compiled = _compiled("(?s)" + ".+".join(_re2.escape(part) for part in parts))
    return lambda text: compiled.fullmatch(text) is not None


def _compiled(pattern: str) -> Any:
    options = _re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        return _re2.compile(pattern, options)
    except _re2.error as error:
        reason = error.args[0] if error.args else error
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise PatternProblem(f"the pattern '{pattern[:80]}' is not RE2: {said}") from None
