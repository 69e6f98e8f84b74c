"""The table of error codes: complete for what the core refuses and the JSON door refuses, and well-formed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gate.contract.canonical as canonical
from gate.contract.problem import CODES, problem
from gate.domain import refusal
from gate.domain.refusal import FieldProblem, Refused
from gate.http.problem import refused

GATE = Path(refusal.__file__).parents[1]


def _refusals() -> set[str]:
    """Every code written in a `Refused(code="…")` anywhere in the rules and use-cases."""
    found: set[str] = set()
    for folder in ("domain", "usecases"):
        for path in (GATE / folder).glob("*.py"):
            found |= set(re.findall(r'Refused\(\s*code="(\w+)"', path.read_text()))
    return found


def test_every_refusal_of_the_core_has_its_status() -> None:
    found = _refusals()
    assert "unknown_action" in found
    assert found - {"key_reused"} <= set(CODES)


def test_every_code_of_the_door_is_a_400() -> None:
    raised = set(re.findall(r'NotCanonical\(\s*"(\w+)"', Path(canonical.__file__).read_text()))
    assert len(raised) == 10
    assert {CODES[code].status for code in raised} == {400}


@pytest.mark.parametrize("code", CODES)
def test_codes_are_words_with_a_status_a_title_and_a_sentence(code: str) -> None:
    kind = CODES[code]
    assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
    assert kind.status in {400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 500, 503}
    assert kind.title == kind.title.strip()
    assert kind.meaning.endswith(".")
    assert "|" not in kind.meaning
    document = problem(code, request_id="r")
    assert document.type == f"urn:signoff:problem:{code}"
    assert document.detail == kind.meaning


def test_titles_tell_codes_apart() -> None:
    assert len({kind.title for kind in CODES.values()}) == len(CODES)


def test_a_refusal_keeps_its_sentence_and_pointers() -> None:
    raised = refused(
        Refused(
            code="edit_refused",
            sentence="Not like this.",
            problems=(FieldProblem(pointer="/amount", code="maximum", detail="At most 5"),),
        )
    )
    assert (raised.code, raised.detail) == ("edit_refused", "Not like this.")
    assert raised.errors[0].pointer == "/amount"
    assert refused(Refused(code="key_reused", sentence="x")).code == "idempotency_key_reused"
    assert refused(Refused(code="something_new", sentence="x")).code == "conflict"
