"""From the body an agent sent to the proposal it means; whether the action may happen is judged elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import re2
from jsonschema import Draft202012Validator

from gate.contract.proposal import ActionIn, ContextIn
from gate.domain.action import Claims, Context, Evidence, Json, Proposal, Source, Upstream
from gate.domain.refusal import FieldProblem
from gate.domain.risk import Risk

_MAX_PROBLEMS = 20
_NOTHING = ContextIn()


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
        context=_context(body.context or _NOTHING),
        payload_schema=body.payload_schema,
        callback_url=body.callback_url,
        audience=body.audience,
    )


def schema_problems(body: ActionIn) -> tuple[FieldProblem, ...]:
    """Why `payload_schema` is no usable JSON Schema (draft 2020-12), at most twenty reasons; empty where it is.

    Patterns must be RE2: whoever later checks an edit against the schema can then not be stalled by one.
    """
    schema = body.payload_schema
    if schema is None:
        return ()
    found: list[FieldProblem] = []
    for error in cast(Iterator[Any], _META.iter_errors(schema)):  # pyright: ignore[reportUnknownMemberType]
        pointer = "/payload_schema" + "".join(f"/{_escaped(part)}" for part in error.absolute_path)
        found.append(FieldProblem(pointer=pointer, code="invalid_schema", detail=_sentence(error)))
        if len(found) == _MAX_PROBLEMS:
            return tuple(found)
    for pointer, pattern in _patterns(schema):
        if not _runs_on_re2(pattern):
            found.append(
                FieldProblem(pointer=pointer, code="invalid_pattern", detail="Not a pattern RE2 can run")
            )
            if len(found) == _MAX_PROBLEMS:
                break
    return tuple(found)


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


def _patterns(schema: Json) -> Iterator[tuple[str, str]]:
    """Every pattern in the schema with its pointer, also where only a careless reader would take it for one."""
    waiting: list[tuple[str, Json]] = [("/payload_schema", schema)]
    while waiting:
        pointer, item = waiting.pop()
        if isinstance(item, dict):
            node = cast(Mapping[str, Json], item)
            pattern = node.get("pattern")
            if isinstance(pattern, str):
                yield f"{pointer}/pattern", pattern
            named = node.get("patternProperties")
            if isinstance(named, dict):
                for name in cast(Mapping[str, Json], named):
                    yield f"{pointer}/patternProperties/{_escaped(name)}", name
            waiting.extend((f"{pointer}/{_escaped(key)}", value) for key, value in node.items())
        elif isinstance(item, list):
            waiting.extend(
                (f"{pointer}/{index}", value) for index, value in enumerate(cast(list[Json], item))
            )


def _runs_on_re2(pattern: str) -> bool:
    try:
        re2.compile(pattern, _QUIET)  # pyright: ignore[reportUnknownMemberType]
    except re2.error:
        return False
    return True


def _sentence(error: Any) -> str:
    """What the schema's schema asks for, without the value that breaks it."""
    rule = str(error.validator)
    return f"Not JSON Schema: `{rule}` of the draft 2020-12 schema is not met"


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


_META = Draft202012Validator(Draft202012Validator.META_SCHEMA)

_QUIET = re2.Options()
_QUIET.log_errors = False
