"""Which JSON Schemas may describe a payload: valid draft 2020-12, self-contained and finite to evaluate.

The draft's own schema is written as a model here, because checking a large schema against it in pure Python
takes long enough to hold up every other request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, cast

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from gate.contract.fields import Json
from gate.contract.problem import FieldError

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The one dialect taken; `$schema` may be left out."""

MAX_PROBLEMS = 20

_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("$defs", "definitions", "properties", "patternProperties", "dependentSchemas")
_SINGLE = (
    *("items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems"),
    *("unevaluatedProperties", "contentSchema", "if", "then", "else", "not"),
)
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE_SINGLE = ("if", "then", "else", "not")
_REFERENCES = ("$ref", "$dynamicRef")


def problems(schema: Mapping[str, Json], *, at: str = "") -> tuple[FieldError, ...]:
    """Why this is no schema a payload may have, at most `MAX_PROBLEMS` reasons; empty where it is one.

    Codes: `invalid_schema` (not draft 2020-12), `schema_dialect` (names another draft), `remote_ref` (points
    outside), `unresolved_ref` (points at nothing), `nested_id` (renames a part), `endless_ref` (would be
    evaluated for ever). `at` is the JSON pointer of the schema itself. Whole numbers are to be written without
    a fraction (`2`, not `2.0`).
    """
    if schema.get("$schema", DIALECT) not in (DIALECT, f"{DIALECT}#"):
        return (_error(at, "schema_dialect", "Must be JSON Schema draft 2020-12"),)
    try:
        _DRAFT.validate_python(schema)
    except ValidationError as invalid:
        return tuple(
            _error(at + pointer(error["loc"]), "invalid_schema", error["msg"])
            for error in invalid.errors(include_url=False, include_input=False)[:MAX_PROBLEMS]
        )
    return tuple(_reference_problems(schema, at))[:MAX_PROBLEMS]


