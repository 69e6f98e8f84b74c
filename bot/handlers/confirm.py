"""The confirm form: approving a payload that was opened whole, page by page."""

from __future__ import annotations

from bot import ids
from bot.answering import told
from bot.answering.desk import UNKNOWN, Desk
from bot.handlers.inputs import typed
from bot.handlers.outcome import Closed, FieldErrors, FormOutcome
from bot.handlers.replies import done, refused, refused_form
from bot.payloads import Submission
from gate.domain.refusal import Refused
from gate.domain.request import Choice
from gate.usecases.commands import CastVote
from gate.usecases.decide import decide


async def submitted(desk: Desk, submission: Submission) -> FormOutcome:
    """Vote for the version that was read."""
    state = submission.view.state
    record = await desk.record(state.action_id) if state is not None else None
    if state is None or record is None:
        return Closed(said=refused(UNKNOWN))
    person = await desk.person(submission.sender, risk=record.verdict.effective.risk)
    if isinstance(person, Refused):
        return await refused_form(desk, person, state)
    result = await decide(
        desk.deps,
        CastVote(
            action_id=state.action_id,
            version=state.version,
            person=person.id,
            choice=Choice.APPROVE,
            comment=typed(submission, ids.COMMENT),
        ),
    )
    if isinstance(result, Refused):
        if result.code == "incomplete_record" and ids.COMMENT in submission.view.inputs:
            return FieldErrors(errors={ids.COMMENT: result.sentence})
        return await refused_form(desk, result, state)
    desk.homes.refresh()
    return Closed(said=done(told.approved(result.record, await desk.directory())))
