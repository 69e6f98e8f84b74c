"""Expressions compiled to closures with a bound on their work; how they are written is `when_syntax`'s business.

An expression sees `payload, labels, context, agent, facts` and nothing else; it has no clock and no I/O. `&&` and
`||` absorb the error of one side where the other decides, as in CEL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import re2

from gate.policy import when_values as values
from gate.policy.documents import did_you_mean
from gate.policy.when_syntax import (
    Call,
    Condition,
    Index,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Name,
    Node,
    Select,
    SyntaxProblem,
    parse,
    walk,
)
from gate.policy.when_values import ABSENT, ExpressionError, NoSuchValue, OwnMap, lifted

MAX_WORK = 50_000
"""Steps one evaluation may take; a step is about one comparison or 64 characters looked at."""
MAX_PATTERN = 512

VARIABLES: Mapping[str, frozenset[str] | None] = {
    "payload": None,
    "labels": None,
    "context": frozenset(
        [
            "workflow",
            "run_id",
            "step",
            "trigger",
            "original_request",
            "model",
            "prompt_version",
            "sources",
            "policy_flags",
            "upstream",
        ]
    ),
    "agent": frozenset({"id", "name", "team", "owner"}),
    "facts": frozenset(
        [
            "risk",
            "risk_tags",
            "confidence",
            "anomaly_score",
            "amount_usd",
            "affected_users",
            "retry_count",
            "first_time",
            "topic",
            "tool",
            "environment",
        ]
    ),
}
"""What an expression may name; where the fields are fixed, an unknown one is refused at load."""


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


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. Calling it with the variables gives its value or raises `ExpressionError`."""

    text: str
    step: Step

    def __call__(self, names: Mapping[str, Any]) -> Any:
        try:
            return self.step(Frame(names))
        except RecursionError:
            raise ExpressionError("nested too deep") from None


def compile_expression(text: str, variables: Mapping[str, frozenset[str] | None] = VARIABLES) -> Expression:
    """Compile once, evaluate often. Raises `SyntaxProblem` with a message for the author."""
    tree = parse(text)
    _check_names(tree, variables)
    return Expression(text, _compiled(tree))


def _check_names(tree: Node, variables: Mapping[str, frozenset[str] | None]) -> None:
    bound = {node.variable for node in walk(tree) if isinstance(node, Macro)}
    if clash := bound & set(variables):
        raise SyntaxProblem(f"'{min(clash)}' is a variable already; give the macro's another name")
    for node in walk(tree):
        if isinstance(node, Name) and node.name not in variables and node.name not in bound:
            raise SyntaxProblem(f"unknown name '{node.name}'{did_you_mean(node.name, variables)}")
        if isinstance(node, Select) and isinstance(node.target, Name):
            fields = variables.get(node.target.name)
            if fields is not None and node.field not in fields:
                hint = did_you_mean(node.field, fields)
                raise SyntaxProblem(f"{node.target.name} has no field '{node.field}'{hint}")
    _check_scopes(tree, frozenset(variables))


def _check_scopes(node: Node, known: frozenset[str]) -> None:
    """A macro's variable exists in its body only."""
    match node:
        case Name(name=name) if name not in known:
            raise SyntaxProblem(f"'{name}' is not known here; it belongs to another macro")
        case Select(target=target):
            _check_scopes(target, known)
        case Index(target=target, index=index):
            _check_scopes(target, known)
            _check_scopes(index, known)
        case ListOf(items=items) | Call(arguments=items):
            for item in items:
                _check_scopes(item, known)
        case MapOf(entries=entries):
            for key, value in entries:
                _check_scopes(key, known)
                _check_scopes(value, known)
        case Condition(test=test, then=then, otherwise=otherwise):
            for part in (test, then, otherwise):
                _check_scopes(part, known)
        case Macro(over=over, variable=variable, body=body, guard=guard):
            _check_scopes(over, known)
            for part in (guard, body):
                if part is not None:
                    _check_scopes(part, known | {variable})
        case _:
            return


def _compiled(node: Node) -> Step:
    match node:
        case Literal(value=value):
            return lambda frame: value
        case Name(name=name):
            return lambda frame: frame.names[name]
        case Select(target=target, field=field, test=test):
            return _has(_compiled(target), field) if test else _select(_compiled(target), field)
        case Index(target=target, index=index):
            return _index(_compiled(target), _compiled(index))
        case ListOf(items=items):
            steps = tuple(_compiled(item) for item in items)
            return lambda frame: tuple(step(frame) for step in steps)
        case MapOf(entries=entries):
            return _map_of(tuple((_compiled(key), _compiled(value)) for key, value in entries))
        case Condition(test=test, then=then, otherwise=otherwise):
            return _condition(_compiled(test), _compiled(then), _compiled(otherwise))
        case Macro():
            return _macro(node)
        case Call(function=function, arguments=arguments):
            return _call(function, arguments)


def _select(target: Step, field: str) -> Step:
    def select(frame: Frame) -> Any:
        holder = target(frame)
        if not isinstance(holder, dict):
            if holder is None:
                raise NoSuchValue(f"no field '{field}': the value before it is null")
            raise ExpressionError(f"no field '{field}' in a {values.kind(holder)}")
        mapping = cast("dict[Any, Any]", holder)
        value = mapping.get(field, ABSENT)
        if value is ABSENT:
            raise NoSuchValue(f"no field '{field}'")
        return value if isinstance(mapping, OwnMap) else lifted(value)

    return select


