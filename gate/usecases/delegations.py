"""Delegations as people see them: one by its id, and those a person gave or holds."""

from __future__ import annotations

from gate.domain.delegation import Delegation
from gate.domain.people import Directory
from gate.usecases.ports import Deps, Transaction
from gate.usecases.slack_ids import slack_ids_of
from gate.usecases.viewing import person_ref
from gate.usecases.views import DelegationView, PersonRef


async def delegation_view(deps: Deps, delegation_id: str) -> DelegationView | None:
    """One delegation as it stands, also one that has ended."""
    async with deps.store.reading() as tx:
        found = await tx.delegations.get(delegation_id)
        return None if found is None else (await views_of(deps, tx, (found,)))[0]


async def of_person(deps: Deps, tx: Transaction, person_id: str) -> tuple[DelegationView, ...]:
    """Those in force or to come that this person gave or holds, the oldest first."""
    found = await tx.delegations.open(deps.clock.now())
    return await views_of(deps, tx, tuple(d for d in found if person_id in (d.grantor, d.delegate)))


async def views_of(deps: Deps, tx: Transaction, found: tuple[Delegation, ...]) -> tuple[DelegationView, ...]:
    """The views of these, in their order."""
    directory = deps.rules.current.directory
    people = [p for d in found for p in (d.grantor, d.delegate)]
    slack_ids = await slack_ids_of(tx, directory, people)
    return tuple(_view(deps, d, directory, slack_ids) for d in found)


def _view(deps: Deps, d: Delegation, directory: Directory, slack_ids: dict[str, str]) -> DelegationView:
    def name(person_id: str) -> PersonRef:
        return person_ref(person_id, directory, slack_ids)

    return DelegationView(
        id=d.id,
        grantor=name(d.grantor),
        delegate=name(d.delegate),
        topics=d.topics,
        groups=d.groups,
        start=d.start,
        end=d.end,
        reason=d.reason,
        now=deps.clock.now(),
        revoked_by=name(d.revoked_by) if d.revoked_by is not None else None,
    )
