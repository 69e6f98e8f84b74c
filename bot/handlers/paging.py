"""Turns the pages of details and confirm, always from the store's present state."""

from __future__ import annotations

from dataclasses import replace

from bot import ids
from bot.answering.desk import NOT_ITS_PLACE, UNKNOWN, Desk
from bot.blocks.modals import confirm_modal, decided_modal, details_modal
from bot.handlers import break_glass, history, opening, review, unmasking
from bot.payloads import Click
from bot.surfaces.drawing import drawn
from gate.domain.refusal import Refused
from gate.domain.risk import Risk
from gate.usecases.cards import card_view
from gate.usecases.shown import note_page

_FORMS = {ids.MODAL_BREAK_GLASS: break_glass.form, ids.MODAL_REVIEW: review.form}
"""Forms of an emergency, which are drawn for one person."""


async def turned(desk: Desk, click: Click) -> Refused | None:
    """Show another page of the open modal."""
    page = ids.parse_page(click.value)
    if click.view is None or click.view.state is None or page is None:
        return NOT_ITS_PLACE
    state = replace(click.view.state, page=page)
    view = await card_view(desk.deps, state.action_id)
    if view is None:
        return UNKNOWN
    if click.view.callback_id == ids.MODAL_CONFIRM:
        if page > click.view.state.page + 1:
            return NOT_ITS_PLACE  # every page is opened in turn (threat 3)
        if view.version != state.version or view.status.terminal:
            modal = decided_modal(view, replace(state, version=view.version, page=0))
        else:
            modal = await drawn(view, lambda: confirm_modal(view, state, page))
    elif click.view.callback_id == ids.MODAL_DETAILS:
        modal = await drawn(view, lambda: details_modal(view, state, page))
    elif click.view.callback_id == ids.MODAL_HISTORY:
        reading = await desk.person(click.sender)
        told = reading if isinstance(reading, Refused) else await history.page(desk, reading, state)
        if isinstance(told, Refused):
            return told
        modal = told
    elif click.view.callback_id == ids.MODAL_UNMASKED:
        looking = await desk.person(click.sender, risk=Risk.HIGH)
        bare = looking if isinstance(looking, Refused) else await unmasking.page(desk, looking, state)
        if isinstance(bare, Refused):
            return bare
        modal = bare
    elif click.view.callback_id in _FORMS:
        if page > click.view.state.page + 1:
            return NOT_ITS_PLACE  # every page is opened in turn (threat 3)
        person = await desk.person(click.sender)
        if isinstance(person, Refused):
            return person
        found = await _FORMS[click.view.callback_id](desk, person, state, page)
        if isinstance(found, Refused):
            return found
        if view.version != state.version:
            found = decided_modal(view, replace(state, version=view.version, page=0))
        modal = found
    else:
        return NOT_ITS_PLACE
    await desk.web.call("views.update", view_id=click.view.id, hash=click.view.hash, view=modal)
    if modal["callback_id"] in (ids.MODAL_CONFIRM, ids.MODAL_DETAILS, ids.MODAL_UNMASKED):
        reader = await desk.person(click.sender)
        if modal["callback_id"] == ids.MODAL_UNMASKED and not isinstance(reader, Refused):
            await unmasking.noted(desk, reader, modal)
        elif not isinstance(reader, Refused):
            name = opening.page_name(modal, page)
            await note_page(desk.deps, view.action_id, view.version, name, modal, reader.id)
    return None
