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


class SqlAgents:
    """Implements `ports.Agents`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def add(self, stored: StoredAgent) -> bool:
        """Also False where the id or the key is taken."""
        return await self._bound.put_new(agents, _columns(stored))

    async def by_key(self, key_sha256: str, now: datetime) -> Agent | None:
        for row in await self._bound.ask(_BY_KEY, key=key_sha256):
            live = row.key_sha256 == key_sha256 or (row.old_until is not None and now < row.old_until)
            if live and row.revoked_at is None:
                return _agent(row.id, row.agent)
        return None

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
