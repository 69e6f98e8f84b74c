"""Breaking the glass: `/gate break-glass`, the choice of a request, and the form that releases it."""

from __future__ import annotations

from bot import ids
from bot.answering import told
from bot.answering.desk import UNKNOWN, Desk
from bot.blocks.glass import break_glass_modal, choose_modal
from bot.blocks.modals import notice_modal
from bot.handlers.inputs import chosen, typed
from bot.handlers.outcome import Closed, FieldErrors, FormOutcome, Replaced
from bot.handlers.replies import refused, refused_form
from bot.ids import ModalState
from bot.payloads import Command, Submission
from bot.surfaces.drawing import drawn
from gate.domain.people import Person
from gate.domain.refusal import Refused
from gate.domain.risk import Risk
from gate.usecases.break_glass import break_glass
from gate.usecases.cards import card_view
from gate.usecases.commands import BreakTheGlass
from gate.usecases.emergencies import glass, releasable

_FIELDS = {"comment_required": ids.REASON, "bad_time": ids.GLASS_VALID}


async def opened(desk: Desk, command: Command) -> Refused | None:
    """Open the form for the request named, or the choice of those this person may release."""
    person = await desk.person(command.sender)
    if isinstance(person, Refused):
        return person
    if len(command.words) > 1:
        action_id = ids.parse_action(command.words[1])
        view = await _form(desk, person, action_id) if action_id is not None else UNKNOWN
        if isinstance(view, Refused):
            return view
        await desk.open(command.trigger_id, view)
        return None
    found = await releasable(desk.deps, person.id)
    if isinstance(found, Refused):
        return found
    await desk.open(command.trigger_id, choose_modal(found))
    return None


async def submitted(desk: Desk, submission: Submission) -> FormOutcome:
    """The choice leads on to the form; the form releases. Nothing it carries is trusted: person, rights, version,
    reason and expiry are looked at again by the use-case, and Slack is asked afresh who this is (threat 6)."""
    person = await desk.person(submission.sender, risk=Risk.HIGH)
    if isinstance(person, Refused):
        return Replaced(view=notice_modal("Nothing was changed", person.sentence))
    state = submission.view.state
    if state is None:
        return await _chosen(desk, submission, person)
    result = await break_glass(
        desk.deps,
        BreakTheGlass(
            action_id=state.action_id,
            version=state.version,
            person=person.id,
            reason=typed(submission, ids.REASON) or "",
            valid_sec=ids.parse_seconds(chosen(submission, ids.GLASS_VALID)) or 0,
        ),
    )
    if isinstance(result, Refused):
        field = _FIELDS.get(result.code)
        if field is not None and field in submission.view.inputs:
            return FieldErrors(errors={field: result.sentence})
        if result.code == UNKNOWN.code:
            return Closed(said=refused(UNKNOWN))
        return await refused_form(desk, result, state)
    desk.homes.refresh()
    sentence = told.broken(result.record, await desk.directory())
    return Replaced(view=notice_modal("Released", sentence))


async def form(desk: Desk, person: Person, state: ModalState, page: int) -> dict[str, object] | Refused:
    """The form on one of its pages, from the present state; `state` says which request."""
    found = await glass(desk.deps, person.id, state.action_id)
    if isinstance(found, Refused):
        return found
    view = await card_view(desk.deps, state.action_id)
    if view is None:
        return UNKNOWN
    return await drawn(view, lambda: break_glass_modal(view, found, state, page))


async def _form(desk: Desk, person: Person, action_id: str) -> dict[str, object] | Refused:
    record = await desk.record(action_id)
    if record is None:
        return UNKNOWN
    return await form(desk, person, ModalState(action_id=action_id, version=record.version.number), 0)


async def _chosen(desk: Desk, submission: Submission, person: Person) -> FormOutcome:
    target = ids.parse_card_value(chosen(submission, ids.GLASS_REQUEST))
    view = await _form(desk, person, target[0]) if target is not None else UNKNOWN
    if isinstance(view, Refused):
        return Replaced(view=notice_modal("Nothing was changed", view.sentence))
    return Replaced(view=view)
