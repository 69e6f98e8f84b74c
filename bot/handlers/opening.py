"""Opens forms from a fast read, while the trigger lives: edit, reject, reassign, details, confirm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot import ids
from bot.answering.desk import NOT_ITS_PLACE, UNKNOWN, Desk
from bot.blocks.modals import confirm_modal, details_modal, edit_modal, reassign_modal, reject_modal
from bot.handlers.reassign import can_be_asked
from bot.ids import ModalState
from bot.payloads import Click
from bot.surfaces.drawing import drawn
from gate.domain.eligibility import may_decide
from gate.domain.people import Person
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.usecases.cards import card_view
from gate.usecases.emergencies import people_of, reviewable
from gate.usecases.shown import note_page
from gate.usecases.views import ActionView

Form = Callable[[Desk, Click, ActionRecord, int], Awaitable[Refused | None]]


def state_for(click: Click, view: ActionView) -> ModalState:
    """What the form remembers: the version it shows, and where the card stands for the answer."""
    return ModalState(
        action_id=view.action_id,
        version=view.version,
        channel=click.place.channel,
        message_ts=click.place.message_ts,
    )


async def _view_for(
    desk: Desk, click: Click, record: ActionRecord, verb: str, version: int | None
) -> tuple[ActionView, Person] | Refused:
    """The view to open a form on, or why this person has no use for the form. No fresh look-up here: the trigger
    lives three seconds, and whoever submits is looked up then."""
    person = await desk.person(click.sender)
    if isinstance(person, Refused):
        return person
    hindrance = await desk.hindrance(record, person, verb, version)
    if hindrance is not None:
        return hindrance
    view = await card_view(desk.deps, record.id)
    return UNKNOWN if view is None else (view, person)


async def edit(desk: Desk, click: Click, record: ActionRecord, version: int) -> Refused | None:
    """The edit form shows the current values, so an old card's button opens it just as well."""
    found = await _view_for(desk, click, record, "edit", None)
    if isinstance(found, Refused):
        return found
    view, person = found
    modal = await drawn(view, lambda: edit_modal(view, state_for(click, view)))
    await desk.open(click.trigger_id, modal)
    await note_page(desk.deps, view.action_id, view.version, ids.MODAL_EDIT, modal, person.id)
    return None


async def reject(
    desk: Desk, click: Click, record: ActionRecord, version: int, *, on_top: bool = False
) -> Refused | None:
    """Rejecting says no to the version on the card, so it has to be the current one. `on_top` of the modal in which
    somebody has just read all of it."""
    found = await _view_for(desk, click, record, "reject", version)
    if isinstance(found, Refused):
        return found
    view, _ = found
    await desk.open(click.trigger_id, reject_modal(view, state_for(click, view)), on_top=on_top)
    return None


def reads(click: Click, action_id: str) -> bool:
    """Whether the click comes from the modal in which this person reads all of this action."""
    found = click.view
    return (
        found is not None
        and found.callback_id == ids.MODAL_CONFIRM
        and found.state is not None
        and found.state.action_id == action_id
    )


async def reassign(desk: Desk, click: Click, record: ActionRecord, version: int) -> Refused | None:
    """Ask others: it does not depend on the version."""
    found = await _view_for(desk, click, record, "reassign", None)
    if isinstance(found, Refused):
        return found
    view, person = found
    people, groups = can_be_asked(record, desk.deps.rules.current.directory, person.id)
    await desk.open(click.trigger_id, reassign_modal(view, state_for(click, view), people, groups))
    return None


async def details(desk: Desk, click: Click, record: ActionRecord, *, from_card: bool) -> Refused | None:
    """Everything there is to see. On the card itself for any full member of the workspace who sees the card;
    from Home or a queue, where a forged value could name any action, for those it concerns."""
    person = await desk.person(click.sender)
    if isinstance(person, Refused):
        unlisted = from_card and person.code == "not_a_reviewer" and await desk.is_full_member(click.sender)
        if not unlisted:
            return person
    elif not from_card and not await concerns(desk, record, person):
        return NOT_ITS_PLACE
    view = await card_view(desk.deps, record.id)
    if view is None:
        return UNKNOWN
    modal = await drawn(view, lambda: details_modal(view, state_for(click, view), 0))
    await desk.open(click.trigger_id, modal)
    if not isinstance(person, Refused):
        await note_page(desk.deps, view.action_id, view.version, page_name(modal), modal, person.id)
    return None


async def from_queue(desk: Desk, click: Click, record: ActionRecord, version: int) -> Refused | None:
    """What a line of Home or of a queue opens: the details, or where no card of its own has the buttons, all there is
    to read with the buttons under it."""
    if not record.status.terminal and await desk.shares_a_message(record.id):
        found = await _view_for(desk, click, record, "approve", version)
        if not isinstance(found, Refused):
            return await confirm(desk, click, *found)
    return await details(desk, click, record, from_card=False)


async def confirm(desk: Desk, click: Click, view: ActionView, person: Person) -> Refused | None:
    """The whole payload, page by page; approving stands at the end of it."""
    modal = await drawn(view, lambda: confirm_modal(view, state_for(click, view), 0))
    await desk.open(click.trigger_id, modal)
    await note_page(desk.deps, view.action_id, view.version, page_name(modal), modal, person.id)
    return None


def page_name(modal: Mapping[str, Any], page: int = 0) -> str:
    """What the record calls a page of a modal; pages count from 0 here and from 1 there."""
    return f"{modal['callback_id']}/{page + 1}"


async def concerns(desk: Desk, record: ActionRecord, person: Person) -> bool:
    """Whether this person may decide the action, or had to do with it."""
    directory = await desk.directory()
    if may_decide(record, person.id, directory) is None or person.id in record.asked:
        return True
    if record.emergency is not None and person.id in people_of(record.emergency):
        return True
    if record.in_review and await reviewable(desk.deps, person.id, record.id) is None:
        return True
    owner = directory.find(record.agent.owner)
    return any(person.id in (v.person, v.on_behalf_of) for v in record.votes) or (
        owner is not None and owner.id == person.id
    )


FORMS: dict[str, Form] = {ids.EDIT: edit, ids.REJECT: reject, ids.REASSIGN: reassign}
"""Button of the card -> the form it opens."""
