"""The edit form: untouched it changes nothing, touched it changes exactly what was touched."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import ids
from bot.blocks.fields import Edited, FieldErrors, problem_messages, read_fields
from bot.blocks.form import form
from bot.blocks.modals import edit_modal
from bot.blocks.widgets import Widget, json_text, survives
from gate.usecases.views import ActionView
from tests.fakes.views import EMAIL, LONG, REFUND, with_payload
from tests.unit.blocks.hostile import LARGE, payloads
from tests.unit.blocks.limits import view_faults
from tests.unit.blocks.surfaces import state_of

Json = dict[str, Any]
_HELD = {
    "number_input": ("value", "initial_value"),
    "plain_text_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "static_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "datepicker": ("selected_date", "initial_date"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
}


def untouched(modal: Json) -> dict[str, dict[str, Any]]:
    """`view.state.values` as Slack sends them where a person only presses the button: an empty input is null."""
    values: dict[str, dict[str, Any]] = {}
    for block in modal["blocks"]:
        if block["type"] == "input":
            element = block["element"]
            held, initial = _HELD[element["type"]]
            values[block["block_id"]] = {
                element["action_id"]: {"type": element["type"], held: element.get(initial)}
            }
    return values


def exact(value: Any) -> str:
    """A form in which 1, 1.0 and true differ, and the order of keys counts."""
    return json.dumps(value)


def submit(view: ActionView, **typed: Any) -> Edited | FieldErrors:
    """Submit the form with some inputs changed: names are top-level keys, values what the input then holds."""
    values = untouched(edit_modal(view, state_of(view)))
    for key, value in typed.items():
        (held,) = (held for held in values[f"field:/{key}"]["value"] if held != "type")
        values[f"field:/{key}"]["value"][held] = value
    return read_fields(view, values)


def widgets(view: ActionView) -> dict[str, Widget]:
    return {field.pointer: field.widget for field in form(view).fields}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(payloads)
def test_inv_21_a_form_submitted_untouched_yields_the_very_same_payload(payload: Json) -> None:
    view = with_payload(REFUND, payload)
    before = exact(payload)
    modal = edit_modal(view, state_of(view))
    assert view_faults(modal) == []
    found = read_fields(view, untouched(modal))
    assert isinstance(found, Edited)
    assert exact(found.payload) == before == exact(view.payload)
    assert found.changed == ()


_schemas = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "<!x>"]),
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(
                ["string", "integer", "number", "boolean", "object", ["string", "null"], "x", 7]
            ),
            "enum": st.lists(st.sampled_from([1, 1.0, True, "1", None, "x" * 200, "eu", "us"]), max_size=5),
            "minLength": st.just(1),
            "description": st.text(max_size=20),
            "$ref": st.sampled_from(["#/$defs/loop", "#/nowhere", "https://evil.example"]),
        },
    ),
    max_size=4,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(payloads, _schemas, st.lists(st.sampled_from(["", "/a", "/a/b", "/b/0", "/z", "/~1"]), max_size=3))
def test_inv_21_nor_does_any_schema_make_an_untouched_form_change_anything(
    payload: Json, properties: Json, paths: list[str]
) -> None:
    payload = {**payload, "a": {"b": 1}, "b": [1, 2.0], "c": "eu"}
    schema: Json = {"properties": properties, "$defs": {"loop": {"$ref": "#/$defs/loop"}}, "required": ["d"]}
    view = replace(
        with_payload(REFUND, payload), payload_schema=schema, editable_paths=tuple(paths) if paths else None
    )
    modal = edit_modal(view, state_of(view))
    assert view_faults(modal) == []
    found = read_fields(view, untouched(modal))
    assert isinstance(found, Edited)
    assert exact(found.payload) == exact(payload)


@pytest.mark.parametrize("view", [pytest.param(view, id=name) for name, view in LARGE.items()])
def test_a_large_payload_survives_its_form(view: ActionView) -> None:
    found = read_fields(view, untouched(edit_modal(view, state_of(view))))
    assert isinstance(found, Edited)
    assert exact(found.payload) == exact(view.payload)


def test_the_form_picks_typed_widgets_from_the_values() -> None:
    assert widgets(EMAIL) == {
        "/to": Widget.JSON,
        "/subject": Widget.TEXT,
        "/body": Widget.LONG_TEXT,
        "/track_opens": Widget.BOOLEAN,
        "/send_at": Widget.MINUTE,
        "/headers/reply-to": Widget.EMAIL,
        "/headers/list-unsubscribe": Widget.TEXT,
        "/campaign/id": Widget.NUMBER,
        "/campaign/budget": Widget.NUMBER,
        "/campaign/tags": Widget.JSON,
    }


def test_the_form_picks_typed_widgets_from_the_schema() -> None:
    schema = {
        "type": "object",
        "required": ["amount"],
        "properties": {
            "amount": {"type": "integer", "minimum": 1, "maximum": 5_000},
            "currency": {"enum": ["usd", "eur"]},
            "day": {"$ref": "#/$defs/day"},
            "memo": {"type": "string"},
        },
        "$defs": {"day": {"type": "string", "format": "date"}},
    }
    view = replace(
        with_payload(REFUND, {"amount": 1400, "currency": "usd", "day": "2026-11-12"}), payload_schema=schema
    )
    assert widgets(view) == {
        "/amount": Widget.INTEGER,
        "/currency": Widget.CHOICE,
        "/day": Widget.DATE,
        "/memo": Widget.TEXT,
    }
    modal = edit_modal(view, state_of(view))
    hints = {b["block_id"]: b.get("hint", {}).get("text") for b in modal["blocks"] if b["type"] == "input"}
    assert hints["field:/amount"] == "at least 1 and at most 5000"
    assert hints["field:/memo"] == "not in the payload now; empty leaves it out"


def test_a_list_too_long_for_one_input_is_edited_item_by_item() -> None:
    shape = form(LONG)
    assert [field.pointer for field in shape.fields][:3] == [
        "/contacts/0/name",
        "/contacts/0/mail",
        "/contacts/1/name",
    ]
    assert len(shape.fields) <= 60
    assert shape.left_out == ("/contacts",)
    values = untouched(edit_modal(LONG, state_of(LONG)))
    values["field:/contacts/1/name"]["value"]["value"] = "Somebody"
    found = read_fields(LONG, values)
    assert isinstance(found, Edited)
    assert found.changed == ("/contacts/1/name",)
    assert found.payload["contacts"][1] == {"name": "Somebody", "mail": "p1@example.com"}
    assert found.payload["contacts"][2:] == LONG.payload["contacts"][2:]


def test_policys_paths_are_the_only_places_in_the_form() -> None:
    view = replace(REFUND, editable_paths=("/amount",))
    assert list(widgets(view)) == ["/amount"]
    forged = {"field:/order": {"value": {"value": "1"}}, "field:/amount": {"value": {"value": "1200"}}}
    found = read_fields(view, forged)
    assert isinstance(found, Edited)
    assert found.payload == {**REFUND.payload, "amount": 1200}


@pytest.mark.parametrize(
    ("before", "typed", "after"),
    [
        (1400, "1200", 1200),
        (1400, "1200.50", 1200.5),
        (1400, "1400.00", 1400),
        (1.0, "1", 1.0),
        (1.0, "2", 2),
        (0.1, "0.2", 0.2),
        (5, "-3", -3),
        ("881", "882", "882"),
        ("881", None, ""),
        ("", "x", "x"),
        ("", None, ""),
        (None, '"text"', "text"),
        ([1, 2], "[1]", [1]),
        ([1], "[1.0]", [1.0]),
        ({}, '{"a": null}', {"a": None}),
    ],
    ids=repr,
)
def test_a_typed_value_becomes_what_was_meant(before: Any, typed: str | None, after: Any) -> None:
    view = with_payload(REFUND, {"v": before, "rest": 1.0})
    found = submit(view, v=typed)
    assert isinstance(found, Edited)
    assert exact(found.payload) == exact({"v": after, "rest": 1.0})
    assert found.changed == (() if exact(before) == exact(after) else ("/v",))


@pytest.mark.parametrize(
    ("before", "typed", "said"),
    [
        (1400, "1,200", "Write a number"),
        (1400, None, "Write a number"),
        (1400, "1e5", "Write a number"),
        (1400, "9007199254740993", "larger than can be kept"),
        (0.5, "0.12345678901234567890", "more digits"),
        ([1], "[1,", "Not JSON"),
        ([1], "“a”", "straight"),
        ([1], '{"a":1,"a":2}', "a"),
        ([1], "", "write null"),
        (None, "NaN", ""),
    ],
    ids=repr,
)
def test_what_cannot_be_read_is_said_on_its_field(before: Any, typed: str | None, said: str) -> None:
    found = submit(with_payload(REFUND, {"v": before}), v=typed)
    assert isinstance(found, FieldErrors)
    assert list(found.messages) == ["field:/v"]
    assert said in found.messages["field:/v"]


def test_choices_dates_and_times_keep_their_type_and_zone() -> None:
    schema = {"properties": {"n": {"enum": [1, "1", True]}}}
    payload = {"n": 1, "on": "2026-11-12", "at": "2026-11-12T10:00:00+05:30", "yes": True}
    view = replace(with_payload(REFUND, payload), payload_schema=schema)
    found = submit(
        view,
        n={"text": {}, "value": '"1"'},
        on="2026-11-13",
        at=1_794_546_000,
        yes={"text": {}, "value": "false"},
    )
    assert isinstance(found, Edited)
    assert exact(found.payload) == exact(
        {"n": "1", "on": "2026-11-13", "at": "2026-11-13T10:30:00+05:30", "yes": False}
    )


@pytest.mark.parametrize("forged", [{"value": "9"}, {"value": None}, "x", None, 7], ids=repr)
def test_a_forged_choice_is_refused_or_ignored(forged: Any) -> None:
    found = submit(with_payload(REFUND, {"v": True}), v=forged)
    if isinstance(found, Edited):
        assert found.payload == {"v": True}
    else:
        assert list(found.messages) == ["field:/v"]


@pytest.mark.parametrize("junk", [None, "x", 7, [], {"value": None}, {"value": "x"}, {"other": {}}], ids=repr)
def test_a_submission_of_another_shape_changes_nothing(junk: Any) -> None:
    found = read_fields(REFUND, {"field:/amount": junk})
    assert isinstance(found, Edited)
    assert found.payload == REFUND.payload


def test_absent_stays_absent_and_null_is_not_absent() -> None:
    schema = {"properties": {"memo": {"type": "string"}, "n": {"type": "number"}}}
    view = replace(with_payload(REFUND, {"x": None}), payload_schema=schema)
    assert submit(view) == Edited(payload={"x": None}, changed=())
    assert submit(view, memo="hi", n="2.5") == Edited(
        payload={"x": None, "memo": "hi", "n": 2.5}, changed=("/memo", "/n")
    )


def test_the_view_is_never_modified() -> None:
    view = with_payload(REFUND, {"o": {"deep": {"list": [1]}, "n": 1}})
    before = copy.deepcopy(view.payload)
    values = untouched(edit_modal(view, state_of(view)))
    values["field:/o/deep/list"]["value"]["value"] = "[2]"
    found = read_fields(view, values)
    assert isinstance(found, Edited)
    assert found.payload["o"]["deep"]["list"] == [2]
    assert view.payload == before


@pytest.mark.parametrize(
    "text",
    ["a\u202eb", "a\u200bb", "e\u0301", "😀", "x ", "\ttab", "nul\x00", "a\u00a0b", "\u3164"],
    ids=ascii,
)
def test_threat_16_text_one_cannot_see_is_edited_as_escaped_json(text: str) -> None:
    view = with_payload(REFUND, {"v": text})
    (field,) = form(view).fields
    assert field.widget is Widget.JSON
    assert field.initial is not None
    assert field.initial.isascii()
    assert json.loads(field.initial) == text


@given(st.text())
def test_json_text_reads_back_as_what_it_was(text: str) -> None:
    shown = json_text([text])
    assert shown is None or json.loads(shown) == [text]
    assert not survives(text) or text == text.strip()


def test_what_a_person_typed_is_filled_in_again() -> None:
    draft = {
        "field:/amount": {"value": {"value": "12x"}},
        "comment": {"comment": {"value": "because"}},
        "then": {"then": {"selected_option": {"value": "save"}}},
    }
    modal = edit_modal(REFUND, state_of(REFUND), draft)
    elements = {b["block_id"]: b["element"] for b in modal["blocks"] if b["type"] == "input"}
    assert elements["field:/amount"]["initial_value"] == "1400"  # Slack takes only numbers in a number input
    assert elements["comment"]["initial_value"] == "because"
    assert elements["then"]["initial_option"]["value"] == ids.THEN_SAVE


def test_approve_is_preset_and_absent_where_it_is_not_offered() -> None:
    def offered(view: ActionView) -> tuple[list[str], str]:
        (block,) = (b for b in edit_modal(view, state_of(view))["blocks"] if b.get("block_id") == "then")
        element = block["element"]
        return [o["value"] for o in element["options"]], element["initial_option"]["value"]

    assert offered(REFUND) == (["approve", "save"], "approve")
    assert offered(replace(REFUND, allow=frozenset({"edit"}))) == (["save"], "save")


def test_the_gates_problems_stand_on_the_nearest_input() -> None:
    found = problem_messages(
        EMAIL,
        [("/to/0", "not allowed"), ("/headers", "too many"), ("/nowhere", "unknown"), ("", "all of it")],
    )
    assert set(found) == {"field:/to", "field:/headers/reply-to", "then", "field:/subject"} - {
        "field:/subject"
    } | {"field:/to"}
    assert found["field:/headers/reply-to"] == "too many"
    assert found["then"] == "/nowhere: unknown"
    assert found["field:/to"] == "not allowed all of it"


def test_a_form_of_many_long_lists_of_choices_stays_within_a_view() -> None:
    offered = [f"{'ж' * 100}{n}" for n in range(100)]
    payload = {f"k{n}": offered[0] for n in range(40)}
    schema = {"properties": {key: {"enum": offered, "description": "ж" * 300} for key in payload}}
    view = replace(with_payload(REFUND, payload), payload_schema=schema)
    modal = edit_modal(view, state_of(view))
    assert view_faults(modal) == []
    assert any(field.widget is Widget.CHOICE for field in form(view).fields)
    found = read_fields(view, untouched(modal))
    assert isinstance(found, Edited)
    assert found.changed == ()


def test_many_small_parts_do_not_keep_the_form_waiting() -> None:
    """Threat 18: once the form is full nothing further is looked at; every part used to be measured against it."""
    nested: Any = 1
    for wide in (20, 20, 20, 4):
        nested = [nested] * wide
    view = with_payload(REFUND, {"a": nested, "b": 1})
    before = time.process_time()
    found = form(view)
    assert time.process_time() - before < 2
    assert found.fields
    assert found.left_out
