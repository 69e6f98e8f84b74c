"""The record of one action from proposal to outcome; `transitions.py` alone knows how it may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from gate.domain.action import Agent, Json, Proposal
from gate.domain.emergency import Emergency
from gate.domain.verdict import ApprovalPlan, Verdict


class Status(Enum):
    """Where an action stands; every member says what it means and who moves it on."""

    ALLOWED = "allowed"
    """Policy released it at once. Terminal for the decision; the agent collects a grant."""
    DENIED = "denied"
    """Policy refused it. Terminal."""
    THROTTLED = "throttled"
    """Refused for now; the agent proposes again later. Terminal for this action."""
    PENDING = "pending"
    """Waits for people; a vote, the agent's cancel or the armed deadline moves it on."""
    APPROVED = "approved"
    """Enough different people agreed to the current version. Terminal; the agent collects a grant."""
    REJECTED = "rejected"
    """A person said no. Terminal."""
    EXPIRED = "expired"
    """Nobody decided in time. Terminal, and never executed."""
    CANCELLED = "cancelled"
    """The proposing agent took it back while it was pending. Terminal."""

    @property
    def terminal(self) -> bool:
        """Whether the decision is final."""
        return self is not Status.PENDING

    @property
    def released(self) -> bool:
        """Whether a grant may be collected."""
        return self in (Status.ALLOWED, Status.APPROVED)


class Choice(Enum):
    """What a vote says."""

    APPROVE = "approve"
    REJECT = "reject"


REJECT_CATEGORIES: Mapping[str, str] = {
    "wrong_target": "Wrong recipient, account or system",
    "wrong_amount": "Wrong amount or values",
    "missing_context": "Not enough context to decide",
    "policy": "Against policy or law",
    "unsafe": "Too risky",
    "duplicate": "Already done or requested twice",
    "tone": "Wording or tone",
    "other": "Something else",
}
"""Category code of a rejection -> what the form calls it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A payload under review. Number 1 is what was proposed; each edit makes the next one, with no votes.

    `payload_sha256` is lower-case hex over the RFC 8785 form. `editor` is the person who made it, None for 1.
    """

    number: int
    payload: Mapping[str, Json]
    payload_sha256: str
    policy_digest: str
    rule: str
    created_at: datetime
    editor: str | None = None
    comment: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """A person's word on one version. `on_behalf_of` is the grantor where it was given under a delegation."""

    person: str
    choice: Choice
    version: int
    at: datetime
    comment: str | None = None
    on_behalf_of: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """Why a person said no; `category` is a key of `REJECT_CATEGORIES`."""

    category: str
    comment: str


class DeadlineKind(Enum):
    """What an armed timer does when it fires."""

    STEP = "step"
    """Tell the people of one ladder step."""
    SLA = "sla"
    """Time is up: act on `on_timeout`."""
    EXTENDED = "extended"
    """The second chance after `on_timeout: escalate` is over: deny."""
    REPAGE = "repage"
    """Held past its time: page again."""
    REVIEW = "review"
    """An emergency release was not looked at in time: page the supervisors again. Where its report is due before, it is
    that which comes: as long as a release is in review its deadline is found under this name."""
    REPORT = "report"
    """Whoever redeemed the grant did not say in time what came of it: the outcome is unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadline:
    """The one armed timer of an action that waits for something. `step` indexes the frozen ladder (STEP only, else -1).

    `seq` grows with every arming, so that a timer read before a change can never fire after it.
    """

    kind: DeadlineKind
    due_at: datetime
    seq: int
    step: int = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Reassignment:
    """Who was asked additionally, by whom, why."""

    by: str
    to: tuple[str, ...]
    reason: str
    at: datetime


class GrantState(Enum):
    """Where a grant stands."""

    ISSUED = "issued"
    """Minted and collected; whoever executes redeems it before it expires."""
    REDEEMED = "redeemed"
    """Used, once, for good."""
    EXPIRED = "expired"
    """Ran out unredeemed; the agent may collect a fresh one while the approval is valid."""
    REVOKED = "revoked"
    """Taken back by a person or an operator; nothing more is issued for this version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """Signed permission to execute one version once. `jti` is its id, `token` the JWS as handed out."""

    jti: str
    action: str
    version: int
    payload_sha256: str
    audience: str
    issued_at: datetime
    expires_at: datetime
    token: str
    state: GrantState = GrantState.ISSUED
    redeemed_at: datetime | None = None
    redeemed_by: str | None = None


