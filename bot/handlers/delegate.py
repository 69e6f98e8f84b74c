"""Lending one's authority: the form from `/gate delegate` or Home, its submission, and the click that ends it."""

from __future__ import annotations

from datetime import UTC, datetime

from bot import ids
from bot.answering.desk import Desk
from bot.blocks.delegation import delegate_modal
from bot.blocks.modals import notice_modal
from bot.handlers.inputs import all_chosen, chosen, instant, typed
from bot.handlers.outcome import FieldErrors, FormOutcome, Replaced
from bot.payloads import Click, Sender, Submission
from bot.slack.errors import SlackFailure
from gate.domain.people import Person
from gate.domain.refusal import Refused
from gate.domain.risk import Risk
from gate.usecases.commands import Delegate, RevokeDelegation
from gate.usecases.delegate import delegate
from gate.usecases.revoke_delegation import UNKNOWN_DELEGATION, revoke_delegation
from gate.usecases.views import PersonRef

_FIELDS = {
    "/to": ids.DELEGATE_TO,
    "/topics": ids.DELEGATE_TOPICS,
    "/groups": ids.DELEGATE_GROUPS,
    "/from": ids.DELEGATE_FROM,
    "/until": ids.DELEGATE_UNTIL,
    "/reason": ids.REASON,
}


async def opened(desk: Desk, sender: Sender, trigger_id: str) -> Refused | None:
    """Open the form for a listed reviewer."""
    person = await desk.person(sender)
    if isinstance(person, Refused):
        return person
    directory = desk.deps.rules.current.directory
    others = [p for p in directory.people.values() if p.active and p.id != person.id]
    people = [PersonRef(id=p.id, name=p.name, slack=p.slack) for p in others]
    groups = sorted(directory.groups_of(person.id))
    await desk.open(trigger_id, delegate_modal(people, groups, desk.deps.clock.now()))
    return None


async def submitted(desk: Desk, submission: Submission) -> FormOutcome:
    """What is wrong is said on its field. Whoever is to stand in is looked up fresh: neither guests nor people of
    another workspace nor deactivated accounts can be lent anything (threat 6)."""
    person = await desk.person(submission.sender, risk=Risk.HIGH)
    if isinstance(person, Refused):
        return Replaced(view=notice_modal("Nothing was changed", person.sentence))
    to, until = chosen(submission, ids.DELEGATE_TO) or "", instant(submission, ids.DELEGATE_UNTIL)
    problem = await _cannot_stand_in(desk, to)
    if problem is not None:
        return _errors(submission, {ids.DELEGATE_TO: problem}, problem)
    result = await delegate(
        desk.deps,
        Delegate(
            grantor=person.id,
            delegate=to,
            topics=tuple((typed(submission, ids.DELEGATE_TOPICS) or "").replace(",", " ").split()),
            groups=all_chosen(submission, ids.DELEGATE_GROUPS),
            start=instant(submission, ids.DELEGATE_FROM),
            end=until or datetime.fromtimestamp(0, UTC),
            reason=typed(submission, ids.REASON) or "",
        ),
    )
    if isinstance(result, Refused):
        found = {_FIELDS[p.pointer]: p.detail for p in result.problems if p.pointer in _FIELDS}
        return _errors(submission, found, result.sentence)
    given = result.delegation
    desk.homes.refresh()
    name = desk.deps.rules.current.directory.people[given.delegate].name
    told = f"{name} decides for you in that time, and is told so. You can end it in Home with one click."
    return Replaced(view=notice_modal("Delegated", told))


async def revoked(desk: Desk, click: Click) -> Refused | None:
    """End a delegation with one click; both people are told by the outbox, so success has no answer of its own."""
    delegation_id = ids.parse_delegation(click.value)
    if delegation_id is None:
        return UNKNOWN_DELEGATION
    person = await desk.person(click.sender)
    if isinstance(person, Refused):
        return person
    command = RevokeDelegation(delegation_id=delegation_id, person=person.id)
    result = await revoke_delegation(desk.deps, command)
    desk.homes.refresh()
    return result if isinstance(result, Refused) else None


async def _cannot_stand_in(desk: Desk, person_id: str) -> str | None:
    """Why Slack says that this person cannot act here; None where they can, or are nobody (which is told later)."""
    person = desk.deps.rules.current.directory.people.get(person_id)
    if person is None:
        return None
    try:
        own = await desk.own()
        user = await desk.roster.slack_id(person_id, own)
    except SlackFailure:
        return f"Slack could not confirm who {person.name} is just now. Please try again."
    if user is None:
        return f"Slack does not know {person.name}; people.yaml needs their Slack id or the right e-mail address."
    found = await desk.identities.person(user, own, risk=Risk.HIGH)
    if isinstance(found, Person):
        return None if found.id == person_id else f"{person.name}'s Slack account belongs to somebody else."
    return f"{person.name} cannot stand in for you. Slack said: {found.sentence}"


def _errors(submission: Submission, found: dict[str, str], sentence: str) -> FormOutcome:
    """Errors on inputs the form really has: Slack closes the form over any other."""
    shown = {block: text for block, text in found.items() if block in submission.view.inputs}
    if shown:
        return FieldErrors(errors=shown)
    return Replaced(view=notice_modal("Nothing was changed", sentence))
