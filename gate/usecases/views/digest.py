"""A message that stands for many requests of one agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gate.domain.request import Status
from gate.domain.risk import Risk
from gate.usecases.views.people import PersonRef


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestItem:
    """One pending request in a message that stands for many. `runs` is the tool, else the topic."""

    action_id: str
    version: int
    summary: str
    risk: Risk
    rule: str
    trigger: str
    runs: str
    environment: str | None
    amount_usd: float | None
    sla_at: datetime | None
    held: bool
    approvals: int
    quorum: int
    allow: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestView:
    """A message that stands for many requests of one agent at `now`. `items` are the most pressing of those that
    wait, `by_status` counts all members, `waiting` those that wait by risk. `mentioned` are told by the message
    itself; `asked` were asked, too, and told otherwise."""

    digest_id: str
    now: datetime
    agent_name: str
    agent_team: str
    items: tuple[DigestItem, ...]
    by_status: Mapping[Status, int]
    waiting: Mapping[Risk, int]
    overdue: int
    next_due: datetime | None
    mentioned: tuple[PersonRef, ...] = ()
    asked: tuple[PersonRef, ...] = ()

    @property
    def pending(self) -> int:
        """How many wait."""
        return self.by_status.get(Status.PENDING, 0)
