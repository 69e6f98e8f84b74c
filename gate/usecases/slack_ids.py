"""Where people are in Slack, as far as it is pinned."""

from __future__ import annotations

from collections.abc import Iterable

from gate.domain.people import Directory
from gate.usecases.ports import Transaction


async def slack_ids_of(tx: Transaction, directory: Directory, people: Iterable[str]) -> dict[str, str]:
    """Pinned Slack ids of the people whom people.yaml gives none."""
    found: dict[str, str] = {}
    for person_id in dict.fromkeys(people):
        person = directory.people.get(person_id)
        if person is not None and person.slack is None:
            pin = await tx.pins.by_person(person_id)
            if pin is not None:
                found[person_id] = pin.user_id
    return found
