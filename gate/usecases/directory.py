"""The directory as it stands at this moment: people.yaml in force, with the delegations the store holds."""

from __future__ import annotations

from dataclasses import replace

from gate.domain.people import Directory
from gate.usecases.ports import Deps, Transaction


async def directory_now(deps: Deps, tx: Transaction, *, hold: bool = False) -> Directory:
    """Read inside the transaction that decides, with `hold` so that no delegation it rests on is revoked before it
    is committed (INV-07, INV-13)."""
    directory = deps.rules.current.directory
    lent = await tx.delegations.in_force(deps.clock.now(), hold=hold)
    return replace(directory, delegations=lent) if lent else directory
