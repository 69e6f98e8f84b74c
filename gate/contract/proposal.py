"""What an agent sends to propose an action; what the gate makes of it is not known here."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gate.contract.fields import (
    Amount,
    Audience,
    CallbackUrl,
    Count,
    Fraction,
    Json,
    JsonObject,
    LabelText,
    Line,
    Name,
    Page,
    Paragraph,
    Risk,
    Tag,
    TimeIn,
    Tone,
    Topic,
    WebUrl,
)

MAX_LABELS = 50
MAX_EVIDENCE = 20


class Request(BaseModel):
    """Base of everything sent to the gate: misspelt fields are refused and no type is coerced."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class EvidenceIn(Request):
    """A labelled fact for the reviewer. Tones: slate neutral, amber caution, red risk, emerald good, blue."""

    label: Annotated[Line, Field(max_length=100)]
    value: Annotated[Paragraph, Field(max_length=1_000)]
    tone: Tone = "slate"
    url: WebUrl | None = None


class ModelIn(Request):
    """The model behind the agent."""

    name: Name | None = None
    version: Name | None = None


class SourceIn(Request):
    """A document the agent relied on; `fetched_at` lets policy judge whether it is stale."""

    id: Name
    title: Line | None = None
    url: WebUrl | None = None
    fetched_at: TimeIn | None = None


class UpstreamIn(Request):
    """An earlier step of the same workflow."""

    agent: Name | None = None
    step: Name | None = None
    summary: Annotated[Paragraph, Field(max_length=1_000)] | None = None


class ContextIn(Request):
    """Where the action comes from, in the agent's own words."""

    workflow: Name | None = None
    run_id: Name | None = None
    step: Name | None = None
    trigger: Line | None = None
    original_request: Page | None = None
    model: ModelIn | None = None
    prompt_version: Name | None = None
    sources: Annotated[list[SourceIn], Field(max_length=50)] = []
    policy_flags: Annotated[list[Tag], Field(max_length=50)] = []
    upstream: Annotated[list[UpstreamIn], Field(max_length=50)] = []


_EXAMPLE: dict[str, Json] = {
    "topic": "job.support.process-refund",
    "summary": "Refund $1,400.00 to order 881",
    "tool": "stripe.refund",
    "payload": {"order_id": "881", "amount": 140000, "currency": "usd"},
    "rationale": "The parcel was lost, and the carrier confirmed it.",
    "environment": "prod",
    "risk": "high",
    "risk_tags": ["financial", "write"],
    "confidence": 0.84,
    "amount_usd": 1400,
    "evidence": [{"label": "Contract", "value": "CON-4821", "tone": "emerald"}],
}


class ActionIn(Request):
    """A proposed action. `payload` is exactly what would be executed; everything else is the agent's word.

    Risk, tags, amounts and counts are claims: they can raise scrutiny, never lower it.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    topic: Topic
    payload: JsonObject
    summary: Annotated[Line, Field(max_length=300, description="Plain language, for the person who decides")]
    tool: Name | None = None
    rationale: Paragraph | None = None
    environment: Name | None = None
    labels: Annotated[
        dict[Tag, LabelText], Field(max_length=MAX_LABELS, json_schema_extra={"additionalProperties": False})
    ] = {}
    risk: Risk | None = None
    risk_tags: Annotated[list[Tag], Field(max_length=50)] = []
    confidence: Fraction | None = None
    anomaly_score: Fraction | None = None
    amount_usd: Amount | None = None
    affected_users: Count | None = None
    retry_count: Count | None = None
    evidence: Annotated[list[EvidenceIn], Field(max_length=MAX_EVIDENCE)] = []
    context: ContextIn | None = None
    payload_schema: (
        Annotated[
            JsonObject,
            Field(
                description="JSON Schema (draft 2020-12) of the payload, no outside `$ref`; types the form"
            ),
        ]
        | None
    ) = None
    callback_url: CallbackUrl | None = None
    audience: Audience | None = None
