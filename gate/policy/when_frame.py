"""What every step of an expression works on: variables, the bound on work, and the meaning of true and of errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gate.policy import when_values as values
from gate.policy.when_values import ExpressionError, NoSuchValue

MAX_WORK = 50_000
"""Steps one evaluation may take; a step is about one comparison or 64 characters looked at."""


class Frame:
    """Variables of one evaluation and the work it may still do."""

    __slots__ = ("left", "names")

    def __init__(self, names: Mapping[str, Any], work: int = MAX_WORK) -> None:
        self.names: dict[str, Any] = dict(names)
        self.left = work

    def spend(self, steps: int) -> None:
        """Count work; raises `ExpressionError` where the bound is reached."""
        self.left -= steps
        if self.left < 0:
            raise ExpressionError(f"more than {MAX_WORK} steps of work")


Step = Callable[[Frame], Any]
"""One compiled part of an expression."""


def truth(value: Any) -> bool:
    """The value as true or false. Raises `ExpressionError` for anything else."""
    if value is True or value is False:
        return value
    if value is None:
        raise NoSuchValue("expected true or false, found null")
    raise ExpressionError(f"expected true or false, found {values.kind(value)}")


def worse(first: ExpressionError, second: ExpressionError) -> ExpressionError:
    """Of two errors the one that is more than a missing value."""
    return second if isinstance(first, NoSuchValue) else first
