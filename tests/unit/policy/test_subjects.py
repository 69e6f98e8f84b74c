"""Whose data an action holds, as policy says: ids, each once, and nobody where it cannot be told."""

from __future__ import annotations

from typing import Any

import pytest

from gate.policy.cases import parse_cases
from gate.policy.documents import Document, PolicyError
from gate.policy.lint import lint
from tests.unit.policy.building import judged, people, policy


def named(expression: Any, payload: dict[str, Any], *more: dict[str, Any]) -> tuple[str, ...] | None:
    entries = [{"match": {"topics": ["*"]}, "subject": expression}, *more]
    return judged(
        policy({"classify": entries, "default": {"decision": "deny"}}), topic="pay", payload=payload
    ).subjects


@pytest.mark.parametrize(
    ("expression", "payload", "expected"),
    [
        pytest.param("payload.customer", {"customer": "cus_7"}, ("cus_7",), id="a text"),
        pytest.param("payload.customer", {"customer": 77}, ("77",), id="a number"),
        pytest.param("payload.to", {"to": ["a", 5, "a"]}, ("a", "5"), id="each of a list, once"),
        pytest.param("payload.customer", {}, None, id="it is not there"),
        pytest.param("payload.customer", {"customer": ""}, None, id="nothing"),
        pytest.param("payload.customer", {"customer": {"id": 1}}, None, id="no id"),
        pytest.param("payload.customer", {"customer": True}, None, id="no id either"),
    ],
)
def test_a_subject_is_an_id_or_a_list_of_them(
    expression: str, payload: dict[str, Any], expected: tuple[str, ...] | None
) -> None:
    assert named(expression, payload) == expected


def test_all_that_matches_adds_up() -> None:
    more = {"match": {"topics": ["pay"]}, "subject": "payload.seller"}
    assert named("payload.buyer", {"buyer": "b", "seller": "s"}, more) == ("b", "s")


def test_lint_finds_an_expression_that_gives_nobody() -> None:
    entries = [{"match": {"topics": ["pay"]}, "subject": f"payload.{name}"} for name in ("buyer", "byer")]
    held = policy({"classify": entries, "default": {"decision": "deny"}})
    text = """
version: v1
cases:
  - {name: one, action: {topic: pay, payload: {buyer: b}}, expect: {decision: deny}}
  - {name: two, action: {topic: pay, payload: {}}, expect: {decision: deny}}
"""
    cases = parse_cases(Document(name="c.yaml", text=text))
    assert [(f.rule, f.code) for f in lint(held, people(), cases)] == [("classify[1]", "names_nobody")]


def test_an_expression_that_is_none_is_refused_with_its_line() -> None:
    with pytest.raises(PolicyError, match="subject"):
        named("payload.", {})
