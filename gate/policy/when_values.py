"""Values of the expression language: types, equality, order, arithmetic, conversion; it compiles nothing.

Numbers that come with an action are doubles, as CEL reads JSON; integer literals, `size()` and `int()` are 64-bit
integers. Where the two meet in arithmetic the integer is read as a double (CEL itself would refuse to).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class ExpressionError(Exception):
    """An expression that has no value for this action: a type that does not fit, an overflow, too much work."""


class NoSuchValue(ExpressionError):
    """An expression that needs a field or item the action does not have."""


class OwnMap(dict[Any, Any]):
    """A map written in an expression; its numbers keep their types. A plain dict is JSON of the action."""


def lifted(value: Any) -> Any:
    """A value taken out of JSON: integers become doubles, everything else stays."""
    return float(value) if type(value) is int else value


def kind(value: Any) -> str:
    """The name of a value's type, for messages and for telling types apart."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "double"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list | tuple):
        return "list"
    if isinstance(value, dict):
        return "map"
    raise ExpressionError(f"a value of type {type(value).__name__} has no place in an expression")


def equal(left: Any, right: Any, spend: Callable[[int], None]) -> bool:
    """CEL equality: numbers by value, containers by content, different types unequal. `spend` counts the work."""
    spend(1)
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool) and left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        ours, theirs = cast("list[Any]", left), cast("list[Any]", right)
        return len(ours) == len(theirs) and all(
            equal(one, other, spend) for one, other in zip(ours, theirs, strict=True)
        )
    if isinstance(left, dict) and isinstance(right, dict):
        mine, yours = cast("dict[Any, Any]", left), cast("dict[Any, Any]", right)
        return len(mine) == len(yours) and all(
            (found := entry(yours, key)) is not ABSENT and equal(value, found, spend)
            for key, value in mine.items()
        )
    if isinstance(left, str) and isinstance(right, str):
        spend(min(len(left), len(right)) // 64)
        return left == right
    return left is None and right is None


class _Absent:
    pass


ABSENT = _Absent()


def entry(mapping: dict[Any, Any], key: Any) -> Any:
    """The entry under a key, or `ABSENT`; `true` is never the key `1`."""
    found = mapping.get(key, ABSENT)
    if found is ABSENT or not isinstance(key, bool | int | float):
        return found
    exact = next((k for k in mapping if k == key), None)
    return found if isinstance(exact, bool) == isinstance(key, bool) else ABSENT


def before(left: Any, right: Any) -> bool:
    """`left < right` for two numbers, two strings or two booleans. Raises `ExpressionError` for anything else."""
    if left is None or right is None:
        raise NoSuchValue("null has no order")
    ours, theirs = kind(left), kind(right)
    numbers = ("int", "double")
    if (ours in numbers and theirs in numbers) or (ours == theirs and ours in ("string", "bool")):
        return left < right
    raise ExpressionError(f"cannot order {ours} and {theirs}")


def _numbers(left: Any, right: Any, sign: str) -> bool:
    """Whether both are integers; raises unless both are numbers."""
    ours, theirs = kind(left), kind(right)
    if ours == "null" or theirs == "null":
        raise NoSuchValue(f"'{sign}' needs a value, not null")
    if ours not in ("int", "double") or theirs not in ("int", "double"):
        raise ExpressionError(f"'{sign}' does not take {ours} and {theirs}")
    return ours == "int" and theirs == "int"


def _within(number: int) -> int:
    if not INT_MIN <= number <= INT_MAX:
        raise ExpressionError("integer overflow")
    return number


def add(left: Any, right: Any, spend: Callable[[int], None]) -> Any:
    """Numbers, or two strings, or two lists."""
    if isinstance(left, str) and isinstance(right, str):
        spend((len(left) + len(right)) // 16)
        return left + right
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        ours, theirs = owned(cast("list[Any]", left)), owned(cast("list[Any]", right))
        spend(len(ours) + len(theirs))
        return ours + theirs
    return _sum(left, right)


def _sum(left: Any, right: Any) -> Any:
    return _within(left + right) if _numbers(left, right, "+") else float(left) + float(right)


def owned(items: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    """A list as the expression's own, numbers of JSON lifted."""
    return items if isinstance(items, tuple) else tuple(lifted(item) for item in items)


def subtract(left: Any, right: Any) -> Any:
    """The difference of two numbers."""
    return _within(left - right) if _numbers(left, right, "-") else float(left) - float(right)


def multiply(left: Any, right: Any) -> Any:
    """The product of two numbers."""
    return _within(left * right) if _numbers(left, right, "*") else float(left) * float(right)


def divide(left: Any, right: Any) -> Any:
    """Integers truncate toward zero and refuse zero; doubles follow IEEE 754."""
    if _numbers(left, right, "/"):
        if right == 0:
            raise ExpressionError("division by zero")
        quotient = abs(left) // abs(right)
        return _within(quotient if (left < 0) == (right < 0) else -quotient)
    above, below = float(left), float(right)
    if below == 0.0:
        if above == 0.0 or math.isnan(above):
            return math.nan
        return math.copysign(math.inf, above) * math.copysign(1.0, below)
    return above / below


def modulo(left: Any, right: Any) -> Any:
    """The remainder of two integers, with the sign of the left one."""
    if not _numbers(left, right, "%"):
        raise ExpressionError("'%' takes integers; write int(…) around a number of the action")
    if right == 0:
        raise ExpressionError("modulo by zero")
    return int(math.copysign(1, left)) * (abs(left) % abs(right))


def negate(value: Any) -> Any:
    """The number with its sign turned."""
    if kind(value) not in ("int", "double"):
        raise ExpressionError(f"cannot negate {kind(value)}")
    return _within(-value) if isinstance(value, int) else -value


def to_string(value: Any) -> str:
    """Text of a string, number or boolean; a whole double has no fraction (`14.0` is `14`)."""
    match kind(value):
        case "string":
            return value
        case "bool":
            return "true" if value else "false"
        case "int":
            return str(value)
        case "double":
            return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)
        case "null":
            raise NoSuchValue("string() of null")
        case other:
            raise ExpressionError(f"string() does not take {other}")


def to_int(value: Any) -> int:
    """A number cut toward zero, or the whole number a string spells."""
    match kind(value):
        case "int":
            return value
        case "double":
            if not math.isfinite(value):
                raise ExpressionError("int() of a number that is not finite")
            return _within(int(value))
        case "string":
            text = value
            if len(text) > 20 or not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
                raise ExpressionError("int() of text that is not a whole number")
            return _within(int(text))
        case "null":
            raise NoSuchValue("int() of null")
        case other:
            raise ExpressionError(f"int() does not take {other}")


def to_double(value: Any) -> float:
    """A number, or the finite one a string spells."""
    match kind(value):
        case "int" | "double":
            return float(value)
        case "string":
            try:
                number = (
                    float(value)
                    if len(value) <= 64 and "_" not in value and value == value.strip()
                    else math.nan
                )
            except ValueError:
                number = math.nan
            if not math.isfinite(number):
                raise ExpressionError("double() of text that is not a number")
            return number
        case "null":
            raise NoSuchValue("double() of null")
        case other:
            raise ExpressionError(f"double() does not take {other}")
