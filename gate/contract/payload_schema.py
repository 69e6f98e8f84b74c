"""Which JSON Schemas may describe a payload: self-contained ones; validity is for the server to check."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

from gate.contract.fields import JsonObject

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The one dialect taken; `$schema` may be left out."""

_REFERENCES = ("$ref", "$dynamicRef")


def self_contained(schema: JsonObject) -> JsonObject:
    """The schema itself, where nothing in it points outside and it names no other dialect.

    Every string under a `$ref` counts as a reference, wherever it stands: reading a schema never fetches.
    """
    dialect = schema.get("$schema", DIALECT)
    if dialect not in (DIALECT, f"{DIALECT}#"):
        raise PydanticCustomError("schema_dialect", "Must be JSON Schema draft 2020-12")
    waiting: list[object] = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            for name in _REFERENCES:
                target = item.get(name)
                if isinstance(target, str) and not target.startswith("#"):
                    raise PydanticCustomError(
                        "remote_ref", "References may point into the schema itself only"
                    )
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return schema
