"""The story of one decision in Slack: for whoever had to do with it, and for those who see everybody's figures."""

from __future__ import annotations

from typing import Any

from bot import ids
from bot.answering.desk import UNKNOWN, Desk
from bot.blocks.history import history_modal
from bot.handlers.opening import concerns
from bot.ids import ModalState
from bot.payloads import Click, Command
from gate.domain.people import Person
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.reviewing import sees_everybody
from gate.usecases.story import Story, read_story
from gate.usecases.telling import chapters, without_hidden_votes

NOT_YOURS = Refused(
    code="not_for_you",
    sentence="This story is for those who were asked or decided, the agent's owner, and approvers.",
)
WHICH = Refused(
    code="unknown_action",
    sentence="Say of which action: `/gate history act_…`; its id stands at the end of its details.",
)


async def clicked(desk: Desk, click: Click, record: ActionRecord) -> Refused | None:
    """Open it on top of the details in which the button stands."""
    person = await desk.person(click.sender)
    if isinstance(person, Refused):
        return person
    if not await may_read(desk, record, person):
        return NOT_YOURS
    place = click.place
    state = ModalState(
        action_id=record.id,
        version=record.version.number,
        channel=place.channel,
        message_ts=place.message_ts,
    )
    return await _open(desk, click.trigger_id, state, on_top=click.view is not None)


async def typed(desk: Desk, command: Command) -> Refused | None:
    """`/gate history act_…`: for decided actions too, whose cards have no buttons."""
    person = await desk.person(command.sender)
    if isinstance(person, Refused):
        return person
    action_id = ids.parse_action(command.words[1]) if len(command.words) == 2 else None
    if action_id is None:
        return WHICH
    record = await desk.record(action_id)
    if record is None:
        return UNKNOWN
    if not await may_read(desk, record, person):
        return NOT_YOURS
    state = ModalState(action_id=record.id, version=record.version.number)
    return await _open(desk, command.trigger_id, state, on_top=False)


async def page(desk: Desk, person: Person, state: ModalState) -> dict[str, Any] | Refused:
    """The page of the story that `state` names, for somebody who may read it."""
    record = await desk.record(state.action_id)
    if record is None:
        return UNKNOWN
    if not await may_read(desk, record, person):
        return NOT_YOURS
    found = await read_story(desk.deps.store, state.action_id)
    return UNKNOWN if found is None else _modal(found, state)


async def may_read(desk: Desk, record: ActionRecord, person: Person) -> bool:
    """Who was asked, could decide or voted, the agent's owner, whoever an emergency release concerns, approvers and
    supervisors of emergencies."""
    rules = desk.deps.rules.current
    glass = rules.policy.break_glass
    supervisors = glass.supervisors if glass is not None else ()
    if sees_everybody(person.id, supervisors, rules.directory, desk.deps.clock.now()):
        return True
    return await concerns(desk, record, person)


async def _open(desk: Desk, trigger_id: str, state: ModalState, *, on_top: bool) -> Refused | None:
    found = await read_story(desk.deps.store, state.action_id)
    if found is None:
        return UNKNOWN
    await desk.open(trigger_id, _modal(found, state), on_top=on_top)
    return None


def _modal(found: Story, state: ModalState) -> dict[str, Any]:
    told = chapters(without_hidden_votes(found))
    return history_modal(told, state, hides=found.record.verdict.mask is not None)
