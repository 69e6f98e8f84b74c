"""What policy masks, shown to a reviewer who asks for it; it is on record before it opens."""

from __future__ import annotations

from typing import Any

from bot import ids
from bot.answering.desk import Desk
from bot.blocks.unmasking import unmasked_modal
from bot.handlers.opening import page_name
from bot.ids import ModalState
from bot.payloads import Click
from bot.surfaces.drawing import drawn
from gate.domain.people import Person
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.risk import Risk
from gate.usecases.shown import note_page
from gate.usecases.unmask import unmask


async def clicked(desk: Desk, click: Click, record: ActionRecord) -> Refused | None:
    """Open it, on top of the modal in which the button stands. The button stands in many places and any value can be
    forged, so rights are checked, not places; who this is, Slack is asked afresh (threats 5 and 6)."""
    person = await desk.person(click.sender, risk=Risk.HIGH)
    if isinstance(person, Refused):
        return person
    state = ModalState(
        action_id=record.id,
        version=record.version.number,
        channel=click.place.channel,
        message_ts=click.place.message_ts,
    )
    modal = await page(desk, person, state)
    if isinstance(modal, Refused):
        return modal
    await desk.open(click.trigger_id, modal, on_top=click.view is not None)
    await noted(desk, person, modal)
    return None


async def page(desk: Desk, person: Person, state: ModalState) -> dict[str, Any] | Refused:
    """The page that `state` names, for somebody who may see it; that they do is on record then."""
    view = await unmask(desk.deps, state.action_id, person.id, page=state.page)
    if isinstance(view, Refused):
        return view
    now = ModalState(
        action_id=view.action_id,
        version=view.version,
        channel=state.channel,
        message_ts=state.message_ts,
        page=state.page,
    )
    return await drawn(view, lambda: unmasked_modal(view, now))


async def noted(desk: Desk, person: Person, modal: dict[str, Any]) -> None:
    """Keep the digest of the page among what this person saw of the version."""
    state = ModalState.decode(modal["private_metadata"])
    if state is not None and modal["callback_id"] == ids.MODAL_UNMASKED:
        name = page_name(modal, state.page)
        await note_page(desk.deps, state.action_id, state.version, name, modal, person.id)
