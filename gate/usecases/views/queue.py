"""What waits for one person, and the other lines of lists they look through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gate.domain.request import Status
from gate.domain.risk import Risk
from gate.usecases.views.people import DelegationView, PersonRef


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueLine:
    """One pending request in a person's queue."""

    action_id: str
    version: int
    summary: str
    risk: Risk
    agent_name: str
    sla_at: datetime | None
    held: bool
    approvals: int
    quorum: int
    channel: str | None
    """Where the card is (Slack channel id), None while it is not posted."""
    message_ts: str | None = None
    on_behalf_of: PersonRef | None = None
    """Whose authority this person would use, None for their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecidedLine:
    """A finished request this person had a vote in."""

    action_id: str
    summary: str
    status: Status
    at: datetime
    link: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewLine:
    """One emergency release that waits for a supervisor."""

    action_id: str
    version: int
    summary: str
    risk: Risk
    person: PersonRef
    at: datetime
    due_at: datetime
    overdue: bool
    channel: str | None = None
    message_ts: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownLine:
    """An execution of a person's own agent of which it is not known what came of it since `at`."""

    action_id: str
    version: int
    summary: str
    risk: Risk
    agent_name: str
    at: datetime
    channel: str | None = None
    message_ts: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueView:
    """What waits for one person; `mine` they may decide, soonest deadline first; `decided` is what they decided
    lately; `delegations` are those in force or to come that they gave or hold; `reviews` are the emergency releases
    they have to look at, the longest due first; `unknown` are what their own agents left unknown, the newest first."""

    person: PersonRef
    now: datetime
    mine: tuple[QueueLine, ...]
    more: int
    by_risk: Mapping[Risk, int] = field(default_factory=dict[Risk, int])
    """All that wait for them, by risk; of `mine`, which is bounded, none of a higher risk is left out."""
    decided: tuple[DecidedLine, ...] = ()
    delegations: tuple[DelegationView, ...] = ()
    reviews: tuple[ReviewLine, ...] = ()
    unknown: tuple[UnknownLine, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseLine:
    """One unused release that a person may take back."""

    action_id: str
    summary: str
    risk: Risk
    agent_name: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class OnCallLine:
    """One rota: who has it now and until when; `person` None where nobody does."""

    rota: str
    person: PersonRef | None
    until: datetime | None
    next_person: PersonRef | None = None
