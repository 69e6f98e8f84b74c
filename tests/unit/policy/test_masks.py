"""Which fields policy masks: what matches adds up, and where it cannot be told, everything is masked."""

from __future__ import annotations

from typing import Any

import pytest

from gate.domain.verdict import QUOTING
from gate.policy.cases import parse_cases
from gate.policy.documents import Document, PolicyError
from gate.policy.lint import lint
from tests.unit.policy.building import judged, people, policy

PAY = {"match": {"topics": ["pay.*"]}, "mask": ["/iban", "/to/*/mail"]}


def masks(*entries: dict[str, Any], **more: Any) -> Any:
    return policy({"classify": list(entries), "default": {"decision": "deny"}, **more})


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        pytest.param("pay.out", ("/iban", "/to/*/mail", "/pin"), id="what matches adds up, each once"),
        pytest.param("pay.in", ("/iban", "/to/*/mail"), id="one entry"),
        pytest.param("note", None, id="none"),
    ],
)
def test_the_masks_of_all_that_matches_add_up(topic: str, expected: tuple[str, ...] | None) -> None:
    more = {"match": {"topics": ["*.out"]}, "mask": ["/pin", "/iban"]}
    assert judged(masks(PAY, more), topic=topic).mask == expected


@pytest.mark.parametrize("decision", ["allow", "deny", "require_approval"])
def test_masks_hold_whatever_is_decided(decision: str) -> None:
    rule = {"id": "r", "match": {"topics": ["*"]}, "decision": decision}
    assert judged(masks(PAY, rules=[rule]), topic="pay.out").mask == ("/iban", "/to/*/mail")


def test_a_reason_that_quotes_the_payload_begins_so_that_it_is_known() -> None:
    """What is said of a broken constraint may hold a part of a masked value, such as a host; it is not shown then."""
    rule = {
        "id": "r",
        "match": {"topics": ["*"]},
        "decision": "allow",
        "constraints": {"network_allowlist": ["ok.example"]},
    }
    found = judged(masks(PAY, rules=[rule]), topic="pay.out", payload={"url": "https://kim.example/x"})
    assert "kim.example" in found.reason
    assert found.reason.startswith(QUOTING)
    broken = {"id": "r", "match": {"topics": ["*"], "confidence_below": 0.5, "on_missing": "error"}}
    troubled = judged(masks(PAY, rules=[{**broken, "decision": "deny"}]), topic="pay.out")
    assert troubled.reason.startswith(QUOTING)


def test_what_could_not_be_judged_is_masked_wherever_anything_is() -> None:
    asks = {"id": "r", "match": {"topics": ["*"], "confidence_below": 0.5, "on_missing": "error"}}
    found = judged(masks(PAY, rules=[{**asks, "decision": "deny"}]), topic="note")
    assert "could not be evaluated" in found.trigger
    assert found.mask == ("/iban", "/to/*/mail")


@pytest.mark.parametrize("path", ["iban", "/a~2", "/a~", 5, []])
def test_a_path_that_is_none_is_refused_with_its_line(path: Any) -> None:
    with pytest.raises(PolicyError) as caught:
        masks({"match": {"topics": ["*"]}, "mask": [path] if path != [] else path})
    assert "mask" in str(caught.value)
    assert all(problem.line > 1 for problem in caught.value.problems)


def test_one_path_needs_no_list() -> None:
    assert judged(masks({"match": {"topics": ["*"]}, "mask": "/iban"}), topic="x").mask == ("/iban",)


def test_lint_finds_a_path_that_no_case_has() -> None:
    held = masks(PAY, {"match": {"topics": ["*"]}, "mask": ["/nowhere"]})
    text = """
version: v1
cases:
  - {name: one, action: {topic: pay.out, payload: {iban: x, to: [{name: y}]}}, expect: {decision: deny}}
  - {name: two, action: {topic: pay.out, payload: {to: [{mail: x}]}}, expect: {decision: deny}}
  - {name: other, action: {topic: note, payload: {a: 1}}, expect: {decision: deny}}
"""
    cases = parse_cases(Document(name="c.yaml", text=text))
    found = [f for f in lint(held, people(), cases) if f.code == "masks_nothing"]
    assert [(f.rule, f.message) for f in found] == [
        ("classify[1]", "no case that this matches has anything at /nowhere")
    ]
    assert not [f for f in lint(held, people(), ()) if f.code == "masks_nothing"], "nothing is known then"
