"""The edit form: the changed payload becomes a version; saving may also cast this person's vote for it."""

from __future__ import annotations

from bot import ids
from bot.answering import told
from bot.answering.desk import UNKNOWN, Desk
from bot.blocks.card import needs_full_view
from bot.blocks.fields import FieldErrors as Unread
from bot.blocks.fields import problem_messages, read_fields
from bot.blocks.modals import confirm_modal
from bot.handlers import confirm
from bot.handlers.inputs import chosen, typed
from bot.handlers.opening import page_name
from bot.handlers.outcome import Closed, FieldErrors, FormOutcome, Replaced
from bot.handlers.replies import done, refused, refused_form
from bot.ids import ModalState
from bot.payloads import Submission
from bot.surfaces.drawing import drawn
from gate.domain.refusal import Refused
from gate.usecases.cards import card_view
from gate.usecases.commands import EditPayload
from gate.usecases.edit import edit
from gate.usecases.shown import note_page
from gate.usecases.views import ActionView


async def submitted(desk: Desk, submission: Submission) -> FormOutcome:
    """What the form, the schema or the policy does not accept is said on the field it is about.

    Where the new payload is too long for a card, it is saved first and then opened whole, and approving stands at
    the end of it (threat 3).
    """
    state = submission.view.state
    record = await desk.record(state.action_id) if state is not None else None
    view = await card_view(desk.deps, state.action_id) if state is not None else None
    if state is None or record is None or view is None:
        return Closed(said=refused(UNKNOWN))
    person = await desk.person(submission.sender, risk=record.verdict.effective.risk)
    if isinstance(person, Refused):
        return await refused_form(desk, person, state)
    hindrance = await desk.hindrance(record, person, "edit", state.version)
    if hindrance is None and view.version != state.version:
        hindrance = desk.changed_meanwhile(view.version)
    if hindrance is not None:
        return await refused_form(desk, hindrance, state)
    read = await drawn(view, lambda: read_fields(view, submission.view.values))
    if isinstance(read, Unread):
        return _errors(submission, read.messages, "Some values cannot be read.")
    wants_vote = chosen(submission, ids.THEN) == ids.THEN_APPROVE
    long = wants_vote and await drawn(view, lambda: needs_full_view(view))
    if wants_vote and not read.changed:
        # Nothing was typed, and approving was chosen: that is a vote for what the form showed.
        if long:
            return await _read_whole(desk, state, person.id)
        return await confirm.submitted(desk, submission)
    result = await edit(
        desk.deps,
        EditPayload(
            action_id=state.action_id,
            version=state.version,
            person=person.id,
            payload=read.payload,
            approve=wants_vote and not long,
            comment=typed(submission, ids.COMMENT),
        ),
    )
    if isinstance(result, Refused):
        return await _not_accepted(desk, submission, view, result, state, read.changed)
    desk.homes.refresh()
    if long:
        return await _read_whole(desk, state, person.id)
    directory = await desk.directory()
    return Closed(said=done(told.saved(result.record, directory, voted=wants_vote)))


async def _read_whole(desk: Desk, state: ModalState, person: str) -> FormOutcome:
    view = await card_view(desk.deps, state.action_id)
    if view is None:
        return Closed(said=refused(UNKNOWN))
    now = ModalState(
        action_id=view.action_id, version=view.version, channel=state.channel, message_ts=state.message_ts
    )
    modal = await drawn(view, lambda: confirm_modal(view, now, 0))
    await note_page(desk.deps, view.action_id, view.version, page_name(modal), modal, person)
    return Replaced(view=modal)


async def _not_accepted(
    desk: Desk,
    submission: Submission,
    view: ActionView,
    refusal: Refused,
    state: ModalState,
    changed: tuple[str, ...],
) -> FormOutcome:
    if refusal.problems:
        found = problem_messages(view, [(p.pointer, p.detail) for p in refusal.problems])
        return _errors(submission, found, refusal.sentence)
    if refusal.code == "edit_refused":
        # A limit on a derived fact names no place of the payload: it is one of those that were changed.
        return _errors(
            submission, {ids.field_block(place): refusal.sentence for place in changed}, refusal.sentence
        )
    if refusal.code in (
        "no_change",
        "too_soon",
        "cooldown",
        "policy_changed",
        "not_offered",
        "incomplete_record",
    ):
        return _errors(submission, {}, refusal.sentence)
    return await refused_form(desk, refusal, state)


def _errors(submission: Submission, found: dict[str, str], sentence: str) -> FormOutcome:
    """Errors on inputs the form really has: Slack closes the form over any other."""
    shown = {block: text for block, text in found.items() if block in submission.view.inputs}
    if not shown:
        spare = ids.COMMENT if ids.COMMENT in submission.view.inputs else submission.view.inputs[-1:]
        where = spare if isinstance(spare, str) else (spare[0] if spare else None)
        if where is None:
            return Closed(said=refused(Refused(code="edit_refused", sentence=sentence)))
        shown = {where: " ".join([sentence, *found.values()])}
    return FieldErrors(errors=shown)
