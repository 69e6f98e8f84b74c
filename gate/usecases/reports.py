"""Frozen read models of figures and of the policy in force; who makes them is `report.py` and `policy.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gate.domain.backlog import Span, Waiting
from gate.domain.care import Care
from gate.domain.completeness import NOTHING_DECIDED, Completeness
from gate.domain.reviewing import Reviewer
from gate.usecases.views import PersonRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewerLine:
    """One person's figures; `resting_until` where policy asks them for a break just now."""

    person: PersonRef
    figures: Reviewer
    resting_until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportView:
    """What waits, how it went, and how people review. `mine` is the reader's own line, None for one who is no
    reviewer; `others` is empty where the reader may not see them (`all_shown` False). `complete` is False where more
    was voted than is read, so that the newest votes stand for all."""

    now: datetime
    waiting: tuple[Waiting, ...]
    spans: tuple[Span, ...]
    care: Care
    mine: ReviewerLine | None
    others: tuple[ReviewerLine, ...]
    all_shown: bool
    complete: bool = True
    record: Completeness = NOTHING_DECIDED
    """How complete the record of the newest decisions is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyDocumentLine:
    """One document: how much it says, about what (`topics` None: everything), and what holds where no rule matched
    (None: it leaves that to others)."""

    name: str
    rules: int
    guardrails: int
    classify: int
    topics: tuple[str, ...] | None
    default: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class GlassTerms:
    """Who may break the glass and who supervises it, as targets in words, and within which bounds."""

    who: tuple[str, ...]
    supervisors: tuple[str, ...]
    topics: tuple[str, ...]
    max_risk: str
    max_valid_sec: int
    review_sla_sec: int
    max_unreviewed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyView:
    """The policy set in force. `since` is when it decided for the first time, None where that is not on record;
    `default` is the decision about what no document speaks of. `glass` None: nobody breaks any."""

    now: datetime
    version: str
    digest: str
    since: datetime | None
    documents: tuple[PolicyDocumentLine, ...]
    default: str
    care: Care
    glass: GlassTerms | None
