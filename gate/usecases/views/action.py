"""One action as a card, a modal or a queue line shows it, and what that is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gate.domain.action import Json, Source, Upstream
from gate.domain.request import Choice, Result, Status
from gate.domain.risk import Risk
from gate.domain.verdict import Remediation
from gate.usecases.views.people import PersonRef


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceView:
    """`by_gate` tells evidence the policy took from the payload itself from the agent's own words."""

    label: str
    value: str
    tone: str
    url: str | None
    by_gate: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class VoteView:
    """A counted or voided vote. `on_behalf_of` lent the authority, None for a person's own right."""

    person: PersonRef
    choice: Choice
    version: int
    at: datetime
    comment: str | None
    current: bool
    on_behalf_of: PersonRef | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StandInView:
    """Somebody who may decide because `grantor`, who was asked, lent them the authority."""

    person: PersonRef
    grantor: PersonRef


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotView:
    """One place of the quorum that only a member of `group` fills. `movable`: it is filled, and still one more of the
    group would do, because whoever fills it can take a place that is open."""

    group: str
    filled_by: PersonRef | None
    movable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeView:
    """One edited place: `absent_old`/`absent_new` tell a missing value from null."""

    pointer: str
    old: Json
    new: Json
    absent_old: bool = False
    absent_new: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EditView:
    """One edit: who made which version, when, and what it changed against the version before."""

    version: int
    editor: PersonRef
    at: datetime
    comment: str | None
    changes: tuple[ChangeView, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReassignmentView:
    """Who asked others, when and why."""

    by: PersonRef
    at: datetime
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryView:
    """What the gate itself knows: earlier actions of this agent and topic in the last 30 days."""

    first_time: bool
    total: int
    allowed: int
    approved: int
    rejected: int
    amount_low: float | None
    amount_high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionView:
    """How it ended. `by` is None where a timer, policy or the agent decided; `words` is one plain sentence part,
    such as "Expired: nobody decided in time". `taken_back`: the release was revoked afterwards, by `taken_back_by`
    where that was a person in Slack."""

    status: Status
    at: datetime
    by: PersonRef | None
    words: str
    category: str | None = None
    comment: str | None = None
    taken_back: bool = False
    taken_back_by: PersonRef | None = None
    on_behalf_of: PersonRef | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EmergencyView:
    """A release without the people policy asks for. `supervisors` were called when it happened; `state` is `open`,
    `overdue`, `justified` or `unjustified`, the last two with who said so, why and when."""

    person: PersonRef
    reason: str
    at: datetime
    until: datetime
    supervisors: tuple[PersonRef, ...]
    review_due_at: datetime
    state: str
    reviewer: PersonRef | None = None
    comment: str | None = None
    reviewed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ShreddedView:
    """When the content was destroyed, and by which operator."""

    at: datetime
    by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GlassView:
    """What breaking the glass for one request would mean: who is called by which ways, for how long it may be good,
    and within what time a supervisor has to look at it."""

    supervisors: tuple[PersonRef, ...]
    via: tuple[str, ...]
    max_valid_sec: int
    review_sla_sec: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionView:
    """What happened after release."""

    redeemed_at: datetime | None
    result: Result | None
    detail: str | None
    at: datetime | None
    defect: bool = False
    incident: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionView:
    """Everything a card, a modal or a queue line shows about one action at `now`.

    `changes` compares the current version with version 1. `claimed` names the effective facts that rest on the
    agent's word alone. `asked` are the people to mention. `payload_bytes` is the size of the payload as JSON.
    """

    action_id: str
    now: datetime
    status: Status
    held: bool
    version: int
    summary: str
    topic: str
    tool: str | None
    environment: str | None
    labels: Mapping[str, str]
    agent_name: str
    agent_team: str
    owner: PersonRef
    workflow: str | None
    workflow_step: str | None
    run_id: str | None
    trigger_of_run: str | None
    original_request: str | None
    model: str | None
    prompt_version: str | None
    sources: tuple[Source, ...]
    upstream: tuple[Upstream, ...]
    policy_flags: tuple[str, ...]
    created_at: datetime
    sla_at: datetime | None
    risk: Risk
    risk_tags: tuple[str, ...]
    rule: str
    reason: str
    trigger: str
    policy_version: str
    policy_digest: str
    payload: Mapping[str, Json]
    payload_sha256: str
    payload_bytes: int
    payload_schema: Mapping[str, Json] | None
    proposed_payload: Mapping[str, Json]
    changes: tuple[ChangeView, ...]
    edits: tuple[EditView, ...]
    evidence: tuple[EvidenceView, ...]
    rationale: str | None
    confidence: float | None
    amount_usd: float | None
    affected_users: int | None
    anomaly_score: float | None
    retry_count: int
    claimed: frozenset[str]
    history: HistoryView
    constraints: Mapping[str, Json]
    remediations: tuple[Remediation, ...]
    quorum: int
    groups: tuple[str, ...]
    slots: tuple[SlotView, ...]
    votes: tuple[VoteView, ...]
    asked: tuple[PersonRef, ...]
    allow: frozenset[str]
    editable_paths: tuple[str, ...] | None
    editable_schema: Mapping[str, Json] | None
    escalation_step: int
    decision: DecisionView | None
    execution: ExecutionView | None
    stand_ins: tuple[StandInView, ...] = ()
    lists_read: Mapping[str, datetime | None] = field(default_factory=dict[str, "datetime | None"])
    """While it waits: the groups of the plan whose members Slack keeps, and when they were read (None: never)."""
    second_review: str | None = None
    """Of a decided request that two people looked at, each without knowing of the other: `agreed`, `disagreed` or
    `unfinished`. While it waits nobody is told that it is one."""
    emergency: EmergencyView | None = None
    joined: int = 0
    """Equal proposals that came while it waited."""
    reassignments: tuple[ReassignmentView, ...] = ()
    masks: int = 0
    """How many values of the payload policy masks, whether or not this view shows them."""
    shredded: ShreddedView | None = None
    hides: bool = False
    """Whether anything is masked in this view: values of the payload (`Masked`), and texts that repeat them."""

    @property
    def approvals(self) -> tuple[VoteView, ...]:
        """The approving votes that count for the current version."""
        return tuple(v for v in self.votes if v.current and v.choice is Choice.APPROVE)
