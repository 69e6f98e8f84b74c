"""Errors as RFC 9457 answers; which codes there are, and their statuses, is the contract's."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from pydantic import ValidationError

from gate.contract.payload_schema import pointer
from gate.contract.problem import CODES, PROBLEM_TYPE, FieldError, problem
from gate.domain.refusal import FieldProblem, Refused

_RENAMED = {"key_reused": "idempotency_key_reused"}
_CUSTOM = {
    "missing": ("required", "This field is required"),
    "extra_forbidden": ("unknown_field", "There is no such field"),
}


class ProblemRaised(Exception):
    """Ends a request with the error document of `code` (one of `CODES`)."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers


def refused(answer: Refused) -> ProblemRaised:
    """A use-case's refusal; a code the contract does not list is a conflict."""
    code = _RENAMED.get(answer.code, answer.code)
    return ProblemRaised(
        code if code in CODES else "conflict", answer.sentence, errors=field_errors(answer.problems)
    )


def invalid(error: ValidationError, *, code: str = "invalid_field") -> ProblemRaised:
    """Every field that a model does not accept, without repeating what was sent."""
    found: list[FieldError] = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        kind, sentence = _CUSTOM.get(item["type"], (item["type"], item["msg"]))
        location = tuple(part for part in item["loc"] if part != "[key]")
        found.append(FieldError(pointer=pointer(location), code=kind, detail=sentence))
    return ProblemRaised(code, errors=tuple(found))


def field_errors(problems: tuple[FieldProblem, ...]) -> tuple[FieldError, ...]:
    """Problems of the domain as the wire shows them."""
    return tuple(FieldError(pointer=p.pointer, code=p.code, detail=p.detail) for p in problems)


def response(raised: ProblemRaised, *, request_id: str) -> web.Response:
    """The answer, with the headers the status asks for."""
    document = problem(raised.code, raised.detail, request_id=request_id, errors=raised.errors)
    return web.Response(
        status=document.status,
        body=document.model_dump_json().encode(),
        content_type=PROBLEM_TYPE,
        headers=raised.headers,
    )
