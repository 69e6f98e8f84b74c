"""The shape of sections whose work this version does not do yet; they are checked in full and then refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gate.policy.grammar import (
    Count,
    Duration,
    Id,
    Match,
    Name,
    Number,
    Rule,
    Section,
    Share,
    Strings,
    Text,
)


class LevelRule(Rule):
    """A rule of an autonomy level; the guides print these without ids."""


class AutonomyLevel(Section):
    """What an agent at this level may do."""

    name: Text | None = None
    rules: Annotated[list[LevelRule], Field(min_length=1)]


class PromotionCriteria(Section):
    """What an agent has to show to rise a level."""

    min_successful_actions: Count | None = None
    max_error_rate: Share | None = None
    review_period_days: Annotated[int, Field(gt=0)] | None = None
    requires_human_sign_off: bool | None = None


class DemotionThreshold(Section):
    """A measured reason to fall back a level."""

    error_rate_above: Share


Trigger = Literal["policy_violation", "safety_incident"]


class MandatoryAudit(Section):
    """Actions that are always reviewed afterwards."""

    match: Match


class Weights(Section):
    """How much more often some actions are sampled."""

    risk_tags: dict[Name, Number] | None = None
    risk: dict[Literal["low", "medium", "high", "critical"], Number] | None = None
    topics: dict[Name, Number] | None = None


class Sampling(Section):
    """Which share of released actions is reviewed afterwards."""

    rate: Share
    strategy: Literal["uniform", "stratified"] = "uniform"
    weights: Weights | None = None
    mandatory: list[MandatoryAudit] | None = None
    routing: dict[Name, Name] | None = None


class Audit(Section):
    """Review after the fact."""

    sampling: Sampling | None = None
    mandatory: list[MandatoryAudit] | None = None
    routing: dict[Name, Name] | None = None


class OutputRule(Section):
    """What happens to a result before it leaves."""

    id: Id | None = None
    match: Match | None = None
    fields: Strings | None = None
    patterns: Strings | None = None
    audience: Literal["customer", "internal"] | None = None
    reason: Text | None = None
    action: Annotated[
        Literal["allow", "redact", "quarantine"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ]


class Output(Section):
    """Review of results."""

    rules: Annotated[list[OutputRule], Field(min_length=1)]


class ExceptionItem(Section):
    """A rule set aside for a while, with a name under it."""

    rule: Id
    reason: Text
    approved_by: Name
    expires_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?$")]
    match: Match | None = None


class Calibration(Section):
    """How confidence is held against what came of it."""

    window: Duration | None = None
    min_samples: Annotated[int, Field(gt=0)] | None = None
    max_override_rate: Share | None = None


class Slo(Section):
    """A latency budget and a quality budget for one workflow."""

    workflow: Name | None = None
    latency: dict[Literal["p50", "p95", "p99"], Duration] | None = None
    quality: dict[Name, Number] | None = None


class LaterSections(Section):
    """Everything refused for now, in one place, so that each refusal names its section."""

    autonomy_levels: dict[Annotated[str, Field(pattern=r"^level_[0-9]$")], AutonomyLevel] | None = None
    promotion_criteria: PromotionCriteria | None = None
    demotion_triggers: list[Trigger | DemotionThreshold] | None = None
    audit: Audit | None = None
    output: Output | None = None
    exceptions: list[ExceptionItem] | None = None
    calibration: Calibration | None = None
    slos: dict[Name, Slo] | list[Slo] | None = None


LATER = tuple(LaterSections.model_fields)
"""Names of the sections this version checks and refuses."""

NOT_YET = "this version does not act on it yet; it is refused rather than ignored"
