"""The shape of a policy document: every key, its type and its bounds; what the keys do is the compiler's.

The models double as the source of the JSON Schema for editors. Sections about reviewers' time and emergencies live
in `oversight.py`, those of work that comes later in `later.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from gate.policy.durations import parse_duration

MAX_GLOB = 256


class Section(BaseModel):
    """A mapping with known keys only; values are what they look like and are never converted."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        populate_by_name=True,
        arbitrary_types_allowed=False,
        defer_build=True,
    )


def listed(value: object) -> object:
    """A single word where a list is meant."""
    return [value] if isinstance(value, str) else value


def _glob(text: str) -> str:
    if not text:
        raise ValueError("a pattern must not be empty")
    if len(text) > MAX_GLOB:
        raise ValueError(f"a pattern may have {MAX_GLOB} characters")
    if "**" in text:
        raise ValueError("write one *: it already crosses dots")
    return text


def _word(value: object) -> object:
    """Decisions and risks are read without regard to case and `-` or `_`."""
    return value.strip().lower().replace("-", "_").replace(" ", "_") if isinstance(value, str) else value


_strings: dict[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
}
Name = Annotated[str, Field(min_length=1, max_length=200)]
Strings = Annotated[list[Name], Field(min_length=1), BeforeValidator(listed), WithJsonSchema(_strings)]
Globs = Annotated[
    list[Annotated[str, AfterValidator(_glob)]],
    Field(min_length=1),
    BeforeValidator(listed),
    WithJsonSchema(_strings),
]
Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {"type": "string", "pattern": r"^(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?$", "examples": ["30m", "1h30m"]}
    ),
]
RiskName = Annotated[Literal["low", "medium", "high", "critical"], BeforeValidator(_word)]
DecisionName = Annotated[
    Literal["allow", "allow_with_constraints", "deny", "throttle", "require_approval"], BeforeValidator(_word)
]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Id = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Text = Annotated[str, Field(min_length=1, max_length=2_000)]
Expr = Annotated[str, Field(min_length=1)]
Tone = Literal["slate", "amber", "red", "emerald", "blue"]


class VelocityMatch(Section):
    """More than `max` actions, or more than `max` of what `sum` names, within `per`; this action included."""

    max: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    per: Duration
    key: Annotated[
        list[Literal["agent", "topic", "tool", "team", "environment"]],
        Field(min_length=1),
        BeforeValidator(listed),
    ] = ["agent"]
    sum: Literal["amount_usd", "affected_users"] | None = None


Hours = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class TimeMatch(Section):
    """A window of the week. Hours that wrap midnight belong to the day on which they begin."""

    days: Strings | None = None
    hours: Hours | None = None
    tz: Name = "UTC"


class Match(Section):
    """Conditions on an action: keys AND together, the items of a list OR."""

    topics: Globs | None = None
    tools: Globs | None = None
    agents: Globs | None = None
    teams: Globs | None = None
    environments: Globs | None = None
    risk_tags: Strings | None = None
    risk_tags_all: Strings | None = None
    risk_tags_none: Strings | None = None
    risk_at_least: RiskName | None = None
    labels: Annotated[dict[Name, Globs], Field(min_length=1)] | None = None
    confidence_below: Share | None = None
    anomaly_score_above: Share | None = None
    retry_count_above: Count | None = None
    amount_usd_above: Number | None = None
    affected_users_above: Count | None = None
    first_time_action: bool | None = None
    missing: (
        Annotated[
            list[Literal["sources", "rationale", "evidence", "model"]],
            Field(min_length=1),
            BeforeValidator(listed),
        ]
        | None
    ) = None
    conflicting: Annotated[list[Name], Field(min_length=1), BeforeValidator(listed)] | None = None
    stale_after: Duration | None = None
    velocity: VelocityMatch | None = None
    autonomy_level: Any = None
    time: TimeMatch | None = None
    any: Annotated[list[Match], Field(min_length=1)] | None = None
    all: Annotated[list[Match], Field(min_length=1)] | None = None
    not_: Match | None = Field(default=None, alias="not")
    when: Expr | None = None
    on_missing: Literal["match", "skip", "error"] | None = None


class RateLimit(Section):
    """At most `max` (or `max` of what `sum` names) within `per` for one `key`."""

    max: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    per: Duration
    key: Annotated[
        list[Literal["agent", "topic", "tool", "team", "environment"]],
        Field(min_length=1),
        BeforeValidator(listed),
    ] = ["agent"]
    sum: Literal["amount_usd", "affected_users"] | None = None


