"""From the body an agent sent to the proposal it means; whether the action may happen is judged elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import re2  # pyright: ignore[reportMissingTypeStubs]

from gate.contract import payload_schema
from gate.contract.proposal import ActionIn, ContextIn
from gate.domain.action import Claims, Context, Evidence, Json, Proposal, Source, Upstream
from gate.domain.refusal import FieldProblem
from gate.domain.risk import Risk
from gate.policy.json_schemas import MAX_SCHEMA_CHARACTERS

_NO_CONTEXT = Context()


def to_proposal(body: ActionIn) -> Proposal:
    """The proposal a body stands for, field by field; nothing is judged, defaulted or dropped."""
    return Proposal(
        topic=body.topic,
        payload=body.payload,
        summary=body.summary,
        tool=body.tool,
        rationale=body.rationale,
        environment=body.environment,
        labels=body.labels,
        claims=Claims(
            risk=None if body.risk is None else Risk(body.risk),
            risk_tags=frozenset(body.risk_tags),
            confidence=body.confidence,
            anomaly_score=body.anomaly_score,
            amount_usd=body.amount_usd,
            affected_users=body.affected_users,
            retry_count=body.retry_count,
        ),
        evidence=tuple(
            Evidence(label=item.label, value=item.value, tone=item.tone, url=item.url)
            for item in body.evidence
        ),
        context=_NO_CONTEXT if body.context is None else _context(body.context),
        payload_schema=body.payload_schema,
        callback_url=body.callback_url,
        audience=body.audience,
    )


def schema_problems(body: ActionIn) -> tuple[FieldProblem, ...]:
    """Why `payload_schema` is no schema a payload may have; empty where it is one or there is none.

    One too large to check an edit against is refused before checking it would hold up everybody else. Patterns
    must be RE2, so that nobody who checks an edit against the schema can be stalled by one.
    """
    schema = body.payload_schema
    if schema is None:
        return ()
    if len(json.dumps(schema, ensure_ascii=False)) > MAX_SCHEMA_CHARACTERS:
        detail = f"The schema is over {MAX_SCHEMA_CHARACTERS // 1024} KiB"
        return (FieldProblem(pointer="/payload_schema", code="too_large", detail=detail),)
    found = payload_schema.problems(schema, at="/payload_schema")
    if found:
        return tuple(FieldProblem(pointer=e.pointer, code=e.code, detail=e.detail) for e in found)
    return tuple(
        FieldProblem(pointer=where, code="invalid_pattern", detail="Not a pattern RE2 can run")
        for where, pattern in _patterns(schema)
        if not _runs_on_re2(pattern)
    )[: payload_schema.MAX_PROBLEMS]


def _context(sent: ContextIn) -> Context:
    model = sent.model
    return Context(
        workflow=sent.workflow,
        run_id=sent.run_id,
        step=sent.step,
        trigger=sent.trigger,
        original_request=sent.original_request,
        model_name=None if model is None else model.name,
        model_version=None if model is None else model.version,
        prompt_version=sent.prompt_version,
        sources=tuple(
            Source(id=item.id, title=item.title, url=item.url, fetched_at=item.fetched_at)
            for item in sent.sources
        ),
        policy_flags=tuple(sent.policy_flags),
        upstream=tuple(
            Upstream(agent=item.agent, step=item.step, summary=item.summary) for item in sent.upstream
        ),
    )


def _patterns(schema: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    for where, node in payload_schema.subschemas(schema, at="/payload_schema"):
        if "pattern" in node:
            yield f"{where}/pattern", node["pattern"]
        for name in node.get("patternProperties", {}):
            yield f"{where}/patternProperties{payload_schema.pointer((name,))}", name


def _runs_on_re2(pattern: str) -> bool:
    try:
        re2.compile(pattern, _QUIET)  # pyright: ignore[reportUnknownMemberType]
    except _RE2_ERROR:
        return False
    return True


_RE2_ERROR: type[Exception] = re2.error  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_QUIET = re2.Options()
_QUIET.log_errors = False
