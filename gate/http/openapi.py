"""The OpenAPI 3.1 document, made from the endpoints and the contract models; nothing in it is written twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gate.contract.problem import CODES, PROBLEM_TYPE, Problem
from gate.http.endpoint import Endpoint, Header, Link, Says

_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_PATH_WORDS = {
    "id": ("An action's id", "act_06e1k5xq3ta2vz0c"),
    "digest": ("A policy set's digest", "sha256:4f0c…"),
}
_HEADERS = {
    "Location": "Where to ask again",
    "Retry-After": "Seconds after which asking again makes sense",
    "Preference-Applied": "`wait=N`, where a preferred wait was honoured",
    "Idempotency-Replayed": "`true` where the same key and body made this action before",
    "Signoff-Joined": "`true` where the proposal equals a pending one of the same agent, which is the answer",
    "Signoff-Grant": "`awaiting-checkpoint` where the action is released, and its grant is there once a checkpoint "
    "covers the record of that",
    "WWW-Authenticate": "How to authenticate",
    "X-Request-Id": "Names this request in the gate's log",
}
_DOOR = (
    "invalid_json",
    "not_utf8",
    "byte_order_mark",
    "duplicate_key",
    "not_finite",
    "number_too_large",
    "unsafe_integer",
    "lone_surrogate",
    "too_deep",
)
_INTRODUCTION = f"""\
Agents propose actions; policy decides; where a person must decide, the right people are asked in Slack; only then
is a signed, single-use grant released to whoever executes the action.

Everything below `/v1` asks for a key: `Authorization: Bearer <key>`. Errors are `{PROBLEM_TYPE}` (RFC 9457)
with a stable `code`. Times are RFC 3339 in UTC. Bodies are strict JSON of at most 256 KiB: duplicate keys, NaN,
lone surrogates, integers outside ±(2^53-1) and more than 64 levels are refused.
"""
_TAGS = {
    "Propose": "For agents: propose an action, and learn what was decided.",
    "Execute": "For executors: redeem a grant right before acting, and report what came of it.",
    "Govern": "For governance: policy, dry runs and the audit record.",
    "Operate": "For whoever runs the gate.",
    "Describe": "This description.",
}


def document(endpoints: Sequence[Endpoint], *, version: str) -> dict[str, Any]:
    """The whole document, as JSON values."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Signoff",
            "version": version,
            "summary": "The gate that AI agents cannot walk around, and that people run from Slack.",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": words} for name, words in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(endpoints),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key of `gate agents add`"}
            },
        },
    }


def codes(endpoint: Endpoint) -> tuple[str, ...]:
    """Every error code this endpoint can answer with, by status."""
    found: list[str] = list(endpoint.problems)
    if _PARAMETER.search(endpoint.path) is not None:
        found.append("not_found")
    if endpoint.body is not None:
        found += [*_DOOR, "body_too_large", "body_timeout", "unsupported_media_type", "invalid_field"]
    if endpoint.query is not None:
        found.append("invalid_query")
    if endpoint.scopes is not None:
        found += ["unauthenticated", "missing_scope", "too_many_requests", "store_unavailable"]
    found.append("internal_error")
    return tuple(sorted(dict.fromkeys(found), key=lambda code: (CODES[code].status, found.index(code))))


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.operation,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if parameters := [
        *_path_parameters(endpoint),
        *_query_parameters(endpoint),
        *_header_parameters(endpoint),
    ]:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {"application/json": {"schema": _ref(endpoint.body)}},
        }
    responses: dict[str, Any] = {str(says.status): _response(says) for says in endpoint.answers}
    for status, status_codes in _by_status(codes(endpoint)).items():
        responses.setdefault(str(status), _problem_response(status, status_codes))
    operation["responses"] = responses
    if endpoint.scopes is None:
        operation["security"] = []
    else:
        operation["security"] = [{"key": []}]
        operation["x-scopes"] = sorted(endpoint.scopes)
    return operation


def _path_parameters(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    for name in _PARAMETER.findall(endpoint.path):
        words, example = _PATH_WORDS[name]
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": words,
            "schema": {"type": "string"},
            "example": example,
        }


def _query_parameters(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    if endpoint.query is None:
        return
    schema = endpoint.query.model_json_schema(mode="validation")
    for name, prop in schema["properties"].items():
        words = prop.pop("description", None)
        prop.pop("title", None)
        parameter: dict[str, Any] = {"name": name, "in": "query", "schema": _without_null(prop)}
        if name in schema.get("required", ()):
            parameter["required"] = True
        if words:
            parameter["description"] = words
        yield parameter


def _without_null(prop: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is left out, never null."""
    kinds = [kind for kind in prop.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return prop
    rest = {key: value for key, value in prop.items() if key != "anyOf" and value is not None}
    return {**kinds[0], **rest}


def _header_parameters(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    for header in endpoint.request_headers:
        yield _header_parameter(header)


def _header_parameter(header: Header) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if header.pattern:
        schema["pattern"] = header.pattern
    return {"name": header.name, "in": "header", "description": header.description, "schema": schema}


def _response(says: Says) -> dict[str, Any]:
    response: dict[str, Any] = {"description": says.description}
    if says.headers:
        response["headers"] = {
            name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in says.headers
        }
    if says.model is not None:
        response["content"] = {says.media: {"schema": _ref(says.model)}}
    elif says.status != 204:
        kind = {"type": "object"} if says.media == "application/json" else {"type": "string"}
        response["content"] = {says.media: {"schema": kind}}
    if says.links:
        response["links"] = {link.name: _link(link) for link in says.links}
    return response


def _link(link: Link) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": link.operation, "description": link.description}
    if link.parameters:
        described["parameters"] = dict(link.parameters)
    if link.body is not None:
        described["requestBody"] = dict(link.body)
    return described


def _problem_response(status: int, status_codes: Sequence[str]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"`{code}`: {CODES[code].meaning.rstrip('.')}" for code in status_codes),
        "content": {PROBLEM_TYPE: {"schema": _ref(Problem)}},
        "x-codes": list(status_codes),
    }


def _by_status(found: Iterable[str]) -> dict[int, list[str]]:
    grouped: dict[int, list[str]] = {}
    for code in found:
        grouped.setdefault(CODES[code].status, []).append(code)
    return grouped


def _schemas(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    sent = {endpoint.body for endpoint in endpoints if endpoint.body is not None}
    received: set[type[BaseModel]] = {Problem}
    for endpoint in endpoints:
        received |= {says.model for says in endpoint.answers if says.model is not None}
    wanted = [(model, "validation") for model in sorted(sent, key=lambda m: m.__name__)]
    wanted += [(model, "serialization") for model in sorted(received, key=lambda m: m.__name__)]
    _, schema = models_json_schema(wanted, ref_template=_REF)  # pyright: ignore[reportArgumentType]
    return dict(sorted(schema["$defs"].items()))


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}
