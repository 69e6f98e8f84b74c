"""The JSON Schema of a policy document for editors, made from the grammar; checking documents is the parser's."""

from __future__ import annotations

from typing import Any

from gate.policy.parse import PolicyText

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """A draft 2020-12 schema. An editor accepts at most what the loader accepts; the loader checks more."""
    schema = PolicyText.model_json_schema(by_alias=True)
    return {
        "$schema": DIALECT,
        "title": "Signoff policy document, v1",
        **{key: value for key, value in schema.items() if key != "title"},
    }
