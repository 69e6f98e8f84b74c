"""Knows the modals: what each asks for and what it is called; the long reading matter is details.py's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot import ids
from bot.blocks import asking, details, parts, progress
from bot.blocks.form import Values, form, held_in
from bot.blocks.history import history_button
from bot.blocks.inputs import chosen_in, comment_input, field_input, then_input
from bot.blocks.pages import paged, turning
from bot.blocks.payload import beside, pointer_path
from bot.blocks.text import shown, trimmed, units
from gate.domain.request import REJECT_CATEGORIES, Status
from gate.usecases.views import ActionView, PersonRef

Json = dict[str, Any]

MAX_OPTIONS = 100
MAX_OPTION_GROUPS = 20
MAX_PEOPLE = 800
"""People offered at most, so that the view stays within its bytes; the form says where there are more."""
MAX_KEPT_LINES = 15
"""Lines of what an edit form shows and does not let one change."""
PRESET_CATEGORY = "other"


def _modal(
    callback: str,
    title: str,
    blocks: Sequence[Json],
    state: ids.ModalState,
    *,
    submit: str | None = None,
    close: str = "Close",
) -> Json:
    view: Json = {
        "type": "modal",
        "callback_id": callback,
        "title": parts.own(title, 24),
        "close": parts.own(close, 24),
        "private_metadata": state.encode(),
        "blocks": list(blocks),
    }
    return view | ({"submit": parts.own(submit, 24)} if submit else {})


def _subject(view: ActionView) -> Json:
    """Two lines that keep in sight what a form is about."""
    return parts.lines(
        [
            [parts.words(asking.headline(view), bold=True)],
            [
                parts.words(
                    f"{asking.runs(view)} {asking.what_runs(view)}, asked by {shown(view.agent_name, 80)}"
                )
            ],
        ]
    )


def details_modal(view: ActionView, state: ids.ModalState, page: int = 0) -> Json:
    """Everything there is to read, page by page; a page past the end shows the last one."""
    pages = paged(details.everything(view))
    page = min(max(page, 0), len(pages) - 1)
    story = parts.actions(history_button(view.action_id, view.version), block_id="story")
    blocks = [*pages[page], *turning(page, len(pages)), story]
    return _modal(ids.MODAL_DETAILS, "Details", blocks, replace(state, page=page))


def confirm_modal(view: ActionView, state: ids.ModalState, page: int = 0) -> Json:
    """The whole payload, page by page; only the last page can be submitted, and only by turning all the others does
    one get there (threat 3)."""
    pages = paged([*details.opening(view), *details.whole_payload(view)])
    page = min(max(page, 0), len(pages) - 1)
    last = page == len(pages) - 1
    blocks = [*pages[page], *turning(page, len(pages))]
    if "reject" in view.allow:
        value = ids.card_value(view.action_id, view.version)
        blocks.append(parts.actions(parts.button("Reject instead", ids.REJECT, value, style="danger")))
    if not last:
        blocks.append(parts.note("Approve stands on the last page."))
        title = f"Review all, {page + 1} of {len(pages)}"
        return _modal(ids.MODAL_CONFIRM, title, blocks, replace(state, page=page))
    blocks.append(comment_input("Comment, for the record"))
    return _modal(ids.MODAL_CONFIRM, "Review all", blocks, replace(state, page=page), submit="Approve")


def edit_modal(view: ActionView, state: ids.ModalState, draft: Values | None = None) -> Json:
    """The edit form: a typed input per editable place, the rest as JSON text, a comment, and what comes then.

    `draft` are the values of an earlier submission, filled in again. Where nothing can be edited the modal says so
    and has nothing to submit.
    """
    shape = form(view)
    blocks: list[Json] = [_subject(view)]
    if view.changes:
        heading = [parts.words(f"Version {view.version}, against what was proposed", bold=True)]
        blocks.append(parts.lines([heading, *progress.changes(view.changes)]))
    if not shape.fields:
        blocks.append(parts.lines([[parts.words("No value of this payload can be edited here.")]]))
        return _modal(ids.MODAL_EDIT, "Edit", blocks, state)
    blocks += [field_input(field, draft) for field in shape.fields]
    if shape.left_out:
        named = ", ".join(trimmed(pointer_path(pointer), 60) for pointer in shape.left_out[:12])
        rest = f" and {len(shape.left_out) - 12:,} more" if len(shape.left_out) > 12 else ""
        told = f"Too long to be edited here, whole or in part, and kept as they are: {named}{rest}."
        blocks.append(parts.lines([[parts.words(told)]]))
    if view.editable_paths is not None:
        blocks.append(parts.note("Policy lets reviewers change these places only."))
    blocks += _kept(view, [field.pointer for field in shape.fields])
    blocks.append(comment_input("Comment, for the record"))
    blocks.append(then_input("approve" in view.allow))
    made = _modal(ids.MODAL_EDIT, "Edit", blocks, state, submit="Submit", close="Cancel")
    return _with_draft(made, draft)


def _kept(view: ActionView, pointers: Sequence[str]) -> list[Json]:
    """What has no input, to be read beside what has: an amount means little without the order it is for."""
    rows, rest = beside(view.payload, pointers, most=MAX_KEPT_LINES)
    if not rows:
        return []
    text = "\n".join(trimmed(row, 120) for row in rows)
    told = f", and {rest:,} more, see the details" if rest else ""
    return [
        parts.rich(
            parts.line(parts.words("Stays as it is", bold=True), parts.words(f"{told}:")), parts.pre(text)
        )
    ]


def _with_draft(modal: Json, draft: Values | None) -> Json:
    """Fill in comment and choice again."""
    for block in modal["blocks"]:
        held = held_in(draft, block["block_id"], block["block_id"]) if "block_id" in block else None
        if held is None or block["type"] != "input":
            continue
        element: Json = block["element"]
        if isinstance(held.get("value"), str) and held["value"]:
            element["initial_value"] = held["value"][:1_000]
        option = chosen_in(held)
        for offered in element.get("options", ()):
            if offered["value"] == option:
                element["initial_option"] = offered
    return modal


def reject_modal(view: ActionView, state: ids.ModalState) -> Json:
    """Why not: a category, preset to the one that only needs a sentence, and a comment for the agent to learn from;
    so opening, typing and submitting is all it takes."""
    options = [{"text": parts.own(text, 75), "value": code} for code, text in REJECT_CATEGORIES.items()]
    preset = next((option for option in options if option["value"] == PRESET_CATEGORY), options[0])
    category: Json = {
        "type": "input",
        "block_id": ids.CATEGORY,
        "label": parts.own("What is wrong?", 200),
        "element": {
            "type": "radio_buttons",
            "action_id": ids.CATEGORY,
            "options": options,
            "initial_option": preset,
        },
    }
    comment = comment_input("What should be different?")
    comment["element"]["focus_on_load"] = True
    told = f"The agent and its owner read this. Needed for “{REJECT_CATEGORIES.get(PRESET_CATEGORY, '')}”."
    comment["hint"] = parts.own(told, 200)
    blocks = [_subject(view), comment, category]
    return _modal(ids.MODAL_REJECT, "Reject", blocks, state, submit="Reject", close="Cancel")


def reassign_modal(
    view: ActionView,
    state: ids.ModalState,
    people: Sequence[PersonRef],
    groups: Mapping[str, Sequence[PersonRef]] | None = None,
) -> Json:
    """Whom to ask as well, and why. `people` may be asked; those of `groups` (name -> members) stand under its name.
    Values are person ids. Where there is nobody to ask the modal says so and has nothing to submit."""
    offered = _option_groups(people, groups or {})
    blocks: list[Json] = [_subject(view)]
    if not offered:
        blocks.append(parts.lines([[parts.words("There is nobody else who could be asked.")]]))
        return _modal(ids.MODAL_REASSIGN, "Ask others", blocks, state)
    blocks.append(
        {
            "type": "input",
            "block_id": ids.REASSIGN_TO,
            "label": parts.own("Who should decide?", 200),
            "element": {
                "type": "multi_static_select",
                "action_id": ids.REASSIGN_TO,
                "placeholder": parts.own("Choose people", 150),
                "option_groups": offered,
                "max_selected_items": 10,
            },
        }
    )
    if len(people) > MAX_PEOPLE:
        blocks.append(parts.note(f"The first {MAX_PEOPLE:,} of {len(people):,} people are offered."))
    reason = comment_input("Why?", optional=False, block_id=ids.REASON)
    return _modal(
        ids.MODAL_REASSIGN, "Ask others", [*blocks, reason], state, submit="Ask them", close="Cancel"
    )


def _option_groups(people: Sequence[PersonRef], groups: Mapping[str, Sequence[PersonRef]]) -> list[Json]:
    """Each person once, under the first group that names them, at most 100 a heading."""
    allowed = {person.id: person for person in people[:MAX_PEOPLE] if 1 <= units(person.id) <= 150}
    placed: set[str] = set()
    headed: list[tuple[str, list[PersonRef]]] = []
    for heading, members in (*groups.items(), ("People", list(people))):
        found = [m for m in members if m.id in allowed and m.id not in placed]
        unique = list({m.id: allowed[m.id] for m in found}.values())
        placed |= {m.id for m in unique}
        headed += [(heading, unique[at : at + MAX_OPTIONS]) for at in range(0, len(unique), MAX_OPTIONS)]
    return [
        {
            "label": parts.plain(heading, 75),
            "options": [{"text": parts.plain(m.name or m.id, 75), "value": m.id} for m in members],
        }
        for heading, members in headed[:MAX_OPTION_GROUPS]
    ]


def decided_modal(view: ActionView, state: ids.ModalState | None = None) -> Json:
    """For a form that came too late: how it ended, or that it was changed meanwhile; nothing to submit."""
    state = state or ids.ModalState(action_id=view.action_id, version=view.version)
    blocks = [_subject(view)]
    if view.status is Status.PENDING:
        changed = f"This was changed while you were looking: it is version {view.version} now."
        heading = [parts.words(changed, bold=True)]
        blocks.append(parts.lines([heading, *progress.changes(view.changes)]))
        blocks.append(
            parts.lines([[parts.words("Nothing was done. Close this and look at the card again.")]])
        )
        return _modal(ids.MODAL_NOTICE, "Changed meanwhile", blocks, state)
    blocks.append(parts.lines(progress.state(view)))
    blocks.append(parts.lines([[parts.words("Your answer came after that and was not counted.")]]))
    return _modal(ids.MODAL_NOTICE, "Already decided", blocks, state)


def notice_modal(title: str, sentence: str) -> Json:
    """One sentence, for when a modal was promised and there is nothing else to show in it."""
    return {
        "type": "modal",
        "callback_id": ids.MODAL_NOTICE,
        "title": parts.own(title, 24),
        "close": parts.own("Close", 24),
        "blocks": [parts.lines([[parts.words(shown(sentence, 2_000))]])],
    }
