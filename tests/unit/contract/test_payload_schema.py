"""Schemas of payloads: valid by the draft, pointing inwards only, and never endless."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from gate.contract.payload_schema import problems
from gate.contract.proposal import ActionIn
from gate.usecases.proposal import schema_problems

KEYWORDS = [
    "type", "enum", "const", "properties", "patternProperties", "additionalProperties", "required", "items",
    "prefixItems", "contains", "minItems", "maxLength", "minimum", "multipleOf", "uniqueItems", "allOf", "anyOf",
    "oneOf", "not", "if", "then", "$defs", "title", "description", "default", "examples", "readOnly", "format",
    "dependentRequired", "dependentSchemas", "propertyNames", "unevaluatedProperties", "$comment", "x-mine",
    "minContains", "exclusiveMaximum", "contentSchema", "$anchor", "pattern",
]  # fmt: skip
SCALARS = st.sampled_from(
    [None, True, False, 0, 1, -1, 0.5, "", "a", "string", "object", "integer", "a.b", "1a"]
)
SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(st.sampled_from(["string", "null", "a"]), max_size=3)
        | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYWORDS), SCHEMAS, max_size=5))
def test_validity_is_that_of_the_drafts_own_schema(schema: dict[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(schema)
        valid = True
    except SchemaError:
        valid = False
    assert (problems(schema) == ()) == valid


@pytest.mark.parametrize(
    ("schema", "pointer", "code"),
    [
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "", "schema_dialect"),
        ({"type": "strin"}, "/type", "invalid_schema"),
        ({"properties": {"a/b": {"maxLength": -1}}}, "/properties/a~1b/maxLength", "invalid_schema"),
        ({"required": ["a", "a"]}, "/required", "invalid_schema"),
        ({"title": None}, "/title", "invalid_schema"),
        ({"$ref": "https://example.com/schema"}, "/$ref", "remote_ref"),
        ({"items": {"$ref": "other.json#/a"}}, "/items/$ref", "remote_ref"),
        ({"$dynamicRef": "//example.com"}, "/$dynamicRef", "remote_ref"),
        ({"$ref": "#/$defs/none"}, "/$ref", "unresolved_ref"),
        ({"$ref": "#none"}, "/$ref", "unresolved_ref"),
        ({"$ref": "#/title", "title": "x"}, "/$ref", "unresolved_ref"),
        ({"items": {"$id": "https://example.com/"}}, "/items/$id", "nested_id"),
        ({"$ref": "#"}, "", "endless_ref"),
        ({"allOf": [{"$ref": "#"}]}, "", "endless_ref"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}, "/$defs/a", "endless_ref"),
    ],
    ids=str,
)
def test_what_is_refused_is_pointed_at(schema: dict[str, Any], pointer: str, code: str) -> None:
    """Reading a schema fetches nothing (threat 25) and ends (threat 18)."""
    (found,) = problems(schema)
    assert (found.pointer, found.code) == (pointer, code)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/me"},
        {"properties": {"child": {"$ref": "#"}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}},
        {"$ref": "#me", "$defs": {"a": {"$anchor": "me"}}},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": True}},
        {"properties": {"$ref": {"type": "string"}}},
        {"const": {"$ref": "https://example.com/only-a-value"}},
        {"enum": [{"$ref": "#/nowhere"}]},
        {"x-widget": {"anything": [None]}},
    ],
    ids=str,
)
def test_what_is_taken(schema: dict[str, Any]) -> None:
    assert problems(schema) == ()


def test_patterns_are_those_that_cannot_explode() -> None:
    """Threat 20: an edit is checked against these patterns later, so they are RE2."""
    body = ActionIn(
        topic="a.b",
        summary="s",
        payload={},
        payload_schema={
            "properties": {
                "a": {"pattern": "(a+)+$"},
                "b": {"pattern": "(?=x)"},
                "pattern": {"type": "string"},
            },
            "patternProperties": {"(": {}, "^x-": {}},
        },
    )
    assert {(p.pointer, p.code) for p in schema_problems(body)} == {
        ("/payload_schema/properties/b/pattern", "invalid_pattern"),
        ("/payload_schema/patternProperties/(", "invalid_pattern"),
    }


def test_problems_are_few_however_many_there_are() -> None:
    assert len(problems({"properties": {f"p{n}": {"type": "x"} for n in range(5000)}})) == 20
    assert len(problems({"properties": {f"p{n}": {"$ref": "x"} for n in range(5000)}})) == 20
