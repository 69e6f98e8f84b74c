"""What Schemathesis is to hold an answer of the gate to, beyond what every OpenAPI document promises.

Loaded by Schemathesis itself as its hooks (see test_openapi.py); it knows the document and no code of the gate.
"""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

PROBLEM = "application/problem+json"
UNSAID = frozenset(
    {
        "callback_refused",  # which hosts may be called is a setting
        "url",  # a JSON Schema says little about addresses
        "url_credentials",
        "https_required",
        "cursor",  # opaque: only a page gives good ones
        "schema_dialect",  # a JSON Schema within a body
        "invalid_schema",
        "nested_id",
        "remote_ref",
        "unresolved_ref",
        "endless_ref",
        "invalid_pattern",
        "too_large",
        "unsafe_integer",  # a payload may be any object; which JSON it is written in is said in words
        "number_too_large",
        "not_finite",
        "lone_surrogate",
        "too_deep",
        "body_too_large",
        "idempotency_key_reused",
        "grant_expired",
        "grant_revoked",
        "bad_request",  # what no HTTP header can hold
        "invalid_query",  # with no field to blame: lengths that the record does not have
        "int_type",  # to a JSON Schema 1.0 is an integer; here no type is coerced
    }
)
"""Refusals of what the document allows, because a schema cannot say it."""


@schemathesis.hook
def before_load_schema(ctx: Any, raw_schema: dict[str, Any]) -> None:
    """A body that a link describes is sent as it is: with more in it, it would be another payload than was released."""
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                for link in response.get("links", {}).values():
                    link["x-schemathesis"] = {"merge_body": False}


@schemathesis.check
def problem_document(ctx: Any, response: Any, case: Any) -> None:
    """Every error is a problem document whose code its operation names for that status."""
    if response.status_code < 400:
        return
    media = response.headers["content-type"][0].partition(";")[0]
    assert media == PROBLEM, f"{response.status_code} came as {media}"
    body = json.loads(response.content)
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:signoff:problem:{body['code']}"
    assert body["request_id"] == response.headers["x-request-id"][0]
    described = case.operation.definition.raw["responses"].get(str(response.status_code))
    if described is not None and case.method.upper() == case.operation.method.upper():
        assert body["code"] in described["x-codes"], f"{body['code']} is not described here"


@schemathesis.check
def refused_for_what_is_unsaid(ctx: Any, response: Any, case: Any) -> bool | None:
    """What the document allows is refused only for reasons that a schema cannot hold."""
    try:
        return positive_data_acceptance(ctx, response, case)
    except AssertionError:
        body = json.loads(response.content)
        reasons = {error["code"] for error in body["errors"]} or {body["code"]}
        if reasons <= UNSAID:
            return None
        raise


@schemathesis.check
class Reached:
    """Each operation succeeded at least once, or nothing was shown of it."""

    def __init__(self) -> None:
        self.tried: set[str] = set()
        self.done: set[str] = set()

    def after_response(self, ctx: Any, response: Any, case: Any) -> None:
        self.tried.add(case.operation.label)
        if response.status_code < 300:
            self.done.add(case.operation.label)

    def after_run(self, ctx: Any) -> None:
        missed = sorted(self.tried - self.done)
        assert not missed, f"never succeeded: {missed}"
