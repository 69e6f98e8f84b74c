"""The resource /v1/audit: the append-only record, page by page, its checkpoints, and what proves that it only grew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from gate.contract.governance import AuditPage, AuditRecordOut, ConsistencyOut, HmacOut, InclusionOut, LeafOut
from gate.contract.listing import AuditQuery, ConsistencyQuery, InclusionQuery, NoQuery
from gate.domain.audit import AuditRecord, canonical_bytes, digest, timestamp
from gate.domain.merkle import Proof, consistency, inclusion, leaf_hash
from gate.http.api.actions import bad_cursor
from gate.http.call import Call, answer
from gate.http.endpoint import REPORTS, Endpoint, Says
from gate.http.problem import ProblemRaised
from gate.usecases.ports import AuditFilter, SealedCheckpoint, Transaction

Seal = Callable[[bytes], tuple[str, str]]


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
        hashes = [leaf_hash(canonical_bytes(record)) for record in page.items]
        positions = await tx.tree.positions(hashes)
    items = [
        _shown(record, LeafOut(index=positions.get(found), hash=found.hex()), call.shared.settings.seal)
        for record, found in zip(page.items, hashes, strict=True)
    ]
    return answer(AuditPage(items=items, cursor=page.cursor))


async def checkpoint(call: Call) -> web.Response:
    call.query(NoQuery)
    async with call.deps.store.reading() as tx:
        latest = await tx.tree.latest()
    if latest is None:
        raise ProblemRaised("no_checkpoint")
    return web.Response(text=latest.note, content_type="text/plain", charset="utf-8")


async def inclusion_proof(call: Call) -> web.Response:
    query = call.query(InclusionQuery)
    by_hash = len(query.record) == 64
    async with call.deps.store.reading() as tx:
        leaf = await tx.tree.leaf(bytes.fromhex(query.record) if by_hash else int(query.record))
        if leaf is None:
            raise ProblemRaised("unknown_record")
        sealed = await tx.tree.latest() if query.size is None else await tx.tree.sealed(query.size)
        size = await _asked_size(tx, sealed, query.size)
        if leaf.position >= size:
            raise ProblemRaised("invalid_query", f"Record {leaf.position} is not among the first {size}.")
        proof = await _made(tx, inclusion(leaf.position, size))
    return answer(
        InclusionOut(
            leaf=LeafOut(index=leaf.position, hash=leaf.hash.hex()),
            size=size,
            proof=proof,
            checkpoint=sealed.note if sealed is not None and sealed.size == size else None,
        )
    )


async def consistency_proof(call: Call) -> web.Response:
    query = call.query(ConsistencyQuery)
    async with call.deps.store.reading() as tx:
        second = await _size(tx, query.second)
        if query.first > second:
            raise ProblemRaised("invalid_query", f"{query.first} records are more than {second}.")
        proof = await _made(tx, consistency(query.first, second))
    return answer(ConsistencyOut.model_validate({"from": query.first, "to": second, "proof": proof}))


async def _size(tx: Transaction, asked: int | None) -> int:
    """The length asked for, else that of the last checkpoint."""
    return await _asked_size(tx, await tx.tree.latest() if asked is None else None, asked)


async def _asked_size(tx: Transaction, sealed: SealedCheckpoint | None, asked: int | None) -> int:
    if asked is None:
        if sealed is None:
            raise ProblemRaised("no_checkpoint")
        return sealed.size
    grown = await tx.tree.size()
    if asked > grown:
        raise ProblemRaised("invalid_query", f"Only {grown} records are numbered yet.")
    return asked


async def _made(tx: Transaction, proof: Proof) -> list[str]:
    nodes = await tx.tree.nodes(proof.nodes)
    return [part.hex() for part in proof.made(nodes.__getitem__)]


def _shown(record: AuditRecord, leaf: LeafOut, seal: Seal | None) -> AuditRecordOut:
    key, sealed = seal(canonical_bytes(record)) if seal is not None else ("", "")
    return AuditRecordOut(
        kind=record.kind,
        actor=record.actor,
        at=timestamp(record.at),
        action=record.action,
        detail=dict(record.detail),
        digest=digest(record),
        leaf=leaf,
        hmac=HmacOut(key=key, sha256=sealed) if seal is not None else None,
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
    Endpoint(
        method="GET",
        path="/v1/audit/checkpoint",
        handler=checkpoint,
        operation="readAuditCheckpoint",
        tag="Govern",
        summary="The last signed checkpoint",
        description="A signed note (C2SP tlog-checkpoint, Ed25519): name, number of records, root of their Merkle tree "
        "(RFC 9162). Kept elsewhere, it shows later whether the record was changed or cut.",
        scopes=REPORTS,
        query=NoQuery,
        answers=(Says(status=200, description="The note", media="text/plain"),),
        problems=("no_checkpoint",),
    ),
    Endpoint(
        method="GET",
        path="/v1/audit/proof/inclusion",
        handler=inclusion_proof,
        operation="proveInclusion",
        tag="Govern",
        summary="Prove that a record is on record",
        description="The audit path of a record, by default to the root of the last checkpoint.",
        scopes=REPORTS,
        query=InclusionQuery,
        answers=(Says(status=200, description="The proof", model=InclusionOut),),
        problems=("unknown_record", "no_checkpoint"),
    ),
    Endpoint(
        method="GET",
        path="/v1/audit/proof/consistency",
        handler=consistency_proof,
        operation="proveConsistency",
        tag="Govern",
        summary="Prove that the record only grew",
        description="Between an earlier checkpoint's number of records and a later one's, by default the last.",
        scopes=REPORTS,
        query=ConsistencyQuery,
        answers=(Says(status=200, description="The proof", model=ConsistencyOut),),
        problems=("no_checkpoint",),
    ),
)
