"""Keeps where each action's card stands in Slack."""

from __future__ import annotations

from sqlalchemy import select

from gate.store.bound import Bound
from gate.store.tables import cards
from gate.usecases.ports import Card


class SqlCards:
    """Implements `ports.Cards`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def get(self, action_id: str) -> Card | None:
        row = await self._bound.row(select(cards).where(cards.c.action_id == action_id))
        if row is None:
            return None
        return Card(
            action_id=row.action_id,
            channel=row.channel,
            ts=row.ts,
            posting_since=row.posting_since,
            rendered_sha256=row.rendered_sha256,
        )

    async def put(self, card: Card) -> None:
        """Store it, over the one known before."""
        await self._bound.put_over(
            cards,
            {
                "action_id": card.action_id,
                "channel": card.channel,
                "ts": card.ts,
                "posting_since": card.posting_since,
                "rendered_sha256": card.rendered_sha256,
            },
        )
