"""Keeps when each person was sent a direct message last, and finds what waits for them in the outbox."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from gate.domain.bursts import Ping
from gate.domain.risk import Risk
from gate.store.bound import Bound
from gate.store.tables import actions, outbox, pings

MOST_COUNTED = 2_000
"""Waiting messages of one person looked at; beyond, those are told by the next one."""


class SqlPings:
    """Implements `ports.Pings`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def waiting(self, person: str, now: datetime) -> tuple[tuple[str, Risk, str], ...]:
        statement = (
            select(outbox.c.id, actions.c.risk, outbox.c.why)
            .select_from(outbox.join(actions, actions.c.id == outbox.c.action_id))
            .where(
                outbox.c.person == person,
                outbox.c.dead.is_(False),
                outbox.c.kind == "dm",
                outbox.c.channel == "slack",
                or_(outbox.c.not_before.is_(None), outbox.c.not_before <= now),
            )
            .order_by(outbox.c.id)
            .limit(MOST_COUNTED)
        )
        rows = await self._bound.rows(statement)
        return tuple((row.id, Risk(row.risk), row.why or "") for row in rows)

    async def last(self, person: str) -> tuple[Ping | None, Ping | None]:
        rows = await self._bound.rows(select(pings).where(pings.c.person == person))
        found = {row.urgent: Ping(at=row.at, merged=row.merged) for row in rows}
        return found.get(False), found.get(True)

    async def put(self, person: str, *, urgent: bool, ping: Ping) -> None:
        row = {"person": person, "urgent": urgent, "at": ping.at, "merged": ping.merged}
        await self._bound.put_over(pings, row)

    async def claim(self, person: str, *, urgent: bool, ping: Ping, before: datetime) -> bool:
        """Of two replicas at once the second waits for the first, and finds its time too near."""
        row = {"person": person, "urgent": urgent, "at": ping.at, "merged": ping.merged}
        if await self._bound.put_new(pings, row):
            return True
        mine = (pings.c.person == person) & (pings.c.urgent.is_(urgent))
        taken = update(pings).where(mine, pings.c.at <= before).values(at=ping.at, merged=ping.merged)
        return await self._bound.moved(taken) == 1

    async def went_out(self, people: Collection[str], *, reserved_at: datetime, at: datetime) -> None:
        mine = pings.c.person.in_(people) & (pings.c.at == reserved_at)
        await self._bound.moved(update(pings).where(mine).values(at=at))

    async def give_back(self, person: str, *, urgent: bool, ping: Ping, earlier: Ping | None) -> None:
        """Nothing is moved where somebody has sent one since."""
        mine = (pings.c.person == person) & (pings.c.urgent.is_(urgent)) & (pings.c.at == ping.at)
        if earlier is None:
            await self._bound.moved(delete(pings).where(mine))
            return
        values = {"at": earlier.at, "merged": earlier.merged}
        await self._bound.moved(update(pings).where(mine).values(values))

    async def hold(self, message_ids: Sequence[str], *, until: datetime) -> None:
        waiting = outbox.c.id.in_(message_ids) & outbox.c.leased_until.is_(None)
        sooner = outbox.c.due_at < until
        await self._bound.moved(update(outbox).where(waiting, sooner).values(due_at=until))

    async def told(self, message_ids: Sequence[str]) -> None:
        await self._bound.moved(delete(outbox).where(outbox.c.id.in_(message_ids)))
