"""Operators, functions and methods of expressions over compiled arguments; the tree is `when`'s to walk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from gate.policy import when_values as values
from gate.policy.patterns import searcher
from gate.policy.when_frame import Frame, Step, truth, worse
from gate.policy.when_values import ABSENT, ExpressionError, NoSuchValue


def _either(left: Step, right: Step, deciding: bool) -> Step:
    """`||` where `deciding` is true, `&&` where it is false."""

    def either(frame: Frame) -> bool:
        try:
            if truth(left(frame)) is deciding:
                return deciding
        except ExpressionError as first:
            try:
                if truth(right(frame)) is deciding:
                    return deciding
            except ExpressionError as second:
                raise worse(first, second) from None
            raise
        return truth(right(frame))

    return either


def _within(left: Step, right: Step) -> Step:
    def within(frame: Frame) -> bool:
        wanted, holder = left(frame), right(frame)
        if isinstance(holder, dict):
            if values.kind(wanted) in ("null", "list", "map"):
                return False
            return values.entry(cast("dict[Any, Any]", holder), wanted) is not ABSENT
        if isinstance(holder, list | tuple):
            return any(values.equal(wanted, item, frame.spend) for item in cast("list[Any]", holder))
        if holder is None:
            raise NoSuchValue("'in' looks into a list or map, found null")
        raise ExpressionError(f"'in' looks into a list or map, not a {values.kind(holder)}")

    return within


_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": values.before,
    ">": lambda left, right: values.before(right, left),
    "<=": lambda left, right: _order_or_equal(left, right),
    ">=": lambda left, right: _order_or_equal(right, left),
}


def _order_or_equal(left: Any, right: Any) -> bool:
    return values.before(left, right) or left == right


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.modulo,
}

_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "negate": values.negate,
    "string": values.to_string,
    "int": values.to_int,
    "double": values.to_double,
}


def call(function: str, steps: tuple[Step, ...]) -> Step:
    """An operator, function or method over compiled arguments; `matches` has a step of its own."""
    first = steps[0]
    if function in ("&&", "||"):
        return _either(first, steps[1], function == "||")
    if function == "!":
        return lambda frame: not truth(first(frame))
    if function in _CONVERSIONS:
        convert = _CONVERSIONS[function]
        return lambda frame: convert(first(frame))
    if function == "size":
        return lambda frame: _size(first(frame))
    if function == "lowerAscii":
        return lambda frame: _lower_ascii(_text(first(frame), "lowerAscii"), frame)
    second = steps[1]
    if function in ("==", "!="):
        wanted = function == "=="
        return lambda frame: values.equal(first(frame), second(frame), frame.spend) is wanted
    if function in _ORDERS:
        order = _ORDERS[function]
        return lambda frame: order(first(frame), second(frame))
    if function == "+":
        return lambda frame: values.add(first(frame), second(frame), frame.spend)
    if function in _ARITHMETIC:
        compute = _ARITHMETIC[function]
        return lambda frame: compute(first(frame), second(frame))
    if function == "in":
        return _within(first, second)
    return _text_test(function, first, second)


def _text(value: Any, function: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise NoSuchValue(f"{function}() needs text, found null")
    raise ExpressionError(f"{function}() needs text, not {values.kind(value)}")


def _lower_ascii(text: str, frame: Frame) -> str:
    frame.spend(len(text) // 16)
    return text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)


def _text_test(function: str, first: Step, second: Step) -> Step:
    tests: Mapping[str, Callable[[str, str], bool]] = {
        "startsWith": str.startswith,
        "endsWith": str.endswith,
        "contains": str.__contains__,
    }
    test = tests[function]

    def run(frame: Frame) -> bool:
        text, part = _text(first(frame), function), _text(second(frame), function)
        frame.spend(1 + len(text) // 64)
        return test(text, part)

    return run


def matches_of(first: Step, pattern: str) -> Step:
    """Whether the text holds the pattern. Raises `PatternProblem`."""
    found = searcher(pattern)

    def matches(frame: Frame) -> bool:
        text = _text(first(frame), "matches")
        frame.spend(1 + len(text) // 16)
        return found(text)

    return matches


def _size(value: Any) -> int:
    if isinstance(value, str | list | tuple | dict):
        return len(cast("str | list[Any]", value))
    if value is None:
        raise NoSuchValue("size() of null")
    raise ExpressionError(f"size() does not take {values.kind(value)}")
