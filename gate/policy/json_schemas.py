"""Checks values against JSON Schemas at bounded cost: no remote references, RE2 patterns, a step budget.

Schemas may come from an agent, so everything a schema can make expensive is bounded. What a failure means is the
caller's business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry

from gate.policy.patterns import PatternProblem, searcher

MAX_SCHEMA_CHARACTERS = 65_536
MAX_STEPS = 20_000
MAX_ERRORS = 20

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


class SchemaProblem(ValueError):
    """A schema that is not one, or that asks for more than is allowed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mismatch:
    """One place where a value does not fit. `code` is the JSON Schema keyword."""

    pointer: str
    code: str
    sentence: str


class _TooMuch(Exception):
    pass


_steps: ContextVar[list[int] | None] = ContextVar("schema_steps", default=None)


def _counted(keyword: Keyword) -> Keyword:
    def run(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        left = _steps.get()
        if left is not None:
            left[0] -= 1
            if left[0] < 0:
                raise _TooMuch
        yield from keyword(validator, value, instance, schema) or ()

    return run


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not searcher(pattern)(instance):
        yield ValidationError("is not of the required form")


def _pattern_properties(
    validator: Any, patterns: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, inner in patterns.items():
        matches = searcher(pattern)
        for key, value in cast("dict[str, Any]", instance).items():
            if matches(key):
                yield from validator.descend(value, inner, path=key, schema_path=pattern)


def _additional(validator: Any, extra: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known = schema.get("properties", {})
    patterns = [searcher(pattern) for pattern in schema.get("patternProperties", {})]
    for key, value in cast("dict[str, Any]", instance).items():
        if key in known or any(matches(key) for matches in patterns):
            continue
        if extra is False:
            yield ValidationError("is not expected here", path=[key])
        else:
            yield from validator.descend(value, extra, path=key)


def _unique(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list):
        items = cast("list[Any]", instance)
        seen = {json.dumps(item, sort_keys=True) for item in items}
        if len(seen) < len(items):
            yield ValidationError("holds the same item twice")


_OVERRIDES: dict[str, Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "uniqueItems": _unique,
}
_REFUSED = (
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$id",
    "unevaluatedProperties",
    "unevaluatedItems",
)
_Bounded: Any = cast("Any", validators).extend(
    Draft202012Validator,
    {
        word: _counted(_OVERRIDES.get(word, cast("Keyword", keyword)))
        for word, keyword in cast("dict[str, Any]", Draft202012Validator.VALIDATORS).items()
    },
)


class Schema:
    """A checked schema, ready to be held against values."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises `SchemaProblem` for what is no schema of draft 2020-12, is too large or refers elsewhere."""
        text = json.dumps(schema)
        if len(text) > MAX_SCHEMA_CHARACTERS:
            raise SchemaProblem(f"the schema is over {MAX_SCHEMA_CHARACTERS // 1024} KiB")
        plain: dict[str, Any] = json.loads(text)
        _refuse(plain, 0)
        try:
            Draft202012Validator.check_schema(plain)
        except SchemaError as error:
            where = "/".join(str(step) for step in error.absolute_path)
            raise SchemaProblem(f"not a JSON Schema: at '{where}': {error.message[:200]}") from None
        except RecursionError:
            raise SchemaProblem("the schema is nested too deep") from None
        self._validator: Any = _Bounded(plain, registry=cast("Any", Registry)())

    def mismatches(self, value: Any) -> tuple[Mismatch, ...]:
        """Where a value does not fit, at most `MAX_ERRORS` of them; one with code `cost` where checking is too much."""
        token = _steps.set([MAX_STEPS])
        try:
            found: list[Mismatch] = []
            for error in self._validator.iter_errors(value):
                found.append(_mismatch(error))
                if len(found) >= MAX_ERRORS:
                    break
            return tuple(found)
        except (_TooMuch, RecursionError):
            return (Mismatch(pointer="", code="cost", sentence="the schema takes too much work to check"),)
        except Exception as error:
            sentence = f"the schema cannot be applied: {type(error).__name__}"
            return (Mismatch(pointer="", code="schema", sentence=sentence),)
        finally:
            _steps.reset(token)


def _refuse(node: Any, depth: int) -> None:
    if depth > 40:
        raise SchemaProblem("the schema is nested too deep")
    if isinstance(node, dict):
        mapping = cast("dict[str, Any]", node)
        for word in _REFUSED:
            if word in mapping and isinstance(mapping[word], str | bool | dict):
                raise SchemaProblem(f"'{word}' is not supported")
        reference = mapping.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise SchemaProblem(
                f"'$ref' to '{reference[:80]}': only references within the schema are followed"
            )
        patterns = [mapping.get("pattern"), *_dict(mapping.get("patternProperties"))]
        for pattern in patterns:
            if isinstance(pattern, str):
                try:
                    searcher(pattern)
                except PatternProblem as error:
                    raise SchemaProblem(str(error)) from None
        for item in mapping.values():
            _refuse(item, depth + 1)
    elif isinstance(node, list):
        for item in cast("list[Any]", node):
            _refuse(item, depth + 1)


def _dict(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def pointer_of(path: Any) -> str:
    """A JSON pointer (RFC 6901) of a path of keys and indexes."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _mismatch(error: ValidationError) -> Mismatch:
    code = str(error.validator)
    limit: Any = error.validator_value
    pointer = pointer_of(error.absolute_path)
    match code:
        case "required":
            missing = str(error.message).split("'")[1] if "'" in str(error.message) else ""
            pointer, sentence = f"{pointer}{pointer_of([missing])}", "is required"
        case "type":
            kinds = " or ".join(cast("list[str]", limit)) if isinstance(limit, list) else str(limit)
            sentence = f"must be of type {kinds}"
        case "enum":
            choices = ", ".join(json.dumps(choice) for choice in cast("list[Any]", limit)[:10])
            sentence = f"must be one of {choices}"
        case "const":
            sentence = f"must be {json.dumps(limit)[:100]}"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            word = {
                "minimum": "at least",
                "maximum": "at most",
                "exclusiveMinimum": "more than",
                "exclusiveMaximum": "less than",
            }[code]
            sentence = f"must be {word} {limit}"
        case "minLength" | "maxLength":
            sentence = f"must have at {'least' if code == 'minLength' else 'most'} {limit} characters"
        case "minItems" | "maxItems":
            sentence = f"must have at {'least' if code == 'minItems' else 'most'} {limit} items"
        case "pattern":
            sentence = f"is not of the form {limit}"
        case "None" | "additionalProperties":
            code, sentence = "additionalProperties", "is not expected here"
        case _:
            sentence = f"does not fit the schema's {code}"
    return Mismatch(pointer=pointer, code=code, sentence=sentence)
