"""From the OpenAPI document to what the page shows: words for schemas, rows for fields, a command to try."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gate.contract.fields import ANY_TEXT, TEXT

Schema = Mapping[str, Any]

_KNOWN_PATTERNS = {TEXT: "not blank, no control characters", ANY_TEXT: "no control characters"}
"""Patterns that say less to a reader than words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One field or parameter. `models` are the named schemas its type mentions."""

    name: str
    kind: str
    bounds: str
    required: bool
    words: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """One answer; `codes` are the error codes it may carry."""

    status: str
    words: str
    model: str | None
    codes: tuple[str, ...]
    headers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One endpoint as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    words: str
    scopes: tuple[str, ...]
    parameters: tuple[Row, ...]
    body: str | None
    command: str
    replies: tuple[Reply, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Endpoints of one tag."""

    name: str
    words: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A named schema."""

    name: str
    words: str
    rows: tuple[Row, ...]
    example: str


def groups(document: Schema) -> tuple[Group, ...]:
    """The endpoints by tag, in the order of the document."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(_operation(document, path, method, operation))
    words = {tag["name"]: tag["description"] for tag in document["tags"]}
    return tuple(
        Group(name=name, words=words[name], operations=tuple(operations))
        for name, operations in found.items()
        if operations
    )


def models(document: Schema) -> tuple[Model, ...]:
    """The named schemas by name."""
    return tuple(
        Model(
            name=name,
            words=schema.get("description", ""),
            rows=tuple(_rows(schema)),
            example=_pretty(schema["examples"][0]) if schema.get("examples") else "",
        )
        for name, schema in document["components"]["schemas"].items()
    )


def _operation(document: Schema, path: str, method: str, operation: Schema) -> Operation:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = None if content is None else _named(content["schema"])
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        words=operation.get("description", ""),
        scopes=tuple(operation.get("x-scopes", ())),
        parameters=tuple(_parameter(parameter) for parameter in operation.get("parameters", ())),
        body=body,
        command=_command(document, path, method.upper(), operation, body),
        replies=tuple(_reply(status, reply) for status, reply in operation["responses"].items()),
    )


def _parameter(parameter: Schema) -> Row:
    where = {"path": "in the path", "query": "query", "header": "header"}[parameter["in"]]
    schema = parameter["schema"]
    return Row(
        name=parameter["name"],
        kind=where,
        bounds=", ".join([*_kinds(schema), *_bounds(schema)]),
        required=parameter.get("required", False),
        words=parameter.get("description", ""),
    )


def _reply(status: str, reply: Schema) -> Reply:
    named = [_named(media["schema"]) for media in reply.get("content", {}).values()]
    codes = tuple(reply.get("x-codes", ()))
    return Reply(
        status=status,
        words="" if codes else reply["description"],
        model=next((name for name in named if name), None),
        codes=codes,
        headers=tuple(reply.get("headers", ())),
    )


def _command(document: Schema, path: str, method: str, operation: Schema, body: str | None) -> str:
    """A shell command that tries the endpoint."""
    lines = ["curl -sS" + ("" if method == "GET" else f" -X {method}") + f' "$SIGNOFF{path}"']
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            lines[0] = lines[0].replace(f"{{{parameter['name']}}}", f"${parameter['name'].upper()}")
    if operation["security"]:
        lines.append('-H "Authorization: Bearer $KEY"')
    if body is not None:
        lines.append("-H 'Content-Type: application/json'")
        examples = document["components"]["schemas"][body].get("examples") or [{}]
        quoted = _pretty(examples[0]).replace("'", "'\\''")
        lines.append(f"-d '{quoted}'")
    return " \\\n  ".join(lines)


def _rows(schema: Schema) -> Iterator[Row]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield Row(
            name=name,
            kind=" or ".join(_kinds(field)),
            bounds=", ".join(_bounds(field)),
            required=name in required,
            words=field.get("description", ""),
            models=tuple(dict.fromkeys(_mentioned(field))),
        )


def _kinds(schema: Schema) -> Sequence[str]:
    """The types a schema takes, in words."""
    if (named := _named(schema)) is not None:
        return [named]
    if "anyOf" in schema:
        return [word for part in schema["anyOf"] for word in _kinds(part)]
    if "enum" in schema:
        return [json.dumps(value) for value in schema["enum"]]
    if "const" in schema:
        return [json.dumps(schema["const"])]
    kind = schema.get("type", "any value")
    if kind == "array":
        return [f"list of {' or '.join(_kinds(schema.get('items', {})))}"]
    return [kind]


def _bounds(schema: Schema) -> Sequence[str]:
    """What else a value must keep to, in words."""
    parts = schema.get("anyOf", [schema])
    found: list[str] = []
    for part in parts:
        if "maxLength" in part:
            found.append(f"at most {part['maxLength']:,} characters")
        if "maxItems" in part:
            found.append(f"at most {part['maxItems']}")
        if "maxProperties" in part:
            found.append(f"at most {part['maxProperties']} keys")
        if "minimum" in part and "maximum" in part:
            found.append(f"{part['minimum']:,} to {part['maximum']:,}")
        elif "minimum" in part:
            found.append(f"at least {part['minimum']:,}")
        if "pattern" in part:
            found.append(_KNOWN_PATTERNS.get(part["pattern"], f"`{part['pattern']}`"))
        if "format" in part:
            found.append(part["format"])
    default = schema.get("default")
    if default not in (None, [], {}):
        found.append(f"default {json.dumps(default)}")
    return found


def _mentioned(schema: Schema) -> Iterator[str]:
    named = _named(schema)
    if named is not None:
        yield named
    for part in schema.get("anyOf", ()):
        yield from _mentioned(part)
    if "items" in schema:
        yield from _mentioned(schema["items"])


def _named(schema: Schema) -> str | None:
    target = schema.get("$ref")
    return None if target is None else str(target).rpartition("/")[2]


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
