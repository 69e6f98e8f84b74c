"""What the description says of a value is what the models take: nothing fit is refused, nothing unfit is taken."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter, ValidationError

from gate.contract.execution import RedeemIn
from gate.contract.fields import ANY_TEXT, TEXT, LabelText, Name
from gate.contract.listing import ConsistencyQuery, InclusionQuery
from gate.contract.proposal import ActionIn
from gate.http.app import endpoints
from gate.http.openapi import document

TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\0\t\n\r\x1b\x7f\x85\xa0 ")),
    max_size=6,
)
ACTION = {"topic": "a.b", "payload": {}, "summary": "s"}


@given(text=TEXTS)
def test_a_text_is_described_as_it_is_taken(text: str) -> None:
    assert (re.search(TEXT, text) is not None) is _takes(Name, text)
    assert (re.search(ANY_TEXT, text) is not None) is _takes(LabelText, text)


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (ActionIn, {**ACTION, "labels": {"region": "eu"}}),
        (ActionIn, {**ACTION, "labels": {"-region": "eu"}}),
        (ActionIn, {**ACTION, "labels": {"r" * 65: "eu"}}),
        (ActionIn, {**ACTION, "labels": {"region": 1}}),
        (ActionIn, {**ACTION, "summary": " "}),
        (ActionIn, {**ACTION, "callback_url": "ftp://a.example"}),
        (RedeemIn, {"token": "t", "payload": {}}),
        (RedeemIn, {"token": "t", "payload_sha256": "0" * 64, "payload": None}),
        (RedeemIn, {"token": "t", "payload_sha256": None}),
        (RedeemIn, {"token": "t", "payload": {}, "payload_sha256": "0" * 64}),
        (RedeemIn, {"token": "t"}),
    ],
)
def test_a_body_is_described_as_it_is_taken(model: type[BaseModel], body: dict[str, Any]) -> None:
    assert Draft202012Validator(model.model_json_schema()).is_valid(body) is _takes(model, body)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/audit/proof/inclusion", InclusionQuery),
        ("/v1/audit/proof/consistency", ConsistencyQuery),
    ],
)
def test_a_query_says_what_it_needs(path: str, model: type[BaseModel]) -> None:
    described = document(endpoints("0"), version="0")["paths"][path]["get"]["parameters"]
    needed = {each["name"] for each in described if each.get("required")}
    assert needed == set(model.model_json_schema()["required"])
    assert needed


def test_every_link_leads_to_an_operation() -> None:
    operations = [
        op for methods in document(endpoints("0"), version="0")["paths"].values() for op in methods.values()
    ]
    names = {operation["operationId"] for operation in operations}
    links = [
        link
        for operation in operations
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert {link["operationId"] for link in links} <= names
    assert {"redeemGrant", "reportOutcome", "cancelAction", "getAction"} <= {
        link["operationId"] for link in links
    }


def _takes(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True
