"""What can be asked of the gate, as data, and what it answers; the doing is one file per verb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gate.domain.action import Agent, Json, Proposal
from gate.domain.delegation import Delegation
from gate.domain.emergency import Finding
from gate.domain.request import ActionRecord, Choice, Grant, Result


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitAction:
    """An authenticated agent proposes. `body_sha256` tells a repeated Idempotency-Key from a reused one. `key_sha256`
    is the hash of the agent's key where it still has to be looked up whether that is good: nothing is stored, nor told,
    unless it is."""

    agent: Agent
    proposal: Proposal
    body_sha256: str
    idempotency_key: str | None = None
    key_sha256: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CastVote:
    """A person approves or rejects the version they saw. A rejection needs `category` and `comment`."""

    action_id: str
    version: int
    person: str
    choice: Choice
    comment: str | None = None
    category: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EditPayload:
    """A person replaces the payload they saw (`version`); `approve` casts their vote for the new one too."""

    action_id: str
    version: int
    person: str
    payload: Mapping[str, Json]
    approve: bool
    comment: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReassignAction:
    """A reviewer asks others (person ids) to decide, with a reason."""

    action_id: str
    person: str
    to: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakTheGlass:
    """A person releases the version they saw without waiting for the people policy asks for, for `valid_sec`."""

    action_id: str
    version: int
    person: str
    reason: str
    valid_sec: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseReview:
    """A supervisor says what they make of an emergency release, and why."""

    action_id: str
    person: str
    finding: Finding
    comment: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelAction:
    """The proposing agent takes a pending request back."""

    agent: Agent
    action_id: str
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FireDeadline:
    """The ticker says that the deadline armed as `seq` has come."""

    action_id: str
    seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RedeemGrant:
    """An executor is about to run the payload with this digest (lower-case hex)."""

    executor: Agent
    token: str
    payload_sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RevokeGrants:
    """An operator, or the person named, takes back the release of an action; nothing more is issued for it."""

    action_id: str
    reason: str
    operator: str | None = None
    person: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportOutcome:
    """What came of an execution, told by the proposing agent or an executor."""

    agent: Agent
    action_id: str
    result: Result
    detail: str | None = None
    defect: bool = False
    incident: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Delegate:
    """`grantor` lends `delegate` their authority until `end`, from `start` (None: now) on.

    `topics` are globs, `groups` names; both empty lend everything that is the grantor's own.
    """

    grantor: str
    delegate: str
    end: datetime
    reason: str
    start: datetime | None = None
    topics: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RevokeDelegation:
    """The grantor takes it back, or the delegate gives it back."""

    delegation_id: str
    person: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Delegated:
    """A delegation was granted or ended; it is as stored."""

    delegation: Delegation


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The command took effect; `record` is the state it left. `replayed`: it had taken effect before;
    `joined`: what was proposed is the pending action there was.

    `nobody_reached`: a ladder step found nobody to call, and an operator should hear of it. `unreached`: which of
    its targets led to nobody, or only to a stand-in, each with a reason code behind a blank.
    """

    record: ActionRecord
    grant: Grant | None = None
    replayed: bool = False
    joined: bool = False
    nobody_reached: bool = False
    unreached: tuple[str, ...] = ()
