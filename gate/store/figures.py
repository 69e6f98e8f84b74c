"""Reads what figures about requests and reviewers are made of, never more than a bounded number of rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, case, func, not_, or_, select

from gate.domain.backlog import Asked, Waiting
from gate.domain.request import Choice, Status
from gate.domain.reviewing import Given
from gate.domain.risk import Risk
from gate.store.bound import Bound
from gate.store.codec import PLAN
from gate.store.tables import ASKED, PENDING, actions, asks, versions, votes

_BLIND = '"second_review":true'
"""How a plan's document says it; also a schema in the plan may, so that the plans found by it are read."""


class SqlFigures:
    """Implements `ports.Figures`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def waiting(self, now: datetime) -> tuple[Waiting, ...]:
        late = actions.c.sla_at <= now
        statement = (
            select(
                actions.c.risk,
                func.count().label("number"),
                func.min(actions.c.created_at).label("oldest_at"),
                func.count().filter(late).label("overdue"),
                func.count().filter(actions.c.held.is_(True)).label("held"),
            )
            .where(PENDING)
            .group_by(actions.c.risk)
        )
        found = [
            Waiting(
                risk=Risk(row.risk),
                count=row.number,
                oldest_at=row.oldest_at,
                overdue=row.overdue,
                held=row.held,
            )
            for row in await self._bound.rows(statement)
        ]
        return tuple(sorted(found, key=lambda each: each.risk.rank, reverse=True))

    async def asked(self, since: datetime, *, limit: int) -> tuple[Asked, ...]:
        statement = (
            select(
                actions.c.created_at,
                actions.c.status,
                actions.c.decided_at,
                actions.c.decided_by,
                actions.c.emergency.is_not(None).label("emergency"),
                actions.c.breached,
                actions.c.escalation_step,
                actions.c.joined,
            )
            .where(ASKED, actions.c.created_at >= since)
            .order_by(actions.c.created_at.desc())
            .limit(limit)
        )
        return tuple(
            Asked(
                at=row.created_at,
                status=Status(row.status),
                decided_at=row.decided_at,
                by_timer=row.decided_by == "timer",
                emergency=bool(row.emergency),
                breached=row.breached,
                escalations=row.escalation_step,
                joined=row.joined,
            )
            for row in await self._bound.rows(statement)
        )

    async def given(self, since: datetime, *, person: str | None = None, limit: int) -> tuple[Given, ...]:
        """Only actions with two votes and the words of a second review have their plan read. While such a review goes
        on its votes are left out: that somebody has voted would show in their figures."""
        newest = select(votes).where(votes.c.at >= since).order_by(votes.c.at.desc()).limit(limit)
        if person is not None:
            newest = newest.where(votes.c.person == person)
        cast = newest.subquery("cast")
        blind = actions.c.plan.contains(_BLIND, autoescape=True)
        statement = (
            select(
                cast,
                versions.c.created_at,
                versions.c.editor,
                versions.c.comment.label("edit_comment"),
                asks.c.at.label("asked_at"),
                case((and_(actions.c.votes > 1, blind), actions.c.plan)).label("plan"),
            )
            .join(actions, actions.c.id == cast.c.action_id)
            .join(
                versions, and_(versions.c.action_id == cast.c.action_id, versions.c.number == cast.c.version)
            )
            .outerjoin(asks, and_(asks.c.action_id == cast.c.action_id, asks.c.person == cast.c.person))
            .where(or_(actions.c.status != Status.PENDING.value, not_(func.coalesce(blind, False))))
        )
        return tuple(_given(row) for row in await self._bound.rows(statement))


def _given(row: Row[Any]) -> Given:
    """Somebody asked after the vote (nobody should be) saw the version when it was made."""
    asked_at = row.asked_at if row.asked_at is not None and row.asked_at <= row.at else row.created_at
    corrected = row.editor == row.person
    plan = None if row.plan is None else PLAN.loads(row.plan, f"Action {row.action_id}")
    return Given(
        person=row.person,
        action_id=row.action_id,
        version=row.version,
        choice=Choice(row.choice),
        since=max(row.created_at, asked_at),
        at=row.at,
        commented=bool(row.comment or (corrected and row.edit_comment)),
        corrected=corrected,
        second_review=plan is not None and plan.second_review,
    )
