"""What a person's own agents left unknown: executions that began, and nobody knows whether they took effect."""

from __future__ import annotations

from datetime import timedelta

from gate.domain.masking import masked
from gate.domain.people import Directory
from gate.usecases.ports import Deps, Transaction
from gate.usecases.views import UnknownLine

SHOWN_FOR = timedelta(days=7)
SCAN_LIMIT = 500
"""Unknown outcomes looked through; a gate with more of them has a greater trouble, and the newest come first."""
MOST_SHOWN = 20


async def unknown_of(
    deps: Deps, tx: Transaction, directory: Directory, person_id: str
) -> tuple[UnknownLine, ...]:
    """The executions of this person's agents whose outcome became unknown in the last week and still is."""
    since = deps.clock.now() - SHOWN_FOR
    lines: list[UnknownLine] = []
    for record in await tx.actions.unknown(limit=SCAN_LIMIT):
        owner = directory.find(record.agent.owner)
        if owner is None or owner.id != person_id or record.outcome is None or record.outcome.at < since:
            continue
        card = await tx.cards.get(record.id)
        lines.append(
            UnknownLine(
                action_id=record.id,
                version=record.version.number,
                summary=masked(record).proposal.summary,
                risk=record.verdict.effective.risk,
                agent_name=record.agent.name,
                at=record.outcome.at,
                channel=card.channel if card is not None and card.ts else None,
                message_ts=card.ts if card is not None else None,
            )
        )
        if len(lines) == MOST_SHOWN:
            break
    return tuple(lines)
