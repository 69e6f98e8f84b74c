"""What agents and reports read; a key sees its own actions, and all of them only where its scope says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from gate.domain.action import Agent
from gate.domain.request import ActionRecord
from gate.usecases.ports import ActionFilter, Deps, Page, Waiter

SEES_ALL = frozenset({"read", "execute", "admin"})


async def get(deps: Deps, agent: Agent, action_id: str) -> ActionRecord | None:
    """The action, or None: also where it belongs to another agent and this key may not see those."""
    record = await deps.store.now.actions.get(action_id)
    if record is None or (record.agent.id != agent.id and not agent.scopes & SEES_ALL):
        return None
    return record


async def page(
    deps: Deps, agent: Agent, which: ActionFilter, *, cursor: str | None, limit: int
) -> Page[ActionRecord]:
    """Actions newest first; narrowed to the agent's own where its key may not see others'."""
    if not agent.scopes & SEES_ALL:
        which = replace(which, agent_id=agent.id)
    async with deps.store.reading() as tx:
        return await tx.actions.page(which, cursor=cursor, limit=limit)


async def wait_decided(deps: Deps, action_id: str, timeout: float) -> ActionRecord | None:
    """The action as soon as it is no longer pending, at the latest after `timeout` seconds; None: no such action."""
    return await _wait(deps, action_id, timeout, _decided)


async def decided(deps: Deps, record: ActionRecord, news: Waiter, timeout: float) -> ActionRecord | None:
    """As `wait_decided`, for whoever has read the action after they began to listen to its news."""
    return await _until(deps, record, news, timeout, _decided)


async def wait_revision(deps: Deps, action_id: str, after: int, timeout: float) -> ActionRecord | None:
    """The action as soon as its revision is past `after`; None after `timeout` seconds without news."""
    record = await _wait(deps, action_id, timeout, lambda record: record.revision > after)
    return record if record is not None and record.revision > after else None


def _decided(record: ActionRecord) -> bool:
    return record.status.terminal


Enough = Callable[[ActionRecord], bool]


async def _wait(deps: Deps, action_id: str, timeout: float, enough: Enough) -> ActionRecord | None:
    """Subscribed before the first look, so that no change between look and wait is missed."""
    async with deps.wakeups.subscription(action_id) as news:
        record = await deps.store.now.actions.get(action_id)
        return record and await _until(deps, record, news, timeout, enough)


async def _until(
    deps: Deps, record: ActionRecord, news: Waiter, timeout: float, enough: Enough
) -> ActionRecord | None:
    """What this process has committed since the last look needs no other one."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    found: ActionRecord | None = record
    while found is not None and not enough(found) and (left := end - loop.time()) > 0:
        await news.wait(left)
        now = deps.store.now.actions
        found = now.newer(record.id, found.revision) or await now.get(record.id)
    return found