def _has(target: Step, field: str) -> Step:
    def has(frame: Frame) -> bool:
        holder = target(frame)
        if not isinstance(holder, dict):
            raise ExpressionError(f"has() asks a map, not a {values.kind(holder)}")
        return field in holder

    return has


def _index(target: Step, index: Step) -> Step:
    def at(frame: Frame) -> Any:
        holder, key = target(frame), index(frame)
        if isinstance(holder, dict):
            mapping = cast("dict[Any, Any]", holder)
            if values.kind(key) in ("null", "list", "map"):
                raise ExpressionError("a key is text, a number or a boolean")
            value = values.entry(mapping, key)
            if value is ABSENT:
                raise NoSuchValue(f"no entry {key!r}")
            return value if isinstance(mapping, OwnMap) else lifted(value)
        if isinstance(holder, list | tuple):
            items = cast("list[Any]", holder)
            whole = isinstance(key, float) and key.is_integer()
            if isinstance(key, bool) or not (isinstance(key, int) or whole):
                raise ExpressionError("a list is indexed by a whole number")
            if not 0 <= key < len(items):
                raise NoSuchValue(f"no item {int(key)} in a list of {len(items)}")
            value = items[int(key)]
            return value if isinstance(holder, tuple) else lifted(value)
        if holder is None:
            raise NoSuchValue("null has no entries")
        raise ExpressionError(f"a {values.kind(holder)} has no entries")

    return at


def _map_of(entries: tuple[tuple[Step, Step], ...]) -> Step:
    def build(frame: Frame) -> OwnMap:
        made = OwnMap()
        for key_of, value_of in entries:
            key = key_of(frame)
            if values.kind(key) not in ("string", "int", "bool"):
                raise ExpressionError("a key is text, an integer or a boolean")
            if key in made:
                raise ExpressionError(f"the key {key!r} stands twice")
            made[key] = value_of(frame)
        return made

    return build


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return value
    if value is None:
        raise NoSuchValue("expected true or false, found null")
    raise ExpressionError(f"expected true or false, found {values.kind(value)}")


def _condition(test: Step, then: Step, otherwise: Step) -> Step:
    return lambda frame: then(frame) if _truth(test(frame)) else otherwise(frame)


def _worse(first: ExpressionError, second: ExpressionError) -> ExpressionError:
    """Of two errors the one that is more than a missing value."""
    return second if isinstance(first, NoSuchValue) else first


def _either(left: Step, right: Step, deciding: bool) -> Step:
    """`||` where `deciding` is true, `&&` where it is false."""

    def either(frame: Frame) -> bool:
        try:
            if _truth(left(frame)) is deciding:
                return deciding
        except ExpressionError as first:
            try:
                if _truth(right(frame)) is deciding:
                    return deciding
            except ExpressionError as second:
                raise _worse(first, second) from None
            raise
        return _truth(right(frame))

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


def _call(function: str, arguments: tuple[Node, ...]) -> Step:
    if function == "matches":
        return _matches(_compiled(arguments[0]), arguments[1])
    steps = tuple(_compiled(argument) for argument in arguments)
    first = steps[0]
    if function in ("&&", "||"):
        return _either(first, steps[1], function == "||")
    if function == "!":
        return lambda frame: not _truth(first(frame))
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


def _matches(first: Step, pattern: Node) -> Step:
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        raise SyntaxProblem("matches() takes a pattern written as a plain string")
    compiled = compile_pattern(pattern.value)

    def matches(frame: Frame) -> bool:
        text = _text(first(frame), "matches")
        frame.spend(1 + len(text) // 16)
        return compiled.search(text) is not None

    return matches


def compile_pattern(pattern: str) -> Any:
    """An RE2 pattern (linear time) of at most `MAX_PATTERN` characters. Raises `SyntaxProblem`."""
    if len(pattern) > MAX_PATTERN:
        raise SyntaxProblem(f"a pattern may have {MAX_PATTERN} characters, this one has {len(pattern)}")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise SyntaxProblem(f"the pattern '{pattern}' is not RE2: {error}") from None


def _size(value: Any) -> int:
    if isinstance(value, str | list | tuple | dict):
        return len(cast("str | list[Any]", value))
    if value is None:
        raise NoSuchValue("size() of null")
    raise ExpressionError(f"size() does not take {values.kind(value)}")


def _items(holder: Any) -> list[Any]:
    if isinstance(holder, dict):
        return list(cast("dict[Any, Any]", holder))
    if isinstance(holder, list | tuple):
        return [*values.owned(cast("list[Any]", holder))]
    if holder is None:
        raise NoSuchValue("a macro goes over a list or map, found null")
    raise ExpressionError(f"a macro goes over a list or map, not a {values.kind(holder)}")


def _macro(node: Macro) -> Step:
    over, name = _compiled(node.over), node.variable
    body = _compiled(node.body)
    guard = _compiled(node.guard) if node.guard is not None else None
    weight = 1 + sum(1 for _ in walk(node.body)) // 4

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
                if _truth(within(body, frame, item)) is deciding:
                    return deciding
            except ExpressionError as error:
                trouble = error if trouble is None else _worse(trouble, error)
        if trouble is not None:
            raise trouble
        return not deciding

    def kept(frame: Frame) -> tuple[Any, ...]:
        return tuple(item for item in each(frame) if _truth(within(body, frame, item)))

    def mapped(frame: Frame) -> tuple[Any, ...]:
        return tuple(
            within(body, frame, item)
            for item in each(frame)
            if guard is None or _truth(within(guard, frame, item))
        )

    match node.kind:
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


def is_finite_number(value: Any) -> bool:
    """Whether a value can serve as a derived fact."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
