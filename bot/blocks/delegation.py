"""Knows how lent authority is asked for, shown and told of; who may lend what is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bot import ids
from bot.blocks import parts
from bot.blocks.inputs import comment_input
from bot.blocks.messages import Line
from bot.blocks.text import clip_bytes, inert, shown, units
from bot.blocks.words import listed, utc
from gate.usecases.views import DelegationView, PersonRef

Json = dict[str, Any]

MAX_OPTIONS = 100
MAX_GROUPS = 8
"""Option groups of a hundred people each, so that the view stays within its bytes."""
MAX_FALLBACK = 3_800
MAX_SHOWN = 8
"""Delegations on a Home, two blocks each."""
PRESET = timedelta(days=7)


def delegate_modal(people: Sequence[PersonRef], groups: Sequence[str], now: datetime) -> Json:
    """To whom, what, from when until when and why. `people` may be chosen; `groups` are the grantor's own."""
    offered = _people(people)
    view: Json = {
        "type": "modal",
        "callback_id": ids.MODAL_DELEGATE,
        "title": parts.own("Delegate", 24),
        "close": parts.own("Cancel", 24),
    }
    if not offered:
        told = [[parts.words("There is nobody else in people.yaml who could stand in for you.")]]
        return view | {"blocks": [parts.lines(told)]}
    told = (
        "They may then approve, edit and reject what you may. It counts as your vote and as theirs, both at once; "
        "they cannot hand it on. You can end it with one click, in Home."
    )
    blocks = [
        parts.lines([[parts.words("Somebody decides for you for a while. ", bold=True), parts.words(told)]]),
        _input(
            ids.DELEGATE_TO,
            "To whom?",
            {
                "type": "static_select",
                "placeholder": parts.own("Choose a person", 150),
                "option_groups": offered,
            },
        ),
        _input(ids.DELEGATE_FROM, "From", {"type": "datetimepicker", "initial_date_time": _minute(now)}),
        _input(
            ids.DELEGATE_UNTIL,
            "Until",
            {"type": "datetimepicker", "initial_date_time": _minute(now + PRESET)},
        ),
        *_scope(groups),
        comment_input("Why?", optional=False, block_id=ids.REASON),
    ]
    return view | {"blocks": blocks, "submit": parts.own("Delegate", 24)}


def home_blocks(found: Sequence[DelegationView], person: PersonRef) -> list[Json]:
    """What this person lent and was lent, each with the button that ends it."""
    blocks: list[Json] = []
    if found:
        blocks += [parts.divider(), parts.header("Delegations")]
    for item in found[:MAX_SHOWN]:
        text = sentence(item, person)
        button = parts.button(
            "Take back" if item.grantor.id == person.id else "Give back",
            ids.REVOKE_DELEGATION,
            item.id,
            style="danger",
            label=f"End: {text}",
        )
        blocks.append({"type": "section", "text": parts.own(text, 3_000), "accessory": button})
        blocks.append(parts.lines([_when(item), _what(item, person)]))
    if len(found) > MAX_SHOWN:
        blocks.append(parts.note(f"… and {len(found) - MAX_SHOWN} more."))
    return blocks


def delegate_button() -> Json:
    """The button that opens the form."""
    return parts.button(
        "Delegate…", ids.DELEGATE, ids.DELEGATE, label="Let somebody decide for you for a while"
    )


def delegation_message(item: DelegationView, reader: PersonRef, event: str) -> Line:
    """What the grantor and the delegate are told when it begins (`granted`) or was ended (`revoked`)."""
    said = sentence(item, reader)
    if event == "revoked":
        by = "You" if item.revoked_by and item.revoked_by.id == reader.id else _name(item.revoked_by)
        text = f"{by} ended the delegation: {said}. It holds no longer."
        first = [parts.words(f"{by} ended a delegation. ", bold=True), parts.words(f"{said}: no longer.")]
        return Line(clip_bytes(inert(text), MAX_FALLBACK), [parts.lines([first])])
    text = f"{said}, from {utc(item.start)} until {utc(item.end)}: {scope(item, reader)}."
    paragraphs = [[parts.words(said, bold=True)], _when(item), _what(item, reader)]
    if reader.id == item.delegate.id:
        paragraphs.append(
            [parts.words("Your vote then counts as theirs and yours together. You cannot hand it on.")]
        )
    end = "Take back" if reader.id == item.grantor.id else "Give back"
    button = parts.button(end, ids.REVOKE_DELEGATION, item.id, label=f"End: {said}")
    return Line(clip_bytes(inert(text), MAX_FALLBACK), [parts.lines(paragraphs), parts.actions(button)])


