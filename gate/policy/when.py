"""Expressions compiled to closures with a bound on their work; how they are written is `when_syntax`'s business.

An expression sees `payload, labels, context, agent, facts` and nothing else; it has no clock and no I/O. `&&` and
`||` absorb the error of one side where the other decides, as in CEL.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from gate.policy import when_values as values
from gate.policy.documents import did_you_mean
from gate.policy.patterns import PatternProblem
from gate.policy.when_calls import call, matches_of
from gate.policy.when_frame import Frame, Step, truth
from gate.policy.when_macros import macro
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
            guard = _compiled(node.guard) if node.guard is not None else None
            weight = 1 + sum(1 for _ in walk(node.body)) // 4
            return macro(node.kind, node.variable, _compiled(node.over), _compiled(node.body), guard, weight)
        case Call(function="matches", arguments=(text, Literal(value=str(pattern)))):
            try:
                return matches_of(_compiled(text), pattern)
            except PatternProblem as problem:
                raise SyntaxProblem(str(problem)) from None
        case Call(function="matches"):
            raise SyntaxProblem("matches() takes a pattern written as a plain string")
        case Call(function=function, arguments=arguments):
            return call(function, tuple(_compiled(argument) for argument in arguments))


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


def _condition(test: Step, then: Step, otherwise: Step) -> Step:
    return lambda frame: then(frame) if truth(test(frame)) else otherwise(frame)


def is_finite_number(value: Any) -> bool:
    """Whether a value can serve as a derived fact."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
