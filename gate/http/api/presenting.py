"""The action document as this caller may see it; every endpoint that shows one goes through here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from gate.domain.action import Agent
from gate.domain.request import ActionRecord, Grant
from gate.http.call import Call, answer
from gate.usecases.collect import UNCOVERED, collect
from gate.usecases.commands import Done
from gate.usecases.document import link_to, written
from gate.usecases.ports import Deps

RETRY_AFTER = "5"
"""Seconds after which asking again about a pending action makes sense for a client that does not wait."""
CHECKPOINT_AFTER = "1"
"""The same where only a checkpoint is waited for; one is signed every second."""
GRANT_WAITS = "Signoff-Grant"
"""The header that says why a released action has no grant yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """What the caller gets; `waits`: its grant will be there once a checkpoint covers the release."""

    record: ActionRecord
    grant: Grant | None = None
    waits: bool = False


async def collected(
    deps: Deps,
    agent: Agent,
    record: ActionRecord,
    grant: Grant | None = None,
    *,
    just_decided: bool = False,
) -> Collected:
    """The record with its live grant, minted where need be, if this is the proposing agent and it is released.
    `just_decided`: this caller waited for the decision, so nobody will have collected before."""
    if grant is not None or not record.status.released or record.agent.id != agent.id:
        return Collected(record=record, grant=grant)
    if record.redeemed_jti is not None or record.grants_revoked:
        return Collected(record=record)
    done = await collect(deps, agent, record.id, look_first=not just_decided)
    if isinstance(done, Done):
        return Collected(record=done.record, grant=done.grant)
    return Collected(record=record, waits=done.code == UNCOVERED.code)


async def shown(
    call: Call,
    record: ActionRecord,
    *,
    grant: Grant | None = None,
    pending_status: int = 200,
    headers: Mapping[str, str] | None = None,
    just_decided: bool = False,
) -> web.Response:
    """The document as an answer: 200, or `pending_status` with where and when to ask again while it is pending or its
    grant waits for a checkpoint."""
    found = await collected(call.deps, call.agent, record, grant, just_decided=just_decided)
    document = written(found.record, grant=found.grant)
    told = dict(headers or {})
    if found.waits:
        told[GRANT_WAITS] = "awaiting-checkpoint"
    elif found.record.status.terminal:
        return answer(document, headers=told)
    if pending_status == 202:
        told["Location"] = link_to(found.record)
        told["Retry-After"] = CHECKPOINT_AFTER if found.waits else RETRY_AFTER
    return answer(document, status=pending_status, headers=told)