def sentence(item: DelegationView, reader: PersonRef) -> str:
    """`Bo Lindqvist decides for you`, or `You decide for Ana Ruiz`."""
    if reader.id == item.delegate.id:
        return f"You decide for {parts.name(item.grantor)}"
    whom = "you" if reader.id == item.grantor.id else parts.name(item.grantor)
    return f"{parts.name(item.delegate)} decides for {whom}"


def scope(item: DelegationView, reader: PersonRef) -> str:
    """What was lent, in words."""
    found: list[str] = []
    if item.topics:
        found.append(f"topics {listed([shown(t, 80) for t in item.topics[:8]])}{_more(item.topics, 8)}")
    if item.groups:
        found.append(
            f"as a member of {listed([shown(g, 60) for g in item.groups[:8]])}{_more(item.groups, 8)}"
        )
    return ", ".join(found) or f"everything {'you' if reader.id == item.grantor.id else 'they'} may decide"


def _when(item: DelegationView) -> list[Json]:
    front = "in force until " if item.start <= item.now else "from "
    told = [parts.words(front)]
    if item.start > item.now:
        told += [parts.when(item.start), parts.words(" until ")]
    return [*told, parts.when(item.end)]


def _what(item: DelegationView, reader: PersonRef) -> list[Json]:
    return [parts.words(f"{scope(item, reader)} · “{shown(item.reason, 300)}”")]


def _more(items: Sequence[str], most: int) -> str:
    return f" and {len(items) - most} more" if len(items) > most else ""


def _name(person: PersonRef | None) -> str:
    return parts.name(person) if person is not None else "Somebody"


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60 * 60


def _input(name: str, label: str, element: Json, *, optional: bool = False, hint: str | None = None) -> Json:
    block: Json = {
        "type": "input",
        "block_id": name,
        "label": parts.own(label, 200),
        "element": element | {"action_id": name},
        "optional": optional,
    }
    return block | ({"hint": parts.own(hint, 500)} if hint else {})


def _scope(groups: Sequence[str]) -> list[Json]:
    topics = {"type": "plain_text_input", "multiline": True, "max_length": 3_000}
    blocks = [
        _input(
            ids.DELEGATE_TOPICS,
            "Only these topics",
            topics,
            optional=True,
            hint="One a line, such as job.deploy.* where * is anything. Empty: all of mine.",
        )
    ]
    own = [g for g in groups if 1 <= units(g) <= 150][:MAX_OPTIONS]
    if own:
        options = [{"text": parts.plain(g, 75), "value": g} for g in own]
        element = {
            "type": "multi_static_select",
            "placeholder": parts.own("All of mine", 150),
            "options": options,
        }
        blocks.append(
            _input(
                ids.DELEGATE_GROUPS,
                "Only as a member of these groups",
                element,
                optional=True,
                hint="What you may decide through one of them. Empty: all of mine.",
            )
        )
    return blocks


def _people(people: Sequence[PersonRef]) -> list[Json]:
    allowed = sorted(
        (p for p in people if 1 <= units(p.id) <= 150), key=lambda p: (p.name or p.id).casefold()
    )
    allowed = allowed[: MAX_OPTIONS * MAX_GROUPS]
    return [
        {
            "label": parts.own(f"People {parts.name(some[0])[:20]} … {parts.name(some[-1])[:20]}", 75),
            "options": [{"text": parts.plain(p.name or p.id, 75), "value": p.id} for p in some],
        }
        for at in range(0, len(allowed), MAX_OPTIONS)
        if (some := allowed[at : at + MAX_OPTIONS])
    ]
