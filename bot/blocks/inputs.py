"""Knows how the places of an edit form are drawn as Block Kit inputs; which widget each gets was decided before."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from bot import ids
from bot.blocks import parts
from bot.blocks.form import Field, Values, held_in
from bot.blocks.payload import pointer_path, quoted
from bot.blocks.text import shown, trimmed, units
from bot.blocks.widgets import ABSENT, MAX_INPUT_TEXT, Widget, minute_stamp
from gate.domain.masking import Masked

Json = dict[str, Any]

_TEXTS = {
    Widget.TEXT: "plain_text_input",
    Widget.LONG_TEXT: "plain_text_input",
    Widget.JSON: "plain_text_input",
    Widget.EMAIL: "email_text_input",
    Widget.URL: "url_text_input",
    Widget.INTEGER: "number_input",
    Widget.NUMBER: "number_input",
}


def field_input(field: Field, draft: Values | None = None) -> Json:
    """The input block of one place; `draft` (a submission's values) fills in what a person had typed before."""
    element = _element(field, held_in(draft, field.block_id, ids.FIELD_VALUE) or {})
    block: Json = {
        "type": "input",
        "block_id": field.block_id,
        "label": parts.own(trimmed(pointer_path(field.pointer), 200), 200),
        "element": element | {"action_id": ids.FIELD_VALUE},
        "optional": _optional(field),
    }
    hint = _hint(field)
    return block | ({"hint": parts.own(hint, 500)} if hint else {})


def _optional(field: Field) -> bool:
    """Whether the input may be empty: a text may become "", and what is not there may stay away."""
    if field.value is ABSENT:
        return not field.required
    if isinstance(field.value, Masked):
        return True
    shortest = field.schema.get("minLength")
    may_be_empty = not (isinstance(shortest, int) and shortest > 0)
    text = field.widget in (Widget.TEXT, Widget.LONG_TEXT, Widget.EMAIL, Widget.URL)
    return text and (may_be_empty or field.initial is None)


def _element(field: Field, held: Mapping[str, Any]) -> Json:
    if field.widget in _TEXTS:
        return _typed(field, held)
    if field.widget is Widget.BOOLEAN:
        return _radio(field, held)
    if field.widget is Widget.CHOICE:
        return _select(field, held)
    if field.widget is Widget.DATE:
        picked = held.get("selected_date") or field.initial
        return {"type": "datepicker"} | ({"initial_date": picked} if picked else {})
    stamp = held.get("selected_date_time") or minute_stamp(field.initial or "")
    return {"type": "datetimepicker"} | ({"initial_date_time": stamp} if stamp else {})


def _typed(field: Field, held: Mapping[str, Any]) -> Json:
    element: Json = {"type": _TEXTS[field.widget]}
    typed: object = held.get("value")
    initial = typed if isinstance(typed, str) and _takes(element["type"], typed) else field.initial
    if initial:
        element["initial_value"] = initial
    if element["type"] == "number_input":
        element["is_decimal_allowed"] = field.widget is Widget.NUMBER
    if element["type"] == "plain_text_input":
        element["multiline"] = field.widget is not Widget.TEXT
        element["max_length"] = MAX_INPUT_TEXT
    return element


def _takes(kind: str, typed: str) -> bool:
    """Whether Slack accepts what a person had typed as an input's initial value."""
    if kind == "number_input":
        return re.fullmatch(r"-?[0-9]{1,40}([.][0-9]{1,18})?", typed) is not None
    return units(typed) <= MAX_INPUT_TEXT


def _option(text: str, value: str) -> Json:
    return {"text": parts.own(text, 75), "value": value}


def _radio(field: Field, held: Mapping[str, Any]) -> Json:
    options = [_option("true", "true"), _option("false", "false")]
    chosen = chosen_in(held) or field.initial
    element: Json = {"type": "radio_buttons", "options": options}
    first = next((option for option in options if option["value"] == chosen), None)
    return element | ({"initial_option": first} if first else {})


def _select(field: Field, held: Mapping[str, Any]) -> Json:
    options = [
        _option(
            quoted(choice) if isinstance(choice, str) else json.dumps(choice),
            json.dumps(choice, ensure_ascii=False),
        )
        for choice in field.choices
    ]
    chosen = chosen_in(held) or field.initial
    element: Json = {"type": "static_select", "options": options}
    first = next((option for option in options if option["value"] == chosen), None)
    return element | ({"initial_option": first} if first else {})


def chosen_in(held: Mapping[str, Any]) -> str | None:
    """The value of the option chosen in a radio or select; None where none is."""
    option: object = held.get("selected_option")
    value = cast("Mapping[str, object]", option).get("value") if isinstance(option, Mapping) else None
    return value if isinstance(value, str) else None


def _hint(field: Field) -> str:
    said: list[str] = []
    description = field.schema.get("description")
    if isinstance(description, str) and description:
        said.append(shown(description, 200))
    bounds = [
        f"{word} {field.schema[key]}"
        for key, word in (("minimum", "at least"), ("maximum", "at most"))
        if isinstance(field.schema.get(key), (int, float))
    ]
    if bounds and field.widget in (Widget.INTEGER, Widget.NUMBER):
        said.append(" and ".join(bounds))
    if field.widget is Widget.JSON:
        said.append('JSON: text in quotes, as in "881"')
    if isinstance(field.value, Masked):
        said.append("masked; left empty it stays as it is, and what you type takes its place")
    if field.value is ABSENT:
        said.append("not in the payload now; empty leaves it out")
    return " · ".join(said)


def comment_input(label: str, *, optional: bool = True, block_id: str = ids.COMMENT) -> Json:
    """A text of several lines; block and action are called the same."""
    return {
        "type": "input",
        "block_id": block_id,
        "label": parts.own(label, 200),
        "element": {
            "type": "plain_text_input",
            "action_id": block_id,
            "multiline": True,
            "max_length": 1_000,
        },
        "optional": optional,
    }


def then_input(may_approve: bool) -> Json:
    """What saving an edit does besides; approving with it is preset where this person may be offered it."""
    save = _option("Save only, decide later", ids.THEN_SAVE)
    approve = _option("Save and approve what I saved", ids.THEN_APPROVE)
    options = [approve, save] if may_approve else [save]
    return {
        "type": "input",
        "block_id": ids.THEN,
        "label": parts.own("Then", 200),
        "element": {
            "type": "radio_buttons",
            "action_id": ids.THEN,
            "options": options,
            "initial_option": options[0],
        },
    }
