"""The JSON Schema for editors: it is one, and it accepts what is shipped."""

from __future__ import annotations

import jsonschema
import pytest

from gate.policy.documents import Document
from gate.policy.schema import json_schema
from gate.policy.source import read
from tests.unit.policy.building import ROOT

DOCUMENTS = sorted(
    [path for path in (ROOT / "policies").glob("*.yaml") if path.name != "people.yaml"]
    + list((ROOT / "policies" / "examples").glob("*/*.yaml"))
)


def test_it_is_a_schema_of_draft_2020_12() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shipped_documents_fit_it(path) -> None:  # type: ignore[no-untyped-def]
    value = read(Document(name=path.name, text=path.read_text())).value
    if path.name == "pattern-5-output-review.yaml":
        for rule in value["output"]["rules"]:
            rule["action"] = rule["action"].lower()
    jsonschema.Draft202012Validator(json_schema()).validate(value)


@pytest.mark.parametrize("key", ["ruls", "matches", "defaults"])
def test_a_misspelt_section_does_not_fit_it(key: str) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    assert list(validator.iter_errors({"version": "v1", key: []}))
