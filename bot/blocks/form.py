"""Knows which places of a payload a person may edit and how they share the room of a form; which widget fits a value is
widgets.py's, drawing the inputs inputs.py's, reading what came back fields.py's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from bot import ids
from bot.blocks.text import units
from bot.blocks.widgets import ABSENT, Absent, Widget, json_text, pick, unseen
from gate.domain.masking import Masked
from gate.usecases.views import ActionView

Json = Any

Values = Mapping[str, Mapping[str, Any]]
"""`view.state.values` of a submission: block id -> action id -> what the input holds."""

MAX_FIELDS = 40
"""Inputs for single values; what comes after them is offered as JSON text, a whole member at a time."""
MAX_INPUTS = 60
MAX_BYTES = 150_000
"""About what all inputs together may take of a view's 250 KB."""
_LEAST_BYTES = 800
"""What an input takes before anything is in it."""
MAX_BLOCK_ID = 255
_MAX_DEPTH = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One input of the edit form. `value` is what the payload holds, `initial` what the input starts with (None:
    empty). `choices` are the allowed values, for CHOICE only."""

    pointer: str
    widget: Widget
    value: Json | Absent
    initial: str | None
    schema: Mapping[str, Json]
    required: bool = False
    choices: tuple[Json, ...] = ()

    @property
    def block_id(self) -> str:
        """`field:<JSON pointer>`."""
        return ids.field_block(self.pointer)


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """The inputs of a payload's edit form in order, and the pointers of editable places that it offers not
    at all or not whole."""

    fields: tuple[Field, ...]
    left_out: tuple[str, ...]


def form(view: ActionView) -> Form:
    """The same for the same view, so that a submission is read with the form that was shown."""
    schema = _merged(view.payload_schema, view.editable_schema)
    room = _Room()
    for root in _roots(view):
        for unit in _units(root, view.payload, schema):
            _place(unit, room)
    return Form(fields=tuple(room.fields), left_out=tuple(room.left_out))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    pointer: str
    value: Json | Absent
    schema: Mapping[str, Json]
    required: bool
    root: Mapping[str, Json]


class _Room:
    """A form in the making: its inputs, what it leaves out, and how much still fits."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.left_out: list[str] = []
        self._bytes = 0

    @property
    def full(self) -> bool:
        """Whether not even the smallest input fits any more. Then nothing further is looked at: a payload of
        many small parts would keep everybody waiting."""
        return len(self.fields) >= MAX_INPUTS or self._bytes + _LEAST_BYTES > MAX_BYTES

    def take(self, fields: Sequence[Field]) -> bool:
        """Whether these inputs fit; then the form has them."""
        wanted = _size(fields)
        if len(self.fields) + len(fields) > MAX_INPUTS or self._bytes + wanted > MAX_BYTES:
            return False
        self.fields.extend(fields)
        self._bytes += wanted
        return True


def _place(place: _Place, room: _Room) -> None:
    """Give a place its inputs: one for each of its single values where there is room for all of them, else one JSON
    text, else what its members get one by one; what gets nothing, or not all of what it holds, is left out."""
    if room.full:
        room.left_out.append(place.pointer)
        return
    found = list(_leaves(place, 0, MAX_FIELDS + 1))
    if len(room.fields) + len(found) <= MAX_FIELDS:
        single = [field for leaf in found if (field := _field(leaf)) is not None]
        if len(single) == len(found) and room.take(single):
            return
    whole = _field(place, as_json=True)
    if whole is not None and room.take([whole]):
        return
    inside = False
    for child in _children(place):
        inside = True
        if room.full:
            room.left_out.append(place.pointer)
            return
        _place(child, room)
    if not inside:
        room.left_out.append(place.pointer)


def _size(fields: Sequence[Field]) -> int:
    """About how many bytes the inputs take, with every other character escaped."""
    return sum(
        _LEAST_BYTES
        + len(json.dumps([f.initial, f.pointer, f.schema.get("description")]))
        + 2 * len(json.dumps(f.choices))
        + 60 * len(f.choices)
        for f in fields
    )


def _children(place: _Place) -> Iterator[_Place]:
    """The members of an object, the items of a list; nothing for a single value."""
    if is_filled(place.value):
        yield from _members(place)
        return
    value: object = place.value
    if isinstance(value, list):
        for at, item in enumerate(cast("list[Json]", value)):
            yield _Place(
                pointer=f"{place.pointer}/{at}",
                value=item,
                schema=_resolved(place.schema.get("items", {}), place.root),
                required=True,
                root=place.root,
            )


def _roots(view: ActionView) -> list[tuple[str, ...]]:
    """Where editing may start, as pointer parts, outermost only, in the payload's order as given."""
    if view.editable_paths is None:
        return [()]
    found = [tuple(parts_of(path)) for path in dict.fromkeys(view.editable_paths)]
    return [path for path in found if not any(path[: len(o)] == o and path != o for o in found)]