class Result(Enum):
    """What the executor reports."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Nobody can say whether it took effect; a person has to look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of the execution; `defect` and `incident` may be reported later than the result."""

    result: Result
    at: datetime
    reporter: str
    detail: str | None = None
    defect: bool = False
    incident: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Shredding:
    """When the content of an action was destroyed, and which operator did it."""

    at: datetime
    by: str


@dataclass(frozen=True, kw_only=True)  # no slots: the next record is made in one step
class ActionRecord:
    """Everything the gate holds about one action.

    `revision` grows by one with every stored change and guards it: a stale writer moves no row.
    `versions` is never empty; the last one is current. `votes` keeps every vote ever cast; only those on the
    current version count. `deadline` is set exactly while `awaited`. `asked` are the ids of everyone who
    was asked so far; `called` are those among them whom a ladder step or a reassignment named, who may therefore
    decide.
    `escalation_step` counts the ladder steps fired; `breached` says that the SLA passed undecided, `held` that
    it stays pending all the same. `decided_by` is the person whose vote decided, `timer`, `policy` or the agent's id.
    `joined` counts the equal proposals that came while it waited; `emergency` says who released it without waiting.
    `revoked_by` is the person who took the release back in Slack; None where an operator or a review did. `report_by`
    is when whoever redeemed the grant has to have said what came of it; None before that, and once it is known.
    `shredded` is set once its content is gone: what is left are ids, digests, names, numbers and times.
    """

    id: str
    agent: Agent
    proposal: Proposal
    verdict: Verdict
    status: Status
    created_at: datetime
    versions: tuple[Version, ...]
    revision: int = 1
    decided_at: datetime | None = None
    decided_by: str | None = None
    decision_note: str | None = None
    plan: ApprovalPlan | None = None
    votes: tuple[Vote, ...] = ()
    reassignments: tuple[Reassignment, ...] = ()
    asked: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    deadline: Deadline | None = None
    sla_at: datetime | None = None
    escalation_step: int = 0
    breached: bool = False
    held: bool = False
    rejection: Rejection | None = None
    redeemed_jti: str | None = None
    report_by: datetime | None = None
    grants_revoked: bool = False
    revoked_by: str | None = None
    outcome: Outcome | None = None
    joined: int = 0
    emergency: Emergency | None = None
    shredded: Shredding | None = None

    def changed(self, **changes: Any) -> ActionRecord:
        """As `dataclasses.replace`, in a fifth of its time: every transition makes a record. TypeError for what is no
        field."""
        fields = self.__dict__
        if not fields.keys() >= changes.keys():
            raise TypeError(f"an action has no {', '.join(sorted(changes.keys() - fields.keys()))}")
        record = object.__new__(ActionRecord)
        record.__dict__.update(fields, **changes)
        return record

    @property
    def version(self) -> Version:
        """The version under review, or the one that was decided."""
        return self.versions[-1]

    @property
    def proposed(self) -> Version:
        """Version 1, as the agent sent it."""
        return self.versions[0]

    @property
    def paged(self) -> bool:
        """Whether a pager was triggered: by a ladder step that fired, or, with such a step, by the end of the SLA."""
        plan = self.plan or ApprovalPlan()
        fired = plan.ladder if self.breached else plan.ladder[: self.escalation_step]
        return any("pagerduty" in step.via for step in fired)

    @property
    def in_review(self) -> bool:
        """Whether an emergency release still has to be looked at by a supervisor."""
        return self.emergency is not None and self.emergency.review is None

    @property
    def unreported(self) -> bool:
        """Whether an execution was begun of which nobody has said anything yet."""
        return self.report_by is not None and self.outcome is None

    @property
    def awaited(self) -> bool:
        """Whether anybody still has to do something in time: decide, look at an emergency release, or report."""
        return self.status is Status.PENDING or self.in_review or self.unreported

    @property
    def edited(self) -> bool:
        """Whether a person changed the payload."""
        return len(self.versions) > 1
