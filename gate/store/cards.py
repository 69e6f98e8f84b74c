"""Keeps where each action is shown in Slack, by a card of its own or in a message it shares."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, func, select

from gate.domain.risk import Risk
from gate.domain.verdict import ApprovalPlan
from gate.store.bound import Bound
from gate.store.codec import NAMES, PLAN
from gate.store.digests import TOLD
from gate.store.questions import Question
from gate.store.tables import PENDING, actions, cards, digests
from gate.usecases.ports import Card, Unplaced

_OF_ACTION = cards.c.action_id == actions.c.id
_PLACED = Question(
    select(actions.c.risk, func.count().label("requests"))
    .select_from(cards.join(actions, _OF_ACTION))
    .where(
        cards.c.channel == bindparam("channel"),
        cards.c.posting_since > bindparam("since"),
        actions.c.agent_id == bindparam("agent_id"),
        PENDING,
    )
    .group_by(actions.c.risk)
)
_UNPLACED = Question(
    select(actions.c.id, actions.c.risk, actions.c.plan)
    .where(actions.c.agent_id == bindparam("agent_id"), PENDING, ~exists().where(_OF_ACTION))
    .order_by(actions.c.created_at, actions.c.id)
    .limit(bindparam("limit"))
)
_BY_ACTION = Question(select(cards).where(cards.c.action_id == bindparam("action_id")))


class SqlCards:
    """Implements `ports.Cards`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def get(self, action_id: str) -> Card | None:
        found = await self._bound.ask(_BY_ACTION, action_id=action_id)
        if not found:
            return None
        row = found[0]
        return Card(
            action_id=row.action_id,
            channel=row.channel,
            ts=row.ts,
            posting_since=row.posting_since,
            rendered_sha256=row.rendered_sha256,
            digest=row.digest,
        )

    async def put(self, card: Card) -> None:
        """Store it, over the one known before."""
        await self._bound.put_over(cards, _row(card))

    async def place(self, card: Card) -> bool:
        return await self._bound.put_new(cards, _row(card))

    async def placed(self, agent_id: str, channel: str, since: datetime) -> Mapping[Risk, int]:
        found = await self._bound.ask(_PLACED, agent_id=agent_id, channel=channel, since=since)
        return {Risk(row.risk): row.requests for row in found}

    async def unplaced(self, agent_id: str, *, limit: int) -> tuple[Unplaced, ...]:
        """A plan that many of them have alike is read once."""
        plans: dict[str | None, ApprovalPlan | None] = {}
        found: list[Unplaced] = []
        for row in await self._bound.ask(_UNPLACED, agent_id=agent_id, limit=limit):
            if row.plan not in plans:
                plans[row.plan] = None if row.plan is None else PLAN.loads(row.plan, f"Action {row.id}")
            found.append(Unplaced(action_id=row.id, risk=Risk(row.risk), plan=plans[row.plan]))
        return tuple(found)

    async def asked_lately(self, agent_id: str, channel: str, since: datetime) -> frozenset[str]:
        own = (
            select(actions.c.asked)
            .select_from(cards.join(actions, _OF_ACTION))
            .where(
                cards.c.channel == channel,
                cards.c.posting_since > since,
                cards.c.digest.is_(None),
                actions.c.agent_id == agent_id,
            )
            .distinct()
        )
        shared = select(digests.c.told).where(
            digests.c.agent_id == agent_id, digests.c.channel == channel, digests.c.posting_since > since
        )
        found: set[str] = set()
        for row in await self._bound.rows(own):
            found.update(NAMES.loads(row.asked, "Who was asked"))
        for row in await self._bound.rows(shared):
            told = TOLD.loads(row.told, "Who was told")
            found.update(person for person, mentioned in told.items() if mentioned)
        return frozenset(found)


def _row(card: Card) -> dict[str, Any]:
    return {
        "action_id": card.action_id,
        "channel": card.channel,
        "ts": card.ts,
        "posting_since": card.posting_since,
        "rendered_sha256": card.rendered_sha256,
        "digest": card.digest,
    }