def _units(root: tuple[str, ...], payload: Json, schema: Mapping[str, Json]) -> Iterator[_Place]:
    """The members under a root, one by one, or the root itself where it is no object."""
    value = cast("Json | Absent", payload)
    here, required = _resolved(schema, schema), True
    for part in root:
        required = part in _required(here)
        value = _child(value, part)
        here = _resolved(_sub(here, part), schema)
    if value is ABSENT and not isinstance(_at(payload, root[:-1]), dict):
        return
    place = _Place(pointer=_pointer(root), value=value, schema=here, required=required, root=schema)
    if isinstance(value, dict):
        yield from _members(place)
        if not value and not _properties(here):
            yield place
    else:
        yield place


def _members(place: _Place) -> Iterator[_Place]:
    """The members of an object, then those its schema knows and the payload lacks."""
    value = cast("dict[str, Json]", place.value)
    needed = _required(place.schema)
    absent = [key for key in _properties(place.schema) if key not in value]
    for key in (*value, *absent):
        yield _Place(
            pointer=f"{place.pointer}/{_escaped(key)}",
            value=value.get(key, ABSENT),
            schema=_resolved(_sub(place.schema, key), place.root),
            required=key in needed,
            root=place.root,
        )


def _leaves(place: _Place, depth: int, most: int) -> Iterator[_Place]:
    """The single values of a place, at most `most`; lists, and what is nested too deep, stay whole."""
    if not is_filled(place.value) or depth >= _MAX_DEPTH:
        yield place
        return
    given = 0
    for member in _members(place):
        for leaf in _leaves(member, depth + 1, most - given):
            yield leaf
            given += 1
            if given >= most:
                return


def is_filled(value: Json | Absent) -> bool:
    """Whether it is an object with members."""
    return isinstance(value, dict) and bool(cast("dict[str, Json]", value))


# -- schemas ------------------------------------------------------------------------------------


def _merged(proposed: Mapping[str, Json] | None, policy: Mapping[str, Json] | None) -> Mapping[str, Json]:
    """The policy's schema speaks before the agent's, property by property."""
    if not policy:
        return proposed or {}
    if not proposed:
        return policy
    properties = {**_properties(proposed), **_properties(policy)}
    return {**proposed, **policy} | ({"properties": properties} if properties else {})


def _resolved(schema: Json, root: Mapping[str, Json]) -> Mapping[str, Json]:
    """The schema behind local references; {} for what is not understood."""
    for _ in range(8):
        if not isinstance(schema, dict):
            return {}
        found = cast("dict[str, Json]", schema)
        reference = found.get("$ref")
        if not isinstance(reference, str):
            return found
        schema = _at(root, tuple(parts_of(reference[1:]))) if reference.startswith("#/") else {}
    return {}


def _properties(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    found = schema.get("properties")
    return cast("dict[str, Json]", found) if isinstance(found, dict) else {}


def _required(schema: Mapping[str, Json]) -> Sequence[Json]:
    found = schema.get("required")
    return cast("list[Json]", found) if isinstance(found, list) else []


def _sub(schema: Mapping[str, Json], part: str) -> Json:
    properties = _properties(schema)
    if part not in properties and part.isdigit():
        return schema.get("items", {})
    return properties.get(part, {})


# -- pointers -----------------------------------------------------------------------------------


def parts_of(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _pointer(path: Sequence[str]) -> str:
    return "".join("/" + _escaped(part) for part in path)


def _child(value: Json | Absent, part: str) -> Json | Absent:
    if isinstance(value, dict):
        found = cast("dict[str, Json]", value)
        return found.get(part, ABSENT)
    if isinstance(value, list) and re.fullmatch(r"0|[1-9][0-9]{0,6}", part, re.ASCII):
        items = cast("list[Json]", value)
        return items[int(part)] if int(part) < len(items) else ABSENT
    return ABSENT


def _at(value: Json | Absent, path: Sequence[str]) -> Json | Absent:
    for part in path:
        value = _child(value, part)
    return value


# -- inputs --------------------------------------------------------------------------------------


def _field(place: _Place, *, as_json: bool = False) -> Field | None:
    """The input for one place; None where none can give the value back exactly or its pointer is too long."""
    if units(ids.field_block(place.pointer)) > MAX_BLOCK_ID or unseen(place.pointer):
        return None
    widget, initial, choices = (Widget.JSON, None, ()) if as_json else pick(place.value, place.schema)
    if isinstance(place.value, Masked):
        if place.value.key is not None:
            return None  # not even its name is shown, so nothing can be said of it
    elif widget is Widget.JSON and place.value is not ABSENT:
        initial = json_text(place.value)
        if initial is None:
            return None
    return Field(
        pointer=place.pointer,
        widget=widget,
        value=place.value,
        initial=initial,
        schema=place.schema,
        required=place.required,
        choices=choices,
    )


def held_in(values: Values | None, block_id: str, action_id: str) -> Mapping[str, Json] | None:
    """What an input holds according to `view.state.values`; None where there is nothing that can be read."""
    inputs: object = (values or {}).get(block_id)
    if not isinstance(inputs, Mapping):
        return None
    found: object = cast("Mapping[str, object]", inputs).get(action_id)
    return cast("Mapping[str, Json]", found) if isinstance(found, Mapping) else None
