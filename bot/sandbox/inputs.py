"""Knows what each input's value looks like in `state.values`, where it starts, and what Slack's own
client refuses before the app hears of it; leaves delivery to acts.py."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from bot.sandbox.errors import ActRefused
from bot.sandbox.validate import elements_of

Json = dict[str, Any]
Values = dict[str, dict[str, Json]]

_FIELD = {
    "plain_text_input": "value",
    "number_input": "value",
    "email_text_input": "value",
    "url_text_input": "value",
    "static_select": "selected_option",
    "radio_buttons": "selected_option",
    "multi_static_select": "selected_options",
    "checkboxes": "selected_options",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}
_INITIAL = {
    "value": "initial_value",
    "selected_option": "initial_option",
    "selected_options": "initial_options",
    "selected_user": "initial_user",
    "selected_users": "initial_users",
    "selected_date": "initial_date",
    "selected_time": "initial_time",
    "selected_date_time": "initial_date_time",
}
_LISTS = ("selected_options", "selected_users")
REQUIRED = "Please complete this required field."


def options_of(element: Json) -> list[Json]:
    """All options of a select, in order, whether grouped or not."""
    options = list(element.get("options") or [])
    for group in element.get("option_groups") or []:
        options.extend(group["options"])
    return options


def _option(element: Json, chosen: Any) -> Json:
    value = chosen.get("value") if isinstance(chosen, dict) else chosen
    for option in options_of(element):
        if option["value"] == value:
            return option
    raise ActRefused(f"there is no option {value!r} in {element.get('action_id')}")


def typed_value(element: Json, given: Any) -> Json:
    """The value as the payload carries it; `given` is the plain value or already that shape."""
    kind = element["type"]
    name = _FIELD[kind]
    value: Any = given
    if isinstance(given, dict) and ("type" in given or name in given):
        value = given.get(name)
    if value in (None, "", []):
        value = [] if name in _LISTS else None
    elif name == "selected_option":
        value = _option(element, value)
    elif name == "selected_options":
        value = [_option(element, one) for one in value]
    elif name == "value":
        value = str(value)
    elif name == "selected_date_time":
        value = int(value)
    shape: Json = {"type": kind, name: value}
    if kind == "timepicker" and element.get("timezone"):
        shape["timezone"] = element["timezone"]
    return shape


def _stateful(blocks: Iterable[Json]) -> Iterable[tuple[Json, Json]]:
    for block in blocks:
        for _, element in elements_of(block):
            if element.get("type") in _FIELD:
                yield block, element


def initial_values(blocks: Iterable[Json]) -> Values:
    """What every input holds before anyone touches it."""
    values: Values = {}
    for block, element in _stateful(blocks):
        start = element.get(_INITIAL[_FIELD[element["type"]]])
        values.setdefault(block["block_id"], {})[element["action_id"]] = typed_value(element, start)
    return values


def merged_values(blocks: Iterable[Json], present: Values, given: Json | None) -> Values:
    """`present` with what a person now entered; unknown block or action ids are refused."""
    merged = {block_id: dict(actions) for block_id, actions in present.items()}
    known = {(block["block_id"], element["action_id"]): element for block, element in _stateful(blocks)}
    for block_id, actions in (given or {}).items():
        if not isinstance(actions, dict):
            raise ActRefused("values are given as {block_id: {action_id: value}}")
        for action_id, value in actions.items():
            element = known.get((block_id, action_id))
            if element is None:
                raise ActRefused(f"there is no input {block_id!r} / {action_id!r}")
            merged.setdefault(block_id, {})[action_id] = typed_value(element, value)
    return merged


def _text_problem(element: Json, value: str) -> str | None:
    least, most = element.get("min_length"), element.get("max_length")
    if least is not None and len(value) < least:
        return f"Must be at least {least} characters."
    if most is not None and len(value) > most:
        return f"Must be {most} characters or fewer."
    if element["type"] == "email_text_input" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        return "Please enter a valid email address."
    if element["type"] == "url_text_input" and not re.fullmatch(r"https?://\S+", value):
        return "Please enter a valid URL."
    if element["type"] == "number_input":
        return _number_problem(element, value)
    return None


def _number_problem(element: Json, value: str) -> str | None:
    pattern = r"-?\d+(\.\d+)?" if element.get("is_decimal_allowed") else r"-?\d+"
    if not re.fullmatch(pattern, value):
        return "Please enter a valid number."
    if element.get("min_value") is not None and float(value) < float(element["min_value"]):
        return f"Must be {element['min_value']} or more."
    if element.get("max_value") is not None and float(value) > float(element["max_value"]):
        return f"Must be {element['max_value']} or less."
    return None


def problems(blocks: Iterable[Json], values: Values) -> dict[str, str]:
    """What Slack's client says under each input before it lets a submission go, by block_id."""
    found: dict[str, str] = {}
    for block in blocks:
        if block["type"] != "input":
            continue
        element = block["element"]
        name = _FIELD[element["type"]]
        value = values.get(block["block_id"], {}).get(element["action_id"], {}).get(name)
        if value in (None, "", []):
            if not block.get("optional"):
                found[block["block_id"]] = REQUIRED
        elif name == "value" and (problem := _text_problem(element, value)):
            found[block["block_id"]] = problem
        elif name in _LISTS and len(value) > element.get("max_selected_items", len(value)):
            found[block["block_id"]] = f"Choose at most {element['max_selected_items']}."
    return found
