"""The resource /v1/actions: propose, read, list, take back."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime

from aiohttp import web

from gate.contract.action import ActionDocument, ActionPage
from gate.contract.execution import CancelIn
from gate.contract.listing import ActionsQuery
from gate.contract.problem import FieldError
from gate.contract.proposal import ActionIn
from gate.domain.refusal import Refused
from gate.domain.release import waits_for_checkpoint
from gate.domain.request import ActionRecord, Status
from gate.http.api.presenting import shown
from gate.http.body import read_model
from gate.http.call import Call, answer
from gate.http.endpoint import ANYONE, PROPOSE, Endpoint, Header, Link, Says
from gate.http.headers import idempotency_key, preferred_wait
from gate.http.problem import ProblemRaised, field_errors, refused
from gate.http.waiting import ABANDONED
from gate.usecases import read
from gate.usecases.cancel import cancel
from gate.usecases.collect import wait_covered
from gate.usecases.commands import CancelAction, SubmitAction
from gate.usecases.document import to_document
from gate.usecases.ports import ActionFilter, Waiter
from gate.usecases.proposal import schema_problems, to_proposal
from gate.usecases.submit import submit


async def propose(call: Call) -> web.Response:
    sent, canonical = await call.canonical_json()
    body = read_model(ActionIn, sent)
    if problems := schema_problems(body):
        raise ProblemRaised("invalid_field", errors=field_errors(problems))
    key = idempotency_key(call.request)
    command = SubmitAction(
        agent=call.agent,
        proposal=to_proposal(body),
        body_sha256="" if key is None else hashlib.sha256(canonical).hexdigest(),
        idempotency_key=key,
        key_sha256=call.key_sha256,
    )
    done = await submit(call.deps, command)
    if isinstance(done, Refused):
        raise refused(done)
    headers: dict[str, str] = {}
    if done.replayed:
        headers["Idempotency-Replayed"] = "true"
    elif done.joined:
        headers["Signoff-Joined"] = "true"
        call.shared.metrics.proposals.labels("joined").inc()
    else:
        call.shared.metrics.proposals.labels(done.record.status.value).inc()
    record = await _after_wait(call, done.record, headers)
    return await shown(
        call,
        record,
        grant=done.grant,
        pending_status=202,
        headers=headers,
        just_decided=record is not done.record,
    )


async def show(call: Call) -> web.Response:
    headers: dict[str, str] = {}
    if preferred_wait(call.request):
        # Subscribed before the look, so that one will do.
        async with call.deps.wakeups.subscription(call.path("id")) as news:
            found = await _own(call)
            record = await _after_wait(call, found, headers, news)
    else:
        found = await _own(call)
        record = await _after_wait(call, found, headers)
    return await shown(
        call,
        record,
        pending_status=202 if headers else 200,
        headers=headers,
        just_decided=record is not found,
    )


async def list_page(call: Call) -> web.Response:
    query = call.query(ActionsQuery)
    agent_id = await _agent_id(call, query.agent)
    if agent_id not in (None, call.agent.id) and not call.agent.scopes & read.SEES_ALL:
        return answer(ActionPage(items=[], cursor=None))
    which = ActionFilter(
        status=None if query.status is None else Status(query.status),
        topic=query.topic,
        agent_id=agent_id,
        since=None if query.since is None else datetime.fromisoformat(query.since.upper()),
    )
    try:
        page = await read.page(call.deps, call.agent, which, cursor=query.cursor, limit=query.limit)
    except ValueError:
        raise bad_cursor() from None
    return answer(ActionPage(items=[to_document(item) for item in page.items], cursor=page.cursor))


async def take_back(call: Call) -> web.Response:
    body = await call.body(CancelIn) if call.request.body_exists else CancelIn()
    command = CancelAction(agent=call.agent, action_id=call.path("id"), reason=body.reason)
    done = await cancel(call.deps, command)
    if isinstance(done, Refused):
        raise refused(done)
    return await shown(call, done.record)


def bad_cursor() -> ProblemRaised:
    """422 for a cursor this gate did not give out."""
    wrong = FieldError(pointer="/cursor", code="cursor", detail="Not a cursor of this list")
    return ProblemRaised("invalid_query", errors=(wrong,))


async def _own(call: Call) -> ActionRecord:
    """The action in the path, if this key may see it; what it may not see does not exist for it."""
    record = await read.get(call.deps, call.agent, call.path("id"))
    if record is None:
        raise ProblemRaised("unknown_action")
    return record


async def _after_wait(
    call: Call, record: ActionRecord, headers: dict[str, str], news: Waiter | None = None
) -> ActionRecord:
    """The record after the wait the caller prefers, which is noted in the headers where it is honoured. `news` of the
    action: since before the record was read.

    A caller that leaves meanwhile gets nothing and loses nothing: the action is stored, and is there to be
    read again (INV-46).
    """
    preferred = preferred_wait(call.request)
    if preferred is None:
        if not (record.status.terminal and _waits_for_checkpoint(call, record)):
            return record
        # A checkpoint is signed every second: one plain call answers with the grant.
        seconds = call.shared.settings.checkpoint_wait
    else:
        seconds = float(preferred)
    waits = call.shared.waits
    with waits.place() as granted:
        if not granted:
            return record
        if preferred is not None:
            headers["Preference-Applied"] = f"wait={preferred}"
        if not seconds or (record.status.terminal and not _waits_for_checkpoint(call, record)):
            return record
        settled = await waits.until(call.request, _settled(call, record, seconds, news))
    return record if settled is ABANDONED else settled


async def _settled(call: Call, record: ActionRecord, timeout: float, news: Waiter | None) -> ActionRecord:
    """The record once it is decided and, where its grant waits for a checkpoint, that is signed; as it stands when
    `timeout` is over."""
    until = asyncio.get_running_loop().time() + timeout
    if not record.status.terminal:
        if news is None:
            record = await read.wait_decided(call.deps, record.id, timeout) or record
        else:
            record = await read.decided(call.deps, record, news, timeout) or record
    if _waits_for_checkpoint(call, record):
        await wait_covered(call.deps, record.id, until - asyncio.get_running_loop().time())
    return record


def _waits_for_checkpoint(call: Call, record: ActionRecord) -> bool:
    """Whether this caller will be given a grant that must be covered first."""
    mine = record.agent.id == call.agent.id
    unused = record.redeemed_jti is None and not record.grants_revoked
    return mine and record.status.released and unused and waits_for_checkpoint(record)


async def _agent_id(call: Call, named: str | None) -> str | None:
    """The id of an agent given by id or name; a name nobody has is taken for an id nobody has."""
    if named is None:
        return None
    async with call.deps.store.reading() as tx:
        stored = await tx.agents.by_name(named)
    return named if stored is None else stored.agent.id


_WAIT = Header(
    name="Prefer",
    description="`wait=N`: hold the answer until the action is decided, at most N seconds (0 to 60). Other preferences "
    "are ignored",
)
_ITS_ID = {"id": "$response.body#/id"}
_FROM_AN_ACTION = (
    Link(
        name="read",
        operation="getAction",
        description="Where the action stands, and its grant once it is released",
        parameters=_ITS_ID,
    ),
    Link(
        name="follow",
        operation="streamAction",
        description="Its changes, until it is decided",
        parameters=_ITS_ID,
    ),
)
_FROM_A_RELEASE = Link(
    name="redeem",
    operation="redeemGrant",
    description="What an executor sends, where the action is released and `grant` is there",
    body={"token": "$response.body#/grant/token", "payload": "$response.body#/payload"},
)
_FROM_A_REQUEST = Link(
    name="cancel",
    operation="cancelAction",
    description="Take the request back, while it waits for people",
    parameters=_ITS_ID,
)
_DECIDED = Says(
    status=200,
    description="Where the action stands; nothing more is to be waited for, or no wait was asked for",
    model=ActionDocument,
    headers=("Preference-Applied", "Idempotency-Replayed", "Signoff-Grant"),
    links=(*_FROM_AN_ACTION, _FROM_A_RELEASE),
)
_PENDING = Says(
    status=202,
    description="People have not decided yet, or, with `Signoff-Grant: awaiting-checkpoint`, the grant of a critical "
    "action waits for the checkpoint that covers its release; ask again at `Location`",
    model=ActionDocument,
    headers=(
        "Location",
        "Retry-After",
        "Preference-Applied",
        "Idempotency-Replayed",
        "Signoff-Joined",
        "Signoff-Grant",
    ),
    links=(*_FROM_AN_ACTION, _FROM_A_REQUEST),
)
_DOCUMENT = Says(status=200, description="Where the action stands now", model=ActionDocument)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/actions",
        handler=propose,
        operation="proposeAction",
        tag="Propose",
        summary="Propose an action",
        description="Policy decides at once: allowed, denied, throttled, or pending until people decide. "
        "Repeat a request that got lost with the same `Idempotency-Key`: it answers the same action as it "
        "stands now, with `Idempotency-Replayed: true`. What equals a pending action of the same agent in everything "
        "but `context.run_id` joins it: people are asked once, and the answer is that action, with "
        "`Signoff-Joined: true`.",
        scopes=PROPOSE,
        rests_on_key=True,
        body=ActionIn,
        request_headers=(
            Header(
                name="Idempotency-Key",
                description="1 to 255 printable ASCII characters, kept as long as the action",
                pattern=r"^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$",
            ),
            _WAIT,
        ),
        answers=(_DECIDED, _PENDING),
        problems=("idempotency_key_reused", "invalid_header", "callback_refused"),
    ),
    Endpoint(
        method="GET",
        path="/v1/actions",
        handler=list_page,
        operation="listActions",
        tag="Propose",
        summary="List actions, newest first",
        description="An agent sees its own; keys with another scope see all. Lists show no grants.",
        scopes=ANYONE,
        query=ActionsQuery,
        answers=(Says(status=200, description="One page", model=ActionPage),),
    ),
    Endpoint(
        method="GET",
        path="/v1/actions/{id}",
        handler=show,
        operation="getAction",
        tag="Propose",
        summary="Read an action, or wait for its decision",
        description="The proposing agent finds its grant here once the action is released.",
        scopes=ANYONE,
        request_headers=(_WAIT,),
        answers=(_DECIDED, _PENDING),
        problems=("unknown_action",),
    ),
    Endpoint(
        method="POST",
        path="/v1/actions/{id}/cancel",
        handler=take_back,
        operation="cancelAction",
        tag="Propose",
        summary="Take a pending action back",
        scopes=PROPOSE,
        body=CancelIn,
        body_optional=True,
        answers=(_DOCUMENT,),
        problems=("unknown_action", "not_pending", "already_decided", "conflict"),
    ),
)
