"""Knows how the edit form's answers become a payload again: what was not touched stays exactly as it was, and what
cannot be read is said on its field."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, cast

from bot import ids
from bot.blocks.form import Field, Form, Values, form, held_in, parts_of
from bot.blocks.text import shown, trimmed
from bot.blocks.widgets import ABSENT, Absent, Widget, minute_stamp, minute_text, same
from gate.contract.canonical import NotCanonical, parse
from gate.domain.masking import Masked, unmasked
from gate.usecases.views import ActionView

Json = Any
_NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?")
_MAX_ERROR = 200
_LARGEST = 2**53 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Edited:
    """The payload as the form leaves it. `changed` are the pointers of the places that differ; empty: nothing was."""

    payload: dict[str, Json]
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldErrors:
    """block_id -> what to correct there; fit for `response_action: errors`."""

    messages: dict[str, str]


class _Wrong(Exception):
    """An answer that is not a value; the text is for the person who typed it."""


def read_fields(view: ActionView, values: Values) -> Edited | FieldErrors:
    """The payload with what a person changed in the form of `edit_modal(view, …)`.

    Only the form's own places are read: whatever else a submission holds is ignored, and a missing input is an
    untouched one. The payload of the view is never modified.
    """
    shape = form(view)
    errors: dict[str, str] = {}
    found: list[tuple[Field, Json | Absent]] = []
    for field in shape.fields:
        held = held_in(values, field.block_id, ids.FIELD_VALUE)
        if held is None:
            continue
        try:
            value = _read(field, held)
        except _Wrong as wrong:
            errors[field.block_id] = trimmed(str(wrong), _MAX_ERROR)
            continue
        if not _unchanged(field.value, value):
            found.append((field, value))
    if errors:
        return FieldErrors(messages=errors)
    payload: Json = copy.deepcopy(dict(view.payload))
    for field, value in found:
        payload = _set(payload, parts_of(field.pointer), value)
    return _checked(found, payload)


def _checked(found: Sequence[tuple[Field, Json | Absent]], payload: Json) -> Edited | FieldErrors:
    if not isinstance(payload, dict):
        return FieldErrors(messages={found[0][0].block_id: "A payload is an object: write { … }."})
    changed = tuple(field.pointer for field, _ in found)
    return Edited(payload=cast("dict[str, Json]", unmasked(payload)), changed=changed)


def problem_messages(view: ActionView, problems: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Problems given as (JSON pointer, sentence) as errors on the form's inputs, each on the nearest one.

    What concerns no input of the form stands on the choice `then`, with its place named.
    """
    shape = form(view)
    messages: dict[str, str] = {}
    for pointer, sentence in problems:
        block = _nearest(shape, pointer)
        told = sentence if block is not None else f"{shown(pointer or 'payload', 80)}: {sentence}"
        key = block or ids.THEN
        messages[key] = trimmed(f"{messages[key]} {told}" if key in messages else told, _MAX_ERROR)
    return messages


def _nearest(shape: Form, pointer: str) -> str | None:
    above = [f for f in shape.fields if pointer == f.pointer or pointer.startswith(f.pointer + "/")]
    below = [f for f in shape.fields if f.pointer.startswith(pointer + "/")]
    best = max(above, key=lambda f: len(f.pointer), default=None) or (below[0] if below else None)
    return best.block_id if best else None


def _unchanged(old: Json | Absent, new: Json | Absent) -> bool:
    if old is ABSENT or new is ABSENT:
        return old is new
    return same(old, new)


def _set(payload: Json, path: Sequence[str], value: Json | Absent) -> Json:
    if not path:
        return payload if value is ABSENT else value
    holder = payload
    for part in path[:-1]:
        holder = holder[_key(holder, part)]
    if value is not ABSENT:
        holder[_key(holder, path[-1])] = value
    return payload


def _key(holder: Json, part: str) -> Any:
    return int(part) if isinstance(holder, list) else part


# -- one answer each ----------------------------------------------------------------------------


def _read(field: Field, held: Mapping[str, Any]) -> Json | Absent:
    if field.widget in (Widget.BOOLEAN, Widget.CHOICE):
        return _chosen(field, held.get("selected_option"))
    if field.widget is Widget.DATE:
        return _picked_date(field, held.get("selected_date"))
    if field.widget is Widget.MINUTE:
        return _picked_minute(field, held.get("selected_date_time"))
    text = held.get("value")
    if text is not None and not isinstance(text, str):
        raise _Wrong("This could not be read. Close the form and open it again.")
    text = (text or "").replace("\r\n", "\n")
    if text == (field.initial or ""):
        return field.value
    if field.widget is Widget.JSON:
        return _json(field, text)
    if field.widget in (Widget.INTEGER, Widget.NUMBER):
        return _number(field, text.strip())
    return _text(field, text)


def _text(field: Field, text: str) -> Json | Absent:
    if not text:
        return ABSENT if field.value is ABSENT else ""
    return text


def _number(field: Field, text: str) -> Json | Absent:
    if not text:
        if field.value is ABSENT:
            return ABSENT
        raise _Wrong("Write a number.")
    if not _NUMBER.fullmatch(text) or len(text) > 60:
        raise _Wrong("Write a number such as 1200 or 12.50, without spaces or thousands separators.")
    meant = Decimal(text)
    if isinstance(field.value, (int, float)) and meant == Decimal(repr(field.value)):
        return field.value
    if abs(meant) > _LARGEST:
        raise _Wrong("This number is larger than can be kept exactly.")
    if meant == int(meant):
        return int(meant)
    if field.widget is Widget.INTEGER:
        raise _Wrong("Write a whole number.")
    value = float(meant)
    if Decimal(repr(value)) != meant:
        raise _Wrong("This number has more digits than can be kept exactly.")
    return value


def _json(field: Field, text: str) -> Json | Absent:
    if not text.strip():
        if field.value is ABSENT or isinstance(field.value, Masked):
            return field.value
        raise _Wrong('Nothing is no value: write null, "", [] or {}.')
    try:
        value = parse(text)
    except NotCanonical as refused:
        curly = ' Quotes must be straight (").' if re.search("[“”„‘’]", text) else ""
        raise _Wrong(f'{refused.detail}{curly} Text stands in quotes, as in "881".') from None
    return field.value if field.value is not ABSENT and same(field.value, value) else value


def _chosen(field: Field, option: Any) -> Json | Absent:
    if option is None:
        return field.value  # nothing can be unchosen; only an absent value has nothing chosen
    value = cast("dict[str, Any]", option).get("value") if isinstance(option, dict) else None
    choices = field.choices if field.widget is Widget.CHOICE else (True, False)
    for choice in choices:
        if json.dumps(choice, ensure_ascii=False) == value:
            return choice
    raise _Wrong("Choose one of the values offered.")


def _picked_date(field: Field, picked: Any) -> Json | Absent:
    if picked is None:
        return field.value
    try:
        return date.fromisoformat(picked).isoformat()
    except (ValueError, TypeError):
        raise _Wrong("Choose a date.") from None


def _picked_minute(field: Field, picked: Any) -> Json | Absent:
    if picked is None or picked == minute_stamp(str(field.value)):
        return field.value
    if type(picked) is not int or not 0 <= picked < 10**11:
        raise _Wrong("Choose a day and a time.")
    return minute_text(picked - picked % 60, str(field.value))
