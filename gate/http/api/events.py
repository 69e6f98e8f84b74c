"""The event stream of one action: its state now, and again with every change, until it is decided."""

from __future__ import annotations

from aiohttp import web

from gate.contract.action import ActionEvent
from gate.domain.request import ActionRecord
from gate.domain.second_review import shown_revision
from gate.http.api.presenting import collected
from gate.http.call import Call
from gate.http.endpoint import ANYONE, Endpoint, Header, Says
from gate.http.headers import last_event_id
from gate.http.problem import ProblemRaised
from gate.http.waiting import ABANDONED
from gate.usecases import read
from gate.usecases.collect import wait_covered
from gate.usecases.document import to_document
from gate.usecases.ports import StoreUnavailable

_RECONNECT_MS = 2_000


async def stream(call: Call) -> web.StreamResponse:
    record = await read.get(call.deps, call.agent, call.path("id"))
    if record is None:
        raise ProblemRaised("unknown_action")
    seen = last_event_id(call.request)
    seen = seen if seen <= shown_revision(record) else 0  # an id this action never had: start over
    if record.status.terminal and seen == shown_revision(record):
        # By the standard, 204 tells a browser's EventSource not to come back.
        return web.Response(status=204)
    with call.shared.waits.place() as granted:
        if not granted:
            raise ProblemRaised("too_many_streams", headers={"Retry-After": "10"})
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        answer.headers["X-Accel-Buffering"] = "no"
        await answer.prepare(call.request)
        try:
            await answer.write(f"retry: {_RECONNECT_MS}\n\n".encode())
            await _tell(call, answer, record, seen)
        except (ConnectionError, StoreUnavailable):
            # Gone, or nothing can be read now: whoever still listens reconnects with the last id it saw.
            return answer
        return answer


async def _tell(call: Call, answer: web.StreamResponse, record: ActionRecord, seen: int) -> None:
    current: ActionRecord | None = record
    told, known = None, record.revision
    settings = call.shared.settings
    while True:
        if current is not None and shown_revision(current) > seen:
            found = await collected(call.deps, call.agent, current)
            if found.waits:
                if await _covered(call, answer, found.record):
                    continue
                return
            current = found.record
            seen = shown_revision(current)
            document = to_document(current, grant=found.grant).model_dump_json()
            if document != told:  # what nobody may see yet makes no event either
                await answer.write(f"id: {seen}\nevent: action\ndata: {document}\n\n".encode())
                told = document
            if current.status.terminal:
                await answer.write_eof()
                return
        known = known if current is None else current.revision
        news = read.wait_revision(call.deps, record.id, known, settings.heartbeat)
        heard = await call.shared.waits.until(call.request, news)
        if heard is ABANDONED:
            return
        current = heard
        if current is None:
            await answer.write(b": still pending\n\n")


async def _covered(call: Call, answer: web.StreamResponse, record: ActionRecord) -> bool:
    """Wait until a checkpoint covers the release, so that its last event has the grant; False where the wait ends."""
    while True:
        signed = await call.shared.waits.until(
            call.request, wait_covered(call.deps, record.id, call.shared.settings.heartbeat)
        )
        if signed is ABANDONED:
            return False
        if signed:
            return True
        await answer.write(b": awaiting checkpoint\n\n")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/actions/{id}/events",
        handler=stream,
        operation="streamAction",
        tag="Propose",
        summary="Follow an action until it is decided",
        description="Server-sent events named `action`; `data` is the action document, `id` its revision. The "
        "first says how things stand, unless `Last-Event-ID` shows that this is known. The stream ends with the "
        "decision; asked again, it then answers 204. Comments keep the connection open.",
        scopes=ANYONE,
        request_headers=(
            Header(
                name="Last-Event-ID", description="The `id` of the last event seen; anything else starts over"
            ),
        ),
        answers=(
            Says(status=200, description="The stream", media="text/event-stream", model=ActionEvent),
            Says(status=204, description="Nothing new will come: the action is decided, and this was seen"),
        ),
        problems=("unknown_action", "too_many_streams"),
    ),
)