class Constraints(BaseModel):
    """Limits an executor must keep. Keys not named here pass through to it untouched."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)

    max_runtime_sec: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_amount_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    max_retries: Count | None = None
    network_allowlist: list[Name] | None = None
    allowed_tools: list[Name] | None = None
    payload_schema: dict[str, Any] | None = None
    read_only: bool | None = None
    redact: list[Name] | None = None
    rate: RateLimit | None = None


class RemediationItem(Section):
    """A safer way to the same end, offered with a denial."""

    id: Id
    title: Text
    replacement_topic: Name | None = None


class LadderItem(Section):
    """At `after` from the submit, tell `to` by `via`."""

    after: Duration
    to: Strings
    via: Annotated[
        list[Literal["slack", "email", "pagerduty"]], Field(min_length=1), BeforeValidator(listed)
    ] = ["slack"]


class EditableItem(Section):
    """JSON pointers of the payload a reviewer may change, with all below them, and a schema of the result."""

    paths: list[Annotated[str, Field(pattern=r"^(/.*)?$", max_length=500)]] | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class EvidenceItem(Section):
    """A fact worked out from the action and shown to the reviewer."""

    label: Annotated[str, Field(min_length=1, max_length=80)]
    value: Expr
    tone: Tone = "slate"


class GrantItem(Section):
    """How long an approval can be collected, how long each grant lives, for whom it is, and how soon after its
    redemption the outcome has to be reported."""

    ttl: Duration | None = None
    valid_for: Duration | None = None
    audience: Name | None = None
    report_within: Annotated[Duration, Field(gt=0)] | None = None


class Approval(Section):
    """Who decides, by when, and what happens otherwise; what is left out is filled in by risk."""

    assignees: Strings | None = None
    groups: Strings | None = None
    route: Name | None = None
    quorum: Annotated[int, Field(ge=1, le=20)] | None = None
    distinct_groups: Strings | None = None
    channel: Annotated[str, Field(pattern=r"^(#[^\s#@<>]{1,80}|[CG][A-Z0-9]{5,})$")] | None = None
    sla: Duration
    escalation: list[LadderItem] | None = None
    on_timeout: Annotated[Literal["deny", "escalate", "hold", "allow"], BeforeValidator(_word)] | None = None
    allow: (
        Annotated[
            list[Literal["approve", "edit", "reject", "reassign"]],
            Field(min_length=1),
            BeforeValidator(listed),
        ]
        | None
    ) = None
    editable: EditableItem | None = None
    evidence: Annotated[list[EvidenceItem], Field(max_length=20)] | None = None
    min_review_sec: Annotated[int, Field(ge=0, le=3_600)] = 0
    grant: GrantItem | None = None


class Outcome(Section):
    """What rules, guardrails and defaults have in common: an answer and its particulars."""

    decision: DecisionName
    reason: Text | None = None
    risk: RiskName | None = None
    constraints: Constraints | None = None
    remediations: list[RemediationItem] | None = None
    approval: Approval | None = None
    retry_after: Duration | None = None

    @model_validator(mode="after")
    def _fitting(self) -> Outcome:
        if self.approval is not None and self.decision != "require_approval":
            raise ValueError(
                f"approval is given, but the decision is {self.decision}; write require_approval"
            )
        if self.retry_after is not None and self.decision != "throttle":
            raise ValueError(f"retry_after is given, but the decision is {self.decision}; write throttle")
        return self


class Rule(Outcome):
    """One rule or guardrail."""

    id: Id | None = None
    match: Match


class Default(Outcome):
    """The answer where no rule matched. It never allows."""

    @model_validator(mode="after")
    def _never_allows(self) -> Default:
        if self.decision in ("allow", "allow_with_constraints"):
            raise ValueError("a default never allows; write a last rule with topics: ['*'] for what may pass")
        return self


class Facts(Section):
    """Expressions that derive facts from the action; each gives a number."""

    amount_usd: Expr | None = None
    affected_users: Expr | None = None
    confidence: Expr | None = None
    anomaly_score: Expr | None = None
    retry_count: Expr | None = None


MaskPath = Annotated[str, Field(pattern=r"^(/([^~]|~[01])*)?$", max_length=500)]


class ClassifyEntry(Section):
    """What an action is, derived from the action and not claimed; all matching entries apply. `mask` are JSON pointers
    of the payload that people are shown on request only; `*` is every member or item. `subject` gives whose data it
    holds, by a lasting id or a list of such, so that it can be found and shredded."""

    match: Match
    risk: RiskName | None = None
    risk_tags: Strings | None = None
    facts: Facts | None = None
    editable: EditableItem | None = None
    mask: Annotated[list[MaskPath], Field(min_length=1, max_length=100), BeforeValidator(listed)] | None = (
        None
    )
    subject: Expr | None = None


class Scope(Section):
    """Where a document speaks; keys AND together, lists OR."""

    topics: Globs | None = None
    teams: Globs | None = None
    environments: Globs | None = None


class Metadata(Section):
    """Who looks after a document; read by people."""

    name: Text | None = None
    owner: Text | None = None
    description: Text | None = None