def subschemas(schema: Mapping[str, Json], *, at: str = "") -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Every schema inside a valid schema, itself first, with its JSON pointer; booleans are left out."""
    waiting: list[tuple[str, Json]] = [(at, schema)]
    while waiting:
        where, found = waiting.pop()
        if not isinstance(found, Mapping):
            continue
        node = cast(Mapping[str, Json], found)
        yield where, node
        for name in _LISTS:
            waiting.extend((f"{where}/{name}/{index}", item) for index, item in enumerate(node.get(name, ())))
        for name in _MAPS:
            waiting.extend(
                (f"{where}/{name}{pointer((key,))}", item) for key, item in node.get(name, {}).items()
            )
        waiting.extend((f"{where}/{name}", node[name]) for name in _SINGLE if name in node)


def pointer(parts: tuple[int | str, ...]) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _reference_problems(schema: Mapping[str, Json], at: str) -> Iterator[FieldError]:
    known = dict(subschemas(schema))
    anchors = {
        str(node[name]): where
        for where, node in known.items()
        for name in ("$anchor", "$dynamicAnchor")
        if name in node
    }
    steps: dict[str, list[str]] = {}
    for where, node in known.items():
        if where and "$id" in node:
            yield _error(f"{at}{where}/$id", "nested_id", "Only the whole schema may have an $id")
        steps[where] = list(_in_place(where, node))
        for name in _REFERENCES:
            if name not in node:
                continue
            target = str(node[name])
            if not target.startswith("#"):
                yield _error(
                    f"{at}{where}/{name}", "remote_ref", "Must point into this schema (start with #)"
                )
                continue
            fragment = target[1:]
            resolved = fragment if fragment.startswith("/") or not fragment else anchors.get(fragment)
            if resolved is None or "%" in resolved or not _stands(schema, resolved):
                yield _error(f"{at}{where}/{name}", "unresolved_ref", "Points at nothing in this schema")
            else:
                steps[where].append(resolved)
    turning = _first_on_a_circle(steps)
    if turning is not None:
        yield _error(
            f"{at}{turning}", "endless_ref", "Refers back to itself without descending into the payload"
        )


def _in_place(where: str, node: Mapping[str, Json]) -> Iterator[str]:
    """The subschemas that judge the same value again instead of a part of it."""
    for name in _IN_PLACE_LISTS:
        yield from (f"{where}/{name}/{index}" for index in range(len(node.get(name, ()))))
    yield from (f"{where}/dependentSchemas{pointer((key,))}" for key in node.get("dependentSchemas", {}))
    yield from (f"{where}/{name}" for name in _IN_PLACE_SINGLE if name in node)


def _stands(schema: Json, where: str) -> bool:
    """Whether a schema stands at this pointer."""
    found = schema
    for part in where.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = cast(Mapping[str, Json], found)[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(cast(list[Json], found)):
            found = cast(list[Json], found)[int(name)]
        else:
            return False
    return isinstance(found, Mapping | bool)


def _first_on_a_circle(steps: Mapping[str, list[str]]) -> str | None:
    """A node that can be reached from itself, found without recursion."""
    finished: set[str] = set()
    for start in steps:
        path: dict[str, Iterator[str]] = {start: iter(steps[start])}
        while path:
            here = next(reversed(path))
            following = next(path[here], None)
            if following is None:
                finished.add(here)
                del path[here]
            elif following in path:
                return following
            elif following not in finished:
                path[following] = iter(steps.get(following, ()))
    return None


def _error(where: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=where, code=code, detail=detail)


def _true_as_empty(value: Json) -> Json:
    """`true` and `false` are schemas without anything inside to check."""
    return {} if isinstance(value, bool) else value


def _kinds(value: Json) -> Json:
    """The value of `type`: one name, or several different ones."""
    names = cast(list[Json], value) if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name in _KINDS for name in names):
        raise PydanticCustomError("type", "Must be a JSON type or a list of them")
    _each_once(cast(list[str], names))
    return value


def _each_once(items: list[str]) -> list[str]:
    if len(set(items)) != len(items):
        raise PydanticCustomError("unique", "Must not name anything twice")
    return items


_KINDS = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_Kinds = Annotated[Json, AfterValidator(_kinds)]
_Names = Annotated[list[str], AfterValidator(_each_once)]
_Size = Annotated[int, Field(ge=0)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Sub = Annotated["_Schema", BeforeValidator(_true_as_empty)]
_Subs = Annotated[list[_Sub], Field(min_length=1)]
_Named = dict[str, _Sub]
_Anchor = Annotated[str, Field(pattern=r"^[A-Za-z_][-A-Za-z0-9._]*$")]

_Schema = TypedDict(
    "_Schema",
    {
        "$id": str,
        "$schema": str,
        "$anchor": _Anchor,
        "$dynamicAnchor": _Anchor,
        "$ref": str,
        "$dynamicRef": str,
        "$comment": str,
        "$vocabulary": dict[str, bool],
        "$defs": _Named,
        "definitions": _Named,
        "prefixItems": _Subs,
        "items": _Sub,
        "contains": _Sub,
        "additionalProperties": _Sub,
        "properties": _Named,
        "patternProperties": _Named,
        "dependentSchemas": _Named,
        "propertyNames": _Sub,
        "if": _Sub,
        "then": _Sub,
        "else": _Sub,
        "not": _Sub,
        "allOf": _Subs,
        "anyOf": _Subs,
        "oneOf": _Subs,
        "unevaluatedItems": _Sub,
        "unevaluatedProperties": _Sub,
        "type": _Kinds,
        "enum": list[Json],
        "multipleOf": Annotated[_Number, Field(gt=0)],
        "maximum": _Number,
        "exclusiveMaximum": _Number,
        "minimum": _Number,
        "exclusiveMinimum": _Number,
        "maxLength": _Size,
        "minLength": _Size,
        "pattern": str,
        "maxItems": _Size,
        "minItems": _Size,
        "uniqueItems": bool,
        "maxContains": _Size,
        "minContains": _Size,
        "maxProperties": _Size,
        "minProperties": _Size,
        "required": _Names,
        "dependentRequired": dict[str, _Names],
        "title": str,
        "description": str,
        "deprecated": bool,
        "readOnly": bool,
        "writeOnly": bool,
        "examples": list[Json],
        "format": str,
        "contentEncoding": str,
        "contentMediaType": str,
        "contentSchema": _Sub,
    },
    total=False,
)
# Keywords nobody defined are allowed, as the draft says; null is a value of none of these.
_Schema.__pydantic_config__ = ConfigDict(strict=True, extra="allow")  # pyright: ignore[reportAttributeAccessIssue]

_DRAFT: TypeAdapter[Mapping[str, Json]] = TypeAdapter(_Schema)
