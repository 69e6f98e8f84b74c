"""The macros over lists and maps, `exists` to `map`, with their work counted; other steps are `when`'s."""

from __future__ import annotations

from typing import Any, cast

from gate.policy import when_values as values
from gate.policy.when_frame import Frame, Step, truth, worse
from gate.policy.when_values import ABSENT, ExpressionError, NoSuchValue


def _items(holder: Any) -> list[Any]:
    if isinstance(holder, dict):
        return list(cast("dict[Any, Any]", holder))
    if isinstance(holder, list | tuple):
        return [*values.owned(cast("list[Any]", holder))]
    if holder is None:
        raise NoSuchValue("a macro goes over a list or map, found null")
    raise ExpressionError(f"a macro goes over a list or map, not a {values.kind(holder)}")


def macro(kind: str, name: str, over: Step, body: Step, guard: Step | None, weight: int) -> Step:
    """`over.kind(name, body)`; `weight` is the work one turn is counted for, `guard` the filter of `map`."""

    def each(frame: Frame) -> list[Any]:
        items = _items(over(frame))
        frame.spend(len(items))
        return items

    def within(step: Step, frame: Frame, item: Any) -> Any:
        frame.spend(weight)
        outer = frame.names.get(name, ABSENT)
        frame.names[name] = item
        try:
            return step(frame)
        finally:
            if outer is ABSENT:
                del frame.names[name]
            else:
                frame.names[name] = outer

    def fold(frame: Frame, deciding: bool) -> bool:
        trouble: ExpressionError | None = None
        for item in each(frame):
            try:
                if truth(within(body, frame, item)) is deciding:
                    return deciding
            except ExpressionError as error:
                trouble = error if trouble is None else worse(trouble, error)
        if trouble is not None:
            raise trouble
        return not deciding

    def kept(frame: Frame) -> tuple[Any, ...]:
        return tuple(item for item in each(frame) if truth(within(body, frame, item)))

    def mapped(frame: Frame) -> tuple[Any, ...]:
        return tuple(
            within(body, frame, item)
            for item in each(frame)
            if guard is None or truth(within(guard, frame, item))
        )

    match kind:
        case "exists":
            return lambda frame: fold(frame, True)
        case "all":
            return lambda frame: fold(frame, False)
        case "exists_one":
            return lambda frame: len(kept(frame)) == 1
        case "filter":
            return kept
        case _:
            return mapped
