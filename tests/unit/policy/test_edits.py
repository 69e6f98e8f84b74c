"""What a reviewer may change, and what the result must fit; at bounded cost, whatever the schema."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.verdict import ApprovalPlan, Editable
from gate.policy.edits import ABSENT, Change, check_edit, diff

OLD: dict[str, Any] = {"amount": 100, "to": {"name": "Kim", "mails": ["a@x"]}, "a/b": 1, "note": None}
EVERYTHING = ApprovalPlan()


def edited(**changes: Any) -> dict[str, Any]:
    return {**OLD, **changes}


@pytest.mark.parametrize(
    ("new", "changes"),
    [
        pytest.param(edited(amount=90), (Change(pointer="/amount", old=100, new=90),), id="a number"),
        pytest.param(edited(amount=100.0), (), id="the same number"),
        pytest.param(
            edited(amount=True), (Change(pointer="/amount", old=100, new=True),), id="true is no number"
        ),
        pytest.param(
            edited(note=""), (Change(pointer="/note", old=None, new=""),), id="null and empty differ"
        ),
        pytest.param(edited(extra=1), (Change(pointer="/extra", old=ABSENT, new=1),), id="added"),
        pytest.param(
            {k: v for k, v in OLD.items() if k != "a/b"},
            (Change(pointer="/a~1b", old=1, new=ABSENT),),
            id="removed",
        ),
        pytest.param(
            edited(to={"name": "Kim", "mails": ["a@x", "b@y"]}),
            (Change(pointer="/to/mails/1", old=ABSENT, new="b@y"),),
            id="an item more",
        ),
        pytest.param(
            edited(to=["Kim"]),
            (Change(pointer="/to", old={"name": "Kim", "mails": ["a@x"]}, new=["Kim"]),),
            id="another kind",
        ),
    ],
)
def test_the_difference_names_the_smallest_parts(new: dict[str, Any], changes: tuple[Change, ...]) -> None:
    assert diff(OLD, new) == changes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=2),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text("a/~", max_size=2), x, max_size=3),
    max_leaves=8,
)


@given(one=JSON, other=JSON)
def test_a_difference_is_empty_exactly_between_equals_and_reverses(one: Any, other: Any) -> None:
    assert diff(one, one) == ()
    there = {(c.pointer, repr(c.old), repr(c.new)) for c in diff(one, other)}
    back = {(c.pointer, repr(c.new), repr(c.old)) for c in diff(other, one)}
    assert there == back


@pytest.mark.parametrize(
    ("paths", "new", "refused"),
    [
        pytest.param(None, edited(amount=1, extra=2), [], id="everything"),
        pytest.param(("/amount",), edited(amount=1), [], id="the path itself"),
        pytest.param(("/to",), edited(to={"name": "Lee", "mails": []}), [], id="below the path"),
        pytest.param(("",), edited(amount=1), [], id="the whole"),
        pytest.param(("/amount",), edited(note="x"), ["/note"], id="outside"),
        pytest.param(("/to/name",), edited(to="x"), ["/to"], id="above the path"),
        pytest.param(("/am",), edited(amount=1), ["/amount"], id="a path is not a prefix of text"),
        pytest.param((), edited(amount=1), ["/amount"], id="nothing"),
        pytest.param(("/amount",), edited(amount=1, extra=2), ["/extra"], id="an addition"),
        pytest.param(("/a~1b",), edited(**{"a/b": 2}), [], id="an escaped key"),
    ],
)
def test_only_what_the_plan_opens_may_change(
    paths: tuple[str, ...] | None, new: dict[str, Any], refused: list[str]
) -> None:
    errors = check_edit(ApprovalPlan(editable=Editable(paths=paths)), None, OLD, new)
    assert [(error.pointer, error.code) for error in errors] == [
        (pointer, "not_editable") for pointer in refused
    ]


def test_the_result_fits_the_plans_schema_and_the_agents() -> None:
    plan = ApprovalPlan(editable=Editable(schema={"properties": {"amount": {"maximum": 100}}}))
    schema = {"properties": {"amount": {"type": "integer"}, "note": {"type": ["string", "null"]}}}
    assert check_edit(plan, schema, OLD, edited(amount=50)) == ()
    errors = check_edit(plan, schema, OLD, edited(amount=100.5))
    assert [(e.pointer, e.code, e.sentence) for e in errors] == [
        ("/amount", "maximum", "/amount must be at most 100"),
        ("/amount", "type", "/amount must be of type integer"),
    ]


def test_an_edit_that_changes_nothing_is_said_to() -> None:
    assert [error.code for error in check_edit(EVERYTHING, None, OLD, dict(OLD))] == ["unchanged"]


def test_a_request_that_may_not_be_edited_is_not() -> None:
    plan = ApprovalPlan(allow=frozenset({"approve", "reject"}))
    assert [error.code for error in check_edit(plan, None, OLD, edited(amount=1))] == ["not_editable"]


def bomb(depth: int) -> dict[str, Any]:
    """A schema that asks twice as much at every step down."""
    definitions: dict[str, Any] = {
        f"s{n}": {"allOf": [{"$ref": f"#/$defs/s{n + 1}"}, {"$ref": f"#/$defs/s{n + 1}"}]}
        for n in range(depth)
    }
    return {"$defs": {**definitions, f"s{depth}": {"type": "object"}}, "$ref": "#/$defs/s0"}


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        pytest.param(bomb(30), "cost", id="doubling"),
        pytest.param({"$ref": "#"}, "cost", id="a circle"),
        pytest.param({"$ref": "https://example.com/schema.json"}, "schema", id="a remote reference"),
        pytest.param({"$ref": "file:///etc/passwd"}, "schema", id="a file"),
        pytest.param({"$id": "https://example.com/", "type": "object"}, "schema", id="another base"),
        pytest.param({"$ref": "#/nowhere"}, "schema", id="a reference to nothing"),
        pytest.param({"properties": {"note": {"pattern": "(?=x)"}}}, "schema", id="a pattern beyond RE2"),
        pytest.param({"type": "nonsense"}, "schema", id="no schema"),
        pytest.param({"const": "x" * 70_000}, "schema", id="too large"),
    ],
)
def test_a_hostile_schema_refuses_the_edit_quickly(schema: dict[str, Any], code: str) -> None:
    start = time.process_time()
    errors = check_edit(EVERYTHING, schema, OLD, edited(amount=1))
    assert [error.code for error in errors] == [code]
    assert time.process_time() - start < 5


def test_a_pattern_that_explodes_elsewhere_takes_linear_time() -> None:
    schema = {"properties": {"note": {"type": "string", "pattern": "^(a+)+$"}}}
    start = time.process_time()
    errors = check_edit(EVERYTHING, schema, OLD, edited(note="a" * 100_000 + "!"))
    assert [error.code for error in errors] == ["pattern"]
    assert time.process_time() - start < 5
