"""The demo's own agents on the local database: made once, their keys made anew for each performance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from gate.cli.agents import add_agent, key_sha256, new_key
from gate.cli.demo.wire import Keys
from gate.domain.audit import AuditRecord
from gate.domain.people import Person
from gate.wiring.desk import Desk

PREFIX = "demo-"
EXECUTOR = "demo-executor"
AUDIENCES = frozenset({"executors", "payments-executor"})
_OVERLAP = timedelta(hours=1)
"""So that another performance that still runs is not cut off."""


async def hire(desk: Desk, *, agents: Iterable[str], owner: Person) -> Keys:
    """Keys for `demo-<name>` of each agent and for `demo-executor`; all of them belong to `owner`."""
    keys: dict[str, str] = {}
    for name in agents:
        team = name if name.isalpha() else "demo"
        keys[name] = await _key(desk, PREFIX + name, team=team, owner=owner, scope="propose")
    executor = await _key(desk, EXECUTOR, team="ops", owner=owner, scope="execute")
    return Keys(agents=keys, executor=executor)


async def _key(desk: Desk, name: str, *, team: str, owner: Person, scope: str) -> str:
    audiences = AUDIENCES if scope == "execute" else frozenset({"executors"})
    made = await add_agent(
        desk, name=name, team=team, owner=owner, scopes=frozenset({scope}), audiences=audiences
    )
    if made is not None:
        return made
    key, now = new_key(), desk.deps.clock.now()
    async with desk.store.writing() as tx:
        stored = await tx.agents.by_name(name)
        if stored is None or stored.revoked_at is not None:
            raise CastError(f"The key of {name} was revoked, so the demo cannot use it.")
        await tx.agents.replace(
            replace(
                stored,
                key_sha256=key_sha256(key),
                old_key_sha256=stored.key_sha256,
                old_until=now + _OVERLAP,
            )
        )
        detail: Mapping[str, object] = {"agent": stored.agent.id, "name": name, "overlap_sec": 3600}
        await tx.audit.append(AuditRecord(kind="agent.rotated", actor="operator:demo", at=now, detail=detail))
    return key


class CastError(Exception):
    """The demo's agents cannot be had; the message is a sentence."""
