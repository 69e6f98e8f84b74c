"""Keeps agents and the hashes of their keys; a key itself never comes here."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, or_, select, update

from gate.domain.action import Agent
from gate.store.bound import Bound
from gate.store.codec import AGENT
from gate.store.questions import Question
from gate.store.tables import agents
from gate.usecases.ports import StoredAgent


class Held:
    """Which row every live key belonged to when it was last looked up."""

    def __init__(self, *, most: int = 1_024) -> None:
        self._rows: dict[str, tuple[str, str]] = {}
        self._most = most

    def keep(self, key_sha256: str, agent_id: str, document: str) -> None:
        if key_sha256 not in self._rows and len(self._rows) >= self._most:
            del self._rows[next(iter(self._rows))]
        self._rows[key_sha256] = agent_id, document

    def forget(self, key_sha256: str) -> None:
        self._rows.pop(key_sha256, None)

    def of(self, key_sha256: str) -> tuple[str, str] | None:
        """Id and document."""
        return self._rows.get(key_sha256)


class SqlAgents:
    """Implements `ports.Agents`."""

    def __init__(self, bound: Bound, held: Held) -> None:
        self._bound = bound
        self._held = held

    async def add(self, stored: StoredAgent) -> bool:
        """Also False where the id or the key is taken."""
        return await self._bound.put_new(agents, _columns(stored))

    async def by_key(self, key_sha256: str, now: datetime) -> Agent | None:
        for row in await self._bound.ask(_BY_KEY, key=key_sha256):
            live = row.key_sha256 == key_sha256 or (row.old_until is not None and now < row.old_until)
            if live and row.revoked_at is None:
                if row.key_sha256 == key_sha256:  # one that was rotated out is good for a while only
                    self._held.keep(key_sha256, row.id, row.agent)
                return _agent(row.id, row.agent)
        self._held.forget(key_sha256)
        return None

    def remembered(self, key_sha256: str) -> Agent | None:
        row = self._held.of(key_sha256)
        return None if row is None else _agent(*row)

    async def still(self, agent: Agent, key_sha256: str, now: datetime) -> bool:
        row = self._held.of(key_sha256)
        if row is not None and _agent(*row) is agent:
            agent_id, document = row
            if self._bound.presume(_STILL, key=key_sha256, id=agent_id, agent=document):
                return True
        return await self.by_key(key_sha256, now) == agent

    async def by_name(self, name: str) -> StoredAgent | None:
        row = await self._bound.row(select(agents).where(agents.c.name == name))
        return None if row is None else _stored(row)

    async def replace(self, stored: StoredAgent) -> None:
        """Raises LookupError where there is no agent with this id."""
        columns = _columns(stored)
        statement = update(agents).where(agents.c.id == columns.pop("id")).values(columns)
        if await self._bound.moved(statement) != 1:
            raise LookupError(f"there is no agent {stored.agent.id}")

    async def all(self) -> tuple[StoredAgent, ...]:
        """By name."""
        return tuple(_stored(row) for row in await self._bound.rows(select(agents).order_by(agents.c.name)))


_KEY = bindparam("key")
_BY_KEY = Question(
    select(agents.c.id, agents.c.agent, agents.c.key_sha256, agents.c.old_until, agents.c.revoked_at).where(
        or_(agents.c.key_sha256 == _KEY, agents.c.old_key_sha256 == _KEY)
    )
)

_STILL = Question(
    select(agents.c.id).where(
        agents.c.key_sha256 == _KEY,
        agents.c.id == bindparam("id"),
        agents.c.agent == bindparam("agent"),
        agents.c.revoked_at.is_(None),
    )
)


@lru_cache(maxsize=1_024)
def _agent(agent_id: str, document: str) -> Agent:
    """The same row is the same agent, so that one that asks often is not decoded each time."""
    return AGENT.loads(document, f"Agent {agent_id}")


def _columns(stored: StoredAgent) -> dict[str, Any]:
    return {
        "id": stored.agent.id,
        "name": stored.agent.name,
        "key_sha256": stored.key_sha256,
        "old_key_sha256": stored.old_key_sha256,
        "old_until": stored.old_until,
        "created_at": stored.created_at,
        "revoked_at": stored.revoked_at,
        "agent": AGENT.dumps(stored.agent),
    }


def _stored(row: Row[Any]) -> StoredAgent:
    return StoredAgent(
        agent=AGENT.loads(row.agent, f"Agent {row.id}"),
        key_sha256=row.key_sha256,
        created_at=row.created_at,
        old_key_sha256=row.old_key_sha256,
        old_until=row.old_until,
        revoked_at=row.revoked_at,
    )
