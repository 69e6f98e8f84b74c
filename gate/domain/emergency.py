"""Breaking the glass: who may, what it releases, and the review that must follow (INV-17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal

from gate.domain.risk import Risk


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakGlass:
    """What policy says about emergencies. Without one nobody breaks any glass.

    `who` and `supervisors` are targets as in a ladder: a person's id, `group:NAME` or `oncall:NAME`. `topics` are
    globs of what may be released, up to `max_risk`; a release is good for `max_valid_sec` at most. Supervisors
    are called by `via` at once, and one of them has to look at it within `review_sla_sec`. Nobody has more than
    `max_unreviewed` releases that nobody has looked at yet.
    """

    who: tuple[str, ...]
    supervisors: tuple[str, ...]
    topics: tuple[str, ...] = ("*",)
    max_risk: Risk = Risk.HIGH
    max_valid_sec: int = 3_600
    via: tuple[str, ...] = ("slack",)
    review_sla_sec: int = 86_400
    max_unreviewed: int = 3


class Finding(Enum):
    """What a supervisor makes of an emergency release."""

    JUSTIFIED = "justified"
    """It was right not to wait."""
    UNJUSTIFIED = "unjustified"
    """It was not; what has not been executed is taken back."""


ReviewState = Literal["open", "overdue", "justified", "unjustified"]
"""Where the review of an emergency release stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """A supervisor's word on an emergency release; never of whoever broke the glass."""

    person: str
    finding: Finding
    comment: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Emergency:
    """One release without the people policy asks for: by whom, why, and until when it is good.

    `supervisors` are the ids of those called at once, `review_due_at` when one of them has to have looked at it;
    while `review` is None the action has an armed deadline for that. `overdue` counts how often it came, `call_at` is
    when it comes next where it came before.
    """

    person: str
    reason: str
    at: datetime
    until: datetime
    supervisors: tuple[str, ...]
    review_due_at: datetime
    via: tuple[str, ...] = ("slack",)
    overdue: int = 0
    call_at: datetime | None = None
    review: Review | None = None

    @property
    def call_next_at(self) -> datetime:
        """When supervisors are called next, unless one of them looks at it before."""
        return self.call_at or self.review_due_at

    @property
    def state(self) -> ReviewState:
        """Where its review stands."""
        if self.review is not None:
            return "justified" if self.review.finding is Finding.JUSTIFIED else "unjustified"
        return "overdue" if self.overdue else "open"
