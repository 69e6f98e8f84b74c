"""The review of an emergency release: the form from a message or Home, and what a supervisor finds."""

from __future__ import annotations

from bot import ids
from bot.answering import told
from bot.answering.desk import UNKNOWN, Desk
from bot.blocks.glass import review_modal
from bot.blocks.modals import notice_modal
from bot.handlers.inputs import chosen, typed
from bot.handlers.outcome import Closed, FieldErrors, FormOutcome, Replaced
from bot.handlers.replies import refused
from bot.ids import ModalState
from bot.payloads import Click, Submission
from bot.surfaces.drawing import drawn
from gate.domain.emergency import Finding
from gate.domain.people import Person
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.risk import Risk
from gate.usecases.cards import card_view
from gate.usecases.close_review import close_review
from gate.usecases.commands import CloseReview
from gate.usecases.emergencies import reviewable


async def opened(desk: Desk, click: Click, record: ActionRecord) -> Refused | None:
    """Open the form for a supervisor. The button stands in direct messages and in Home, so rights are checked, not
    places."""
    person = await desk.person(click.sender)
    if isinstance(person, Refused):
        return person
    state = ModalState(action_id=record.id, version=record.version.number)
    modal = await form(desk, person, state, 0)
    if isinstance(modal, Refused):
        return modal
    await desk.open(click.trigger_id, modal)
    return None


async def form(desk: Desk, person: Person, state: ModalState, page: int) -> dict[str, object] | Refused:
    """The form on one of its pages, from the present state."""
    hindrance = await reviewable(desk.deps, person.id, state.action_id)
    if hindrance is not None:
        return hindrance
    view = await card_view(desk.deps, state.action_id)
    if view is None:
        return UNKNOWN
    return await drawn(view, lambda: review_modal(view, state, page))


async def submitted(desk: Desk, submission: Submission) -> FormOutcome:
    """One supervisor's word closes it; Slack is asked afresh who this is (threat 6)."""
    state = submission.view.state
    if state is None:
        return Closed(said=refused(UNKNOWN))
    person = await desk.person(submission.sender, risk=Risk.HIGH)
    if isinstance(person, Refused):
        return Replaced(view=notice_modal("Nothing was changed", person.sentence))
    finding = next((f for f in Finding if f.value == chosen(submission, ids.FINDING)), None)
    if finding is None:
        if ids.FINDING in submission.view.inputs:
            return FieldErrors(errors={ids.FINDING: "Choose what you found."})
        return Replaced(view=notice_modal("Nothing was changed", "This form has no finding to submit."))
    command = CloseReview(
        action_id=state.action_id,
        person=person.id,
        finding=finding,
        comment=typed(submission, ids.COMMENT) or "",
    )
    result = await close_review(desk.deps, command)
    if isinstance(result, Refused):
        if result.code == "comment_required" and ids.COMMENT in submission.view.inputs:
            return FieldErrors(errors={ids.COMMENT: result.sentence})
        return Replaced(view=notice_modal("Nothing was changed", result.sentence))
    desk.homes.refresh()
    return Replaced(view=notice_modal("Reviewed", told.reviewed(result.record)))
