"""The buttons of a card: approve votes at once, the others open their form; every click is answered."""

from __future__ import annotations

import asyncio

from bot import ids
from bot.answering import told
from bot.answering.desk import NOT_ITS_PLACE, UNKNOWN, Desk
from bot.blocks.card import needs_full_view
from bot.handlers import delegate, history, opening, paging, review, unmasking
from bot.handlers.replies import done, refused
from bot.payloads import Click
from bot.surfaces.drawing import drawn
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Choice
from gate.usecases.cards import card_view
from gate.usecases.commands import CastVote
from gate.usecases.decide import decide


async def clicked(desk: Desk, click: Click) -> None:
    """Serve one click, wherever the button stands."""
    if click.button == ids.OPEN_CARD:
        return  # a link; the person is already there
    if click.button in (ids.PAGE_PREVIOUS, ids.PAGE_NEXT):
        answer = await paging.turned(desk, click)
    elif click.button == ids.DELEGATE:
        answer = await delegate.opened(desk, click.sender, click.trigger_id)
    elif click.button == ids.REVOKE_DELEGATION:
        answer = await delegate.revoked(desk, click)
    else:
        answer = await _on_card(desk, click)
    if answer is not None:
        await desk.tell(click.sender, click.place, refused(answer))


async def _on_card(desk: Desk, click: Click) -> Refused | None:
    target = ids.parse_card_value(click.value)
    if target is None:
        return UNKNOWN
    action_id, version = target
    record = await desk.record(action_id)
    if record is None:
        return UNKNOWN
    if click.button == ids.OPEN_QUEUE_ITEM:
        return await opening.from_queue(desk, click, record, version)
    if click.button == ids.REVIEW:
        return await review.opened(desk, click, record)
    if click.button == ids.HISTORY:
        return await history.clicked(desk, click, record)
    if click.button == ids.UNMASK:
        return await unmasking.clicked(desk, click, record)
    if click.button == ids.REJECT and opening.reads(click, action_id):
        return await opening.reject(desk, click, record, version, on_top=True)
    misplaced = await desk.misplaced(click, action_id)
    if click.button == ids.DETAILS:  # a direct message has this button too
        return await opening.details(desk, click, record, from_card=misplaced is None)
    if misplaced is not None:
        return misplaced
    if click.button == ids.APPROVE:
        return await _approve(desk, click, record, version)
    form = opening.FORMS.get(click.button)
    return await form(desk, click, record, version) if form is not None else NOT_ITS_PLACE


def asks_for_comment(desk: Desk) -> bool:
    """Whether policy takes no approval without a word of the person, which one click could not give."""
    contract = desk.deps.rules.current.policy.contract
    return contract is not None and contract.reject and "comment" in contract.required


async def _approve(desk: Desk, click: Click, record: ActionRecord, version: int) -> Refused | None:
    """One click approves; where the message could not show the whole payload (threat 3), or policy wants a comment, it
    opens all of it first."""
    person, view, shared = await asyncio.gather(  # Slack is asked while the view is read
        desk.person(click.sender, risk=record.verdict.effective.risk),
        card_view(desk.deps, record.id),
        desk.shares_a_message(record.id),
    )
    if isinstance(person, Refused):
        return person
    current = not record.status.terminal and version == record.version.number
    form = shared or asks_for_comment(desk)
    if current and view is not None and (form or await drawn(view, lambda: needs_full_view(view))):
        hindrance = await desk.hindrance(record, person, "approve", version)
        return hindrance or await opening.confirm(desk, click, view, person)
    command = CastVote(action_id=record.id, version=version, person=person.id, choice=Choice.APPROVE)
    result = await decide(desk.deps, command)
    if isinstance(result, Refused):
        return result
    desk.homes.refresh()
    sentence = told.approved(result.record, await desk.directory())
    await desk.tell(click.sender, click.place, done(sentence))
    return None
