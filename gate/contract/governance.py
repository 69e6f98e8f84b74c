"""What governance reads: policy snapshots, dry runs and the audit record."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gate.contract.action import Answer, PolicyRef, RemediationOut
from gate.contract.fields import Decision, JsonObject, Risk, Sha256, Time


class SnapshotLine(Answer):
    """A policy set by its digest. `loaded_at` is when it first came into force here."""

    version: str
    digest: Annotated[str, Field(examples=["sha256:4f0c…"])]
    loaded_at: Time | None


class DocumentText(Answer):
    """One policy document, as it was loaded."""

    name: str
    text: str


class SnapshotOut(SnapshotLine):
    """A policy set, whole."""

    documents: list[DocumentText]


class SnapshotPage(Answer):
    """Every policy set that ever decided something, in the order they came into force."""

    items: list[SnapshotLine]


class PlanOut(Answer):
    """Who would be asked, and what happens if nobody answers. Times are in seconds from the submit."""

    required: int
    assignees: list[str]
    groups: list[str]
    distinct_groups: list[str]
    sla_sec: int
    on_timeout: str


class TraceLine(Answer):
    """How one rule took the action. `kind`: classify, guardrail, rule, default, or document (out of its scope).
    `outcome`: decides, matched, not matched, not reached, out of scope or trouble. `conditions` are one sentence
    for each key of its match; `why` sums them up."""

    kind: str
    id: str
    file: str
    line: int
    decision: str | None
    outcome: str
    why: str
    conditions: list[str]


class EvaluationOut(Answer):
    """What policy would say about an action now, and why; nothing was stored."""

    decision: Decision
    reason: str
    rule: str
    trigger: str
    policy: PolicyRef
    risk: Risk
    risk_tags: list[str]
    constraints: JsonObject | None
    remediations: list[RemediationOut]
    retry_after_sec: int | None
    approval: PlanOut | None
    trace: list[TraceLine]
    filled_in: Annotated[
        list[str], Field(description="What of the approval no rule said, and what holds instead")
    ]


class LeafOut(Answer):
    """A record in the Merkle tree. `hash` is the SHA-256 of a zero byte and the canonical bytes; `index` counts from 0
    and is null until the record is numbered."""

    index: int | None
    hash: Sha256


class HmacOut(Answer):
    """HMAC-SHA256 over the canonical bytes, in hex, with the key of this id: proof for whoever has the key that this
    gate wrote the record."""

    key: str
    sha256: Sha256


class AuditRecordOut(Answer):
    """One transition. `digest` is the SHA-256 of the record's canonical bytes: this object without `digest`, `leaf` and
    `hmac`, with `"v": 1`, keys sorted, no white space."""

    kind: Annotated[str, Field(examples=["approval.granted"])]
    actor: Annotated[str, Field(examples=["person:ana"])]
    at: Time
    action: str | None
    detail: JsonObject
    digest: Sha256
    leaf: LeafOut
    hmac: HmacOut | None


class AuditPage(Answer):
    """One page of the record, in the order it was written; `cursor` is None at the end."""

    items: list[AuditRecordOut]
    cursor: str | None


class InclusionOut(Answer):
    """That a record is among the first `size`, by the algorithm of RFC 9162, 2.1.3.2. `checkpoint` is the note over
    exactly that many, null where none was signed."""

    leaf: LeafOut
    size: int
    proof: list[Sha256]
    checkpoint: str | None


class ConsistencyOut(Answer):
    """That the first `to` records begin with the first `from`, by the algorithm of RFC 9162, 2.1.4.2."""

    first: Annotated[int, Field(alias="from")]
    second: Annotated[int, Field(alias="to")]
    proof: list[Sha256]
