"""The reassign form: who may be asked, and asking them."""

from __future__ import annotations

from bot import ids
from bot.answering import told
from bot.answering.desk import UNKNOWN, Desk
from bot.handlers.inputs import all_chosen, typed
from bot.handlers.outcome import Closed, FieldErrors, FormOutcome
from bot.handlers.replies import done, refused, refused_form
from bot.payloads import Submission
from gate.domain.eligibility import conflicts
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.usecases.commands import ReassignAction
from gate.usecases.reassign import reassign
from gate.usecases.views import PersonRef


def can_be_asked(
    record: ActionRecord, directory: Directory, asker: str
) -> tuple[list[PersonRef], dict[str, list[PersonRef]]]:
    """Everybody but the asker and those it would be their own request for, and the same people by group."""
    out = {*conflicts(record, directory), asker}
    people = [p for p in directory.people.values() if p.active and p.id not in out]
    refs = {p.id: PersonRef(id=p.id, name=p.name, slack=p.slack) for p in people}
    groups = {
        group.name: [refs[m] for m in group.members if m in refs] for group in directory.groups.values()
    }
    return list(refs.values()), groups


async def submitted(desk: Desk, submission: Submission) -> FormOutcome:
    """What is wrong with who was chosen, or a reason that is missing, is said at the field."""
    state = submission.view.state
    record = await desk.record(state.action_id) if state is not None else None
    if state is None or record is None:
        return Closed(said=refused(UNKNOWN))
    person = await desk.person(submission.sender, risk=record.verdict.effective.risk)
    if isinstance(person, Refused):
        return await refused_form(desk, person, state)
    to = all_chosen(submission, ids.REASSIGN_TO)
    result = await reassign(
        desk.deps,
        ReassignAction(
            action_id=state.action_id,
            person=person.id,
            to=to,
            reason=typed(submission, ids.REASON) or "",
        ),
    )
    if isinstance(result, Refused):
        field = {"unknown_person": ids.REASSIGN_TO, "comment_required": ids.REASON}.get(result.code)
        if field is not None and field in submission.view.inputs:
            return FieldErrors(errors={field: result.sentence})
        return await refused_form(desk, result, state)
    desk.homes.refresh()
    directory = desk.deps.rules.current.directory
    return Closed(said=done(told.reassigned(result.record, directory, to)))
