"""The resource /v1/audit: the append-only record, page by page."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

from gate.contract.governance import AuditPage, AuditRecordOut
from gate.contract.listing import AuditQuery
from gate.domain.audit import AuditRecord, digest, timestamp
from gate.http.api.actions import bad_cursor
from gate.http.call import Call, answer
from gate.http.endpoint import REPORTS, Endpoint, Says
from gate.usecases.ports import AuditFilter


async def records(call: Call) -> web.Response:
    query = call.query(AuditQuery)
    which = AuditFilter(
        action=query.action,
        kind=query.kind,
        actor=query.actor,
        since=None if query.since is None else datetime.fromisoformat(query.since.upper()),
    )
    async with call.deps.store.reading() as tx:
        try:
            page = await tx.audit.page(which, cursor=query.cursor, limit=query.limit)
        except ValueError:
            raise bad_cursor() from None
    return answer(AuditPage(items=[_shown(record) for record in page.items], cursor=page.cursor))


def _shown(record: AuditRecord) -> AuditRecordOut:
    return AuditRecordOut(
        kind=record.kind,
        actor=record.actor,
        at=timestamp(record.at),
        action=record.action,
        detail=dict(record.detail),
        digest=digest(record),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/audit/records",
        handler=records,
        operation="listAuditRecords",
        tag="Govern",
        summary="Read the audit record",
        description="One record per transition, in the order they were written: ids, codes, digests and times, "
        "never a payload or personal data.",
        scopes=REPORTS,
        query=AuditQuery,
        answers=(Says(status=200, description="One page", model=AuditPage),),
    ),
)
