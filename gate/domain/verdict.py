"""What policy answers: decision, effective facts and, where people must decide, the plan for asking them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from gate.domain.action import Evidence, Json
from gate.domain.risk import Risk


class Decision(Enum):
    """A policy decision; `strictness` orders them, the strictest of all that apply wins."""

    ALLOW = "allow"
    """Released at once."""
    ALLOW_WITH_CONSTRAINTS = "allow_with_constraints"
    """Released at once, within constraints the executor must keep."""
    REQUIRE_APPROVAL = "require_approval"
    """Waits for people."""
    THROTTLE = "throttle"
    """Refused for now; the answer says when to ask again."""
    DENY = "deny"
    """Refused."""

    @property
    def strictness(self) -> int:
        """0 for allow up to 4 for deny."""
        return _STRICTNESS[self]


_STRICTNESS = {decision: rank for rank, decision in enumerate(Decision)}


class OnTimeout(Enum):
    """What the last deadline does."""

    DENY = "deny"
    ESCALATE = "escalate"
    """Ask the group `approvers`, give them the same time again, then deny."""
    HOLD = "hold"
    """Stay pending and page again at intervals until a person decides."""
    ALLOW = "allow"
    """Release, logged as such; only ever at low risk."""


WAYS = ("slack", "email", "pagerduty")
"""How a ladder step may tell people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LadderStep:
    """At `after_sec` from the submit, tell `to` by `via`.

    `to` holds `assignees`, `group:NAME`, `oncall:NAME` or a person's id; `via` holds names of `WAYS`.
    """

    after_sec: int
    to: tuple[str, ...]
    via: tuple[str, ...] = ("slack",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Editable:
    """Which JSON pointers of the payload reviewers may change (None: every one), and an optional JSON Schema."""

    paths: tuple[str, ...] | None = None
    schema: Mapping[str, Json] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GrantTerms:
    """How long an approval can be collected, how long each minted grant lives, for whom it is, and how soon after its
    redemption the outcome has to be reported (None: as the constraints suggest)."""

    ttl_sec: int = 900
    valid_for_sec: int = 86_400
    audience: str | None = None
    report_within_sec: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovalPlan:
    """Whom to ask, how many must agree, by when, and what happens otherwise; frozen at submit.

    `assignees` are person ids, `groups` and `distinct_groups` are group names of people.yaml. Members of
    the group `approvers` may decide as well, whatever is named here. `ladder` is in order of `after_sec`.
    `second_review`: one more person than the quorum has to agree, and nobody sees that another did.
    """

    assignees: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    distinct_groups: tuple[str, ...] = ()
    quorum: int = 1
    channel: str | None = None
    sla_sec: int = 14_400
    ladder: tuple[LadderStep, ...] = ()
    on_timeout: OnTimeout = OnTimeout.DENY
    allow: frozenset[str] = frozenset({"approve", "edit", "reject", "reassign"})
    editable: Editable = Editable()
    evidence: tuple[Evidence, ...] = ()
    min_review_sec: int = 0
    second_review: bool = False

    @property
    def people_needed(self) -> int:
        """How many different people policy asks for, as everybody is told."""
        return max(self.quorum, len(self.distinct_groups))

    @property
    def voices_needed(self) -> int:
        """How many different people have to agree, with the second reviewer of whom nobody is told."""
        return self.people_needed + (1 if self.second_review else 0)

    @property
    def ways(self) -> tuple[str, ...]:
        """Every way by which this request calls people once its time is up: Slack, and what the ladder uses."""
        return tuple(dict.fromkeys(("slack", *(way for step in self.ladder for way in step.via))))


@dataclass(frozen=True, kw_only=True, slots=True)
class Remediation:
    """A safer way to the same end, offered with a denial."""

    id: str
    title: str
    replacement_topic: str | None = None


@dataclass(frozen=True, kw_only=True)  # no slots: made a thousand times a second, filled in one step
class Effective:
    """The facts decided on: claims merged with what the gate derived, always to the stricter side.

    `verified` names the fields whose value the gate derived or computed itself; the rest are claims.
    """

    risk: Risk = Risk.MEDIUM
    risk_tags: frozenset[str] = frozenset()
    confidence: float | None = None
    anomaly_score: float | None = None
    amount_usd: float | None = None
    affected_users: int | None = None
    retry_count: int = 0
    first_time: bool = True
    verified: frozenset[str] = frozenset()


OUTSIDE = "Outside the constraints of rule"
TROUBLE = "Could not evaluate"
QUOTING = (OUTSIDE, TROUBLE)
"""How those reasons begin that quote what the agent sent; all others are the words of the policy."""


@dataclass(frozen=True, kw_only=True)  # no slots, for the same reason
class Verdict:
    """The whole answer of one evaluation under one policy snapshot.

    `rule` is the id of the rule or guardrail that decided, `default` where none matched. `trigger` says in
    words which condition made it stop here ("amount_usd 1,400 > 100"). `plan` is set exactly when the decision
    is REQUIRE_APPROVAL; `retry_after_sec` exactly when it is THROTTLE. `mask` are the JSON pointers of what people are
    not shown of the payload (`*` stands for every member or item), None where that is nothing. `subjects` are the ids
    of those whose data it holds, None where policy names nobody.
    """

    decision: Decision
    reason: str
    rule: str
    policy_version: str
    policy_digest: str
    trigger: str = ""
    effective: Effective = Effective()
    constraints: Mapping[str, Json] = field(default_factory=dict[str, Json])
    remediations: tuple[Remediation, ...] = ()
    plan: ApprovalPlan | None = None
    grant: GrantTerms = GrantTerms()
    retry_after_sec: int | None = None
    mask: tuple[str, ...] | None = None
    subjects: tuple[str, ...] | None = None
