"""Keeps the messages that stand for many requests of one agent, who is in them, and what became of those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, or_, select, true, update

from gate.domain.request import Status
from gate.domain.risk import Risk
from gate.store.bound import Bound
from gate.store.codec import NAMES, Document
from gate.store.tables import PENDING, actions, cards, digests, outbox
from gate.usecases.ports import Asking, Digest, Tally

TOLD: Document[Mapping[str, bool]] = Document(Mapping[str, bool])
MOST_LISTS = 200
"""Different lists of people read for one digest; the members of a burst mostly have the same."""


class SqlDigests:
    """Implements `ports.Digests`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def get(self, digest_id: str) -> Digest | None:
        row = await self._bound.row(select(digests).where(digests.c.id == digest_id))
        return None if row is None else _digest(row)

    async def open_one(self, agent_id: str, channel: str) -> Digest | None:
        statement = select(digests).where(
            digests.c.agent_id == agent_id, digests.c.channel == channel, digests.c.closed.is_(False)
        )
        row = await self._bound.row(statement)
        return None if row is None else _digest(row)

    async def add(self, digest: Digest) -> bool:
        return await self._bound.put_new(
            digests,
            {
                "id": digest.id,
                "agent_id": digest.agent_id,
                "channel": digest.channel,
                "ts": digest.ts,
                "posting_since": digest.posting_since,
                "opened_at": digest.opened_at,
                "added_at": digest.added_at,
                "members": digest.members,
                "closed": digest.closed,
                "told": TOLD.dumps(digest.told),
                "rendered_sha256": digest.rendered_sha256,
                "leased_until": None,
            },
        )

    async def close(self, digest_id: str) -> None:
        await self._bound.moved(update(digests).where(digests.c.id == digest_id).values(closed=true()))

    async def join(self, digest: Digest, action_ids: Sequence[str], *, now: datetime) -> tuple[str, ...]:
        """Whoever posts the digest at this moment, or has, waits or is waited for: the row is taken first, so that
        no member misses the digest's place."""
        grown = (
            update(digests)
            .where(digests.c.id == digest.id, digests.c.closed.is_(False))
            .values(added_at=now, members=digests.c.members)
        )
        if await self._bound.moved(grown) != 1:
            return ()
        row = await self._bound.row(select(digests.c.ts).where(digests.c.id == digest.id))
        joined: list[str] = []
        for action_id in action_ids:
            member = {
                "action_id": action_id,
                "channel": digest.channel,
                "ts": None if row is None else row.ts,
                "posting_since": now,
                "rendered_sha256": None,
                "digest": digest.id,
            }
            if await self._bound.put_new(cards, member):
                joined.append(action_id)
        counted = update(digests).where(digests.c.id == digest.id)
        await self._bound.moved(counted.values(members=digests.c.members + len(joined)))
        return tuple(joined)

    async def lease(self, digest_id: str, *, now: datetime, until: datetime) -> bool:
        free = or_(digests.c.leased_until.is_(None), digests.c.leased_until <= now)
        statement = update(digests).where(digests.c.id == digest_id, free).values(leased_until=until)
        return await self._bound.moved(statement) == 1

    async def release(self, digest_id: str) -> None:
        await self._bound.moved(update(digests).where(digests.c.id == digest_id).values(leased_until=None))

    async def put(self, digest: Digest) -> None:
        """Neither members nor whether it is closed: those are other verbs' work."""
        await self._bound.moved(
            update(digests)
            .where(digests.c.id == digest.id)
            .values(
                channel=digest.channel,
                ts=digest.ts,
                posting_since=digest.posting_since,
                told=TOLD.dumps(digest.told),
                rendered_sha256=digest.rendered_sha256,
            )
        )
        moved = or_(cards.c.ts.is_distinct_from(digest.ts), cards.c.channel != digest.channel)
        await self._bound.moved(
            update(cards)
            .where(cards.c.digest == digest.id, moved)
            .values(channel=digest.channel, ts=digest.ts)
        )

    async def revision(self, digest_id: str) -> int:
        grown = func.coalesce(func.sum(actions.c.revision + 1), 0)
        statement = select(grown).select_from(_members()).where(cards.c.digest == digest_id)
        return int(await self._bound.scalar(statement))

    async def tally(self, digest_id: str, *, now: datetime) -> Tally:
        late = and_(PENDING, or_(actions.c.held.is_(True), actions.c.sla_at <= now))
        grouped = (
            select(
                actions.c.status,
                actions.c.risk,
                func.count().label("requests"),
                func.count().filter(late).label("late"),
                func.min(actions.c.sla_at).label("due"),
                func.min(actions.c.agent_name).label("name"),
                func.min(actions.c.team).label("team"),
                func.sum(actions.c.revision + 1).label("revisions"),
            )
            .select_from(_members())
            .where(cards.c.digest == digest_id)
            .group_by(actions.c.status, actions.c.risk)
        )
        rows = await self._bound.rows(grouped)
        if not rows:
            return Tally()
        pending = [row for row in rows if row.status == Status.PENDING.value]
        by_status: dict[Status, int] = {}
        for row in rows:
            by_status[Status(row.status)] = by_status.get(Status(row.status), 0) + row.requests
        return Tally(
            agent_name=rows[0].name,
            agent_team=rows[0].team,
            revision=sum(int(row.revisions) for row in rows),
            by_status=by_status,
            waiting={Risk(row.risk): row.requests for row in pending},
            overdue=sum(row.late for row in pending),
            next_due=min((row.due for row in pending if row.due is not None), default=None),
            asked=await self._asked(digest_id),
        )

    async def _asked(self, digest_id: str) -> tuple[str, ...]:
        """In the order in which they were named."""
        statement = (
            select(actions.c.asked)
            .distinct()
            .select_from(_members())
            .where(cards.c.digest == digest_id, PENDING)
            .order_by(actions.c.asked)
            .limit(MOST_LISTS)
        )
        found: dict[str, None] = {}
        for row in await self._bound.rows(statement):
            found.update(dict.fromkeys(NAMES.loads(row.asked, f"Digest {digest_id}")))
        return tuple(found)

    async def to_show(self, digest_id: str) -> tuple[Asking, ...]:
        asked = (outbox.c.kind == "dm") & (outbox.c.why == "asked") & outbox.c.not_before.is_(None)
        statement = select(outbox.c.id, outbox.c.person).where(
            outbox.c.action_id.in_(select(cards.c.action_id).where(cards.c.digest == digest_id)),
            outbox.c.channel == "slack",
            outbox.c.dead.is_(False),
            outbox.c.leased_until.is_(None),
            (outbox.c.kind == "card") | asked,
        )
        rows = await self._bound.rows(statement)
        return tuple(Asking(message_id=row.id, person=row.person) for row in rows)

    async def members(self, digest_id: str) -> frozenset[str]:
        statement = select(cards.c.action_id).where(cards.c.digest == digest_id)
        return frozenset(row.action_id for row in await self._bound.rows(statement))


def _members() -> Any:
    return cards.join(actions, cards.c.action_id == actions.c.id)


def _digest(row: Row[Any]) -> Digest:
    return Digest(
        id=row.id,
        agent_id=row.agent_id,
        channel=row.channel,
        opened_at=row.opened_at,
        added_at=row.added_at,
        members=row.members,
        closed=row.closed,
        ts=row.ts,
        posting_since=row.posting_since,
        told=TOLD.loads(row.told, f"Digest {row.id}"),
        rendered_sha256=row.rendered_sha256,
    )
