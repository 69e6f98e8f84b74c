"""The action document as this caller may see it; every endpoint that shows one goes through here."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from gate.contract.action import ActionDocument
from gate.domain.action import Agent
from gate.domain.request import ActionRecord, Grant
from gate.http.call import Call, answer
from gate.usecases.collect import collect
from gate.usecases.commands import Done
from gate.usecases.document import to_document
from gate.usecases.ports import Deps

RETRY_AFTER = "5"
"""Seconds after which asking again about a pending action makes sense for a client that does not wait."""


async def collected(
    deps: Deps,
    agent: Agent,
    record: ActionRecord,
    grant: Grant | None = None,
    *,
    just_decided: bool = False,
) -> tuple[ActionRecord, Grant | None]:
    """The record with its live grant, minted where need be, if this is the proposing agent and it is released.
    `just_decided`: this caller waited for the decision, so nobody will have collected before."""
    if grant is not None or not record.status.released or record.agent.id != agent.id:
        return record, grant
    if record.redeemed_jti is not None or record.grants_revoked:
        return record, None
    done = await collect(deps, agent, record.id, look_first=not just_decided)
    return (done.record, done.grant) if isinstance(done, Done) else (record, None)


async def shown(
    call: Call,
    record: ActionRecord,
    *,
    grant: Grant | None = None,
    pending_status: int = 200,
    headers: Mapping[str, str] | None = None,
    just_decided: bool = False,
) -> web.Response:
    """The document as an answer: 200, or `pending_status` with where and when to ask again while it is pending."""
    record, grant = await collected(call.deps, call.agent, record, grant, just_decided=just_decided)
    document: ActionDocument = to_document(record, grant=grant)
    if record.status.terminal:
        return answer(document, headers=headers)
    again = {"Location": document.links.self, "Retry-After": RETRY_AFTER} if pending_status == 202 else {}
    return answer(document, status=pending_status, headers={**(headers or {}), **again})
