"""Taking a release back: `/gate revoke`, and the form that does it."""

from __future__ import annotations

from bot import ids
from bot.answering import told
from bot.answering.desk import UNKNOWN, Desk
from bot.blocks.modals import notice_modal
from bot.blocks.revocation import revoke_modal
from bot.handlers.inputs import chosen, typed
from bot.handlers.outcome import FieldErrors, FormOutcome, Replaced
from bot.payloads import Command, Submission
from gate.domain.refusal import Refused
from gate.domain.risk import Risk
from gate.usecases.commands import RevokeGrants
from gate.usecases.revoke import releases, revoke


async def opened(desk: Desk, command: Command) -> Refused | None:
    """Open the form: for the action named, or with all this person may take back."""
    person = await desk.person(command.sender)
    if isinstance(person, Refused):
        return person
    action_id = None
    if len(command.words) > 1:
        action_id = ids.parse_action(command.words[1])
        if action_id is None:
            return UNKNOWN
    found = await releases(desk.deps, person.id, action_id)
    if isinstance(found, Refused):
        return found
    await desk.open(command.trigger_id, revoke_modal(found, named=action_id is not None))
    return None


async def submitted(desk: Desk, submission: Submission) -> FormOutcome:
    """Take it back. Nothing the form carries is trusted: person, rights and reason are looked at by the use-case, and
    Slack is asked afresh who this is (threats 5 and 6)."""
    person = await desk.person(submission.sender, risk=Risk.HIGH)
    if isinstance(person, Refused):
        return Replaced(view=notice_modal("Nothing was changed", person.sentence))
    action_id = ids.parse_action(chosen(submission, ids.RELEASE))
    if action_id is None:
        return Replaced(view=notice_modal("Nothing was changed", UNKNOWN.sentence))
    command = RevokeGrants(action_id=action_id, person=person.id, reason=typed(submission, ids.REASON) or "")
    result = await revoke(desk.deps, command)
    if isinstance(result, Refused):
        if result.code == "comment_required" and ids.REASON in submission.view.inputs:
            return FieldErrors(errors={ids.REASON: result.sentence})
        return Replaced(view=notice_modal("Nothing was changed", result.sentence))
    desk.homes.refresh()
    return Replaced(view=notice_modal("Taken back", told.taken_back(result.record)))
