"""Which person a Slack user is: found once, then pinned to the immutable team and user id."""

from __future__ import annotations

from dataclasses import dataclass

from gate.domain.audit import AuditRecord
from gate.domain.people import Person
from gate.domain.refusal import Refused
from gate.usecases.ports import Deps, Pin


@dataclass(frozen=True, kw_only=True, slots=True)
class SlackProfile:
    """A Slack user as the workspace describes them now. `is_guest` covers single- and multi-channel guests,
    `is_stranger` people of another workspace in a shared channel."""

    team_id: str
    user_id: str
    email: str | None
    real_name: str
    deleted: bool = False
    is_guest: bool = False
    is_stranger: bool = False
    is_bot: bool = False


async def identify(deps: Deps, profile: SlackProfile, own_team_id: str) -> Person | Refused:
    """The person behind a Slack user, or why there is none who may act.

    A pin decides alone once it exists: neither a renamed account nor one that took over an address becomes
    another person (threat 7). Guests, strangers, bots and deactivated accounts never act (threat 6).
    """
    refused = kept_out(profile, own_team_id)
    if refused is not None:
        return refused
    directory = deps.rules.current.directory
    pin = await deps.store.now.pins.by_user(profile.team_id, profile.user_id)
    if pin is not None:
        person = directory.people.get(pin.person)
        if person is None or not person.active:
            return Refused(code="inactive_person", sentence="You are no longer listed as a reviewer.")
        return person
    person = directory.by_slack(profile.user_id)
    if person is None and profile.email:
        found = directory.find(profile.email)
        # A Slack id written down in people.yaml beats an address: only people without one are found by it.
        person = found if found is not None and found.slack is None else None
    if person is None or not person.active:
        return Refused(
            code="not_a_reviewer",
            sentence="You are not listed as a reviewer here; ask whoever keeps people.yaml to add you.",
        )
    return await _pin(deps, person, profile)


async def _pin(deps: Deps, person: Person, profile: SlackProfile) -> Person | Refused:
    now = deps.clock.now()
    pin = Pin(person=person.id, team_id=profile.team_id, user_id=profile.user_id, pinned_at=now)
    async with deps.store.writing() as tx:
        held = await tx.pins.by_person(person.id)
        if held is None and await tx.pins.add(pin):
            await tx.audit.append(
                AuditRecord(
                    kind="person.pinned",
                    actor=f"person:{person.id}",
                    at=now,
                    detail={"person": person.id, "team": profile.team_id, "user": profile.user_id},
                )
            )
            return person
    if held is not None and (held.team_id, held.user_id) == (profile.team_id, profile.user_id):
        return person
    return Refused(
        code="not_a_reviewer",
        sentence=f"{person.name} is already known under another Slack account; ask an administrator to clear it.",
    )


def kept_out(profile: SlackProfile, own_team_id: str) -> Refused | None:
    """Why an account may never act here, whoever it belongs to; None where it may (threat 6)."""
    if profile.is_stranger or profile.team_id != own_team_id:
        return Refused(
            code="not_a_reviewer",
            sentence="People of other workspaces cannot decide here, also not as guests.",
        )
    if profile.deleted:
        return Refused(code="inactive_person", sentence="This Slack account is deactivated.")
    if profile.is_guest:
        return Refused(
            code="not_a_reviewer", sentence="Guests cannot decide; ask a full member of the workspace."
        )
    if profile.is_bot:
        return Refused(code="not_a_reviewer", sentence="Bots cannot decide.")
    return None
