"""Sample reports and policies in force for the surfaces: an ordinary one, an empty one, one with all there can be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gate.domain.backlog import Span, Waiting
from gate.domain.care import Care
from gate.domain.reviewing import Reviewer
from gate.domain.risk import Risk
from gate.usecases.reports import GlassTerms, PolicyDocumentLine, PolicyView, ReportView, ReviewerLine
from gate.usecases.views import PersonRef
from tests.fakes.views import ANA, BO, CHO, DEE, NOW

DAY = timedelta(days=1)
TARGETS = Care(target_median_wait_sec=300, target_p95_wait_sec=900)


def line(person: PersonRef, decisions: int, approved: int, **figures: int | None) -> ReviewerLine:
    return ReviewerLine(
        person=person,
        figures=Reviewer(person=person.id, decisions=decisions, approved=approved, **figures),  # type: ignore[arg-type]
    )


def a_span(days: int, asked: int, **changes: int | bool | None) -> Span:
    """Where nothing else is said, people approved all of them."""
    nothing = dict.fromkeys(
        (
            "rejected",
            "expired",
            "timeout_allowed",
            "emergency",
            "cancelled",
            "waiting",
            "joined",
            "breached",
            "escalations",
        ),
        0,
    )
    waits = {"median_wait_sec": None, "p95_wait_sec": None}
    made = {"approved": asked} | nothing | waits | changes
    return Span(length=days * DAY, asked=asked, **made)  # type: ignore[arg-type]


STAMP = line(ANA, 98, 98, median_sec=4, p90_sec=9)
CAREFUL = line(
    BO, 41, 33, corrected=4, commented=12, median_sec=38, p90_sec=150, second_reviews=5, disagreed=1
)
USUAL = ReportView(
    now=NOW,
    waiting=(
        Waiting(risk=Risk.CRITICAL, count=1, oldest_at=NOW - timedelta(minutes=50), overdue=1, held=1),
        Waiting(risk=Risk.MEDIUM, count=3, oldest_at=NOW - timedelta(minutes=4), overdue=0, held=0),
    ),
    spans=(
        a_span(1, 12, approved=8, rejected=1, waiting=3, median_wait_sec=95, p95_wait_sec=1_260),
        a_span(
            7,
            80,
            approved=62,
            rejected=9,
            expired=3,
            timeout_allowed=1,
            emergency=1,
            cancelled=1,
            waiting=3,
            joined=7,
            breached=5,
            escalations=9,
            median_wait_sec=120,
            p95_wait_sec=840,
        ),
        a_span(
            30, 300, approved=297, waiting=3, joined=1, escalations=1, median_wait_sec=130, p95_wait_sec=900
        ),
    ),
    care=TARGETS,
    mine=STAMP,
    others=(
        CAREFUL,
        replace(line(CHO, 22, 22, median_sec=6, p90_sec=8), resting_until=NOW + timedelta(minutes=20)),
        line(DEE, 1, 0),
    ),
    all_shown=True,
)
QUIET = ReportView(
    now=NOW,
    waiting=(),
    spans=tuple(a_span(days, 0) for days in (1, 7, 30)),
    care=Care(),
    mine=line(DEE, 0, 0),
    others=(),
    all_shown=False,
)
LONG_NAMES = tuple(
    line(
        PersonRef(id=f"p{n}", name="Ana \u202e<!channel> " * 20),
        9_999_999,
        9_999_998,
        corrected=9_999,
        commented=9_999,
        median_sec=5_400_000,
        p90_sec=5_400_001,
        second_reviews=99_999,
        disagreed=99_999,
    )
    for n in range(400)
)
CROWDED = replace(
    USUAL,
    waiting=tuple(
        Waiting(risk=risk, count=99_999, oldest_at=NOW - 9 * DAY, overdue=99_999, held=9_999) for risk in Risk
    ),
    spans=tuple(replace(each, complete=False) for each in USUAL.spans),
    mine=replace(STAMP, resting_until=NOW + timedelta(minutes=9)),
    others=LONG_NAMES,
    complete=False,
)
REPORTS = {
    "usual": USUAL,
    "quiet": QUIET,
    "own_only": replace(USUAL, mine=CAREFUL, others=(), all_shown=False),
    "alone": replace(QUIET, all_shown=True),
    "crowded": CROWDED,
}

IN_FORCE = PolicyView(
    now=NOW,
    version="v1",
    digest=f"sha256:{'4f2a' * 16}",
    since=NOW - 3 * DAY,
    documents=(
        PolicyDocumentLine(
            name="org.yaml", rules=2, guardrails=3, classify=1, topics=None, default="require_approval"
        ),
        PolicyDocumentLine(
            name="support.yaml", rules=7, guardrails=0, classify=0, topics=("job.support.*",), default=None
        ),
        PolicyDocumentLine(name="people.yaml", rules=0, guardrails=0, classify=0, topics=None, default=None),
    ),
    default="require_approval",
    care=Care(
        rebalance=True,
        max_open=12,
        cooldown_after=25,
        second_review_rate=0.05,
        target_median_wait_sec=300,
        target_p95_wait_sec=900,
    ),
    glass=GlassTerms(
        who=("whoever is on call for primary", "the group sre"),
        supervisors=("Cho Minji",),
        topics=("*",),
        max_risk="high",
        max_valid_sec=3_600,
        review_sla_sec=86_400,
        max_unreviewed=3,
    ),
)
NO_POLICY = replace(IN_FORCE, documents=(), since=None, care=Care(), glass=None)
VAST = replace(
    IN_FORCE,
    documents=tuple(
        PolicyDocumentLine(
            name=f"{n}-{'x' * 300}.yaml",
            rules=9_999,
            guardrails=9_999,
            classify=9_999,
            topics=("job.<!channel>.\u202e" * 30,) * 99,
            default="allow_with_constraints",
        )
        for n in range(200)
    ),
    glass=replace(
        IN_FORCE.glass,  # type: ignore[type-var]
        who=("the group " + "x" * 300,) * 200,
        supervisors=("Ana " * 200,) * 200,
        topics=("job.*" * 100,) * 50,
    ),
)
POLICIES = {"usual": IN_FORCE, "none": NO_POLICY, "vast": VAST}
