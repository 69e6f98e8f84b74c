"""The sections about reviewers' time, emergencies and complete records: their shape, and what a set makes of them.

They speak for the whole set, so each may be given once, in a document without a scope.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gate.domain.care import Care
from gate.domain.completeness import ALIASES, FIELDS, EvidenceContract
from gate.domain.emergency import BreakGlass
from gate.domain.people import Directory
from gate.domain.risk import Risk
from gate.policy.documents import did_you_mean
from gate.policy.grammar import Duration, Globs, RiskName, Section, Share, Strings, Text, listed
from gate.policy.planning import Report, addressee


class ApprovalQueuePolicy(Section):
    """Targets and bounds for what waits."""

    target_median_wait_sec: Annotated[int, Field(gt=0)] | None = None
    target_p95_wait_sec: Annotated[int, Field(gt=0)] | None = None
    max_open_requests_per_reviewer: Annotated[int, Field(gt=0)] | None = None
    escalate_after_sec: Annotated[int, Field(gt=0)] | None = Field(
        default=None,
        description="The reminder of requests whose rule has no ladder of its own, in place of half the time.",
    )


class FatigueControls(Section):
    """Guards against approving without looking."""

    auto_rebalance: bool = False
    cooldown_after_approvals: Annotated[int, Field(gt=0)] | None = None
    cooldown: Duration = 1_800
    sampled_second_review_rate: Share = 0.0
    join_duplicates: bool = True
    digest_above: Annotated[int, Field(gt=0, le=1_000)] = 12


class BreakGlassSection(Section):
    """Who may release in an emergency, and who looks at it afterwards."""

    who: Strings
    supervisors: Strings
    topics: Globs = Field(default=["*"])
    max_risk: RiskName = "high"
    max_valid: Duration = 3_600
    via: Annotated[
        list[Literal["slack", "email", "pagerduty"]], Field(min_length=1), BeforeValidator(listed)
    ] = Field(default=["slack"])
    review_sla: Duration = 86_400
    max_unreviewed: Annotated[int, Field(ge=1, le=100)] = 3


class EvidenceContractSection(Section):
    """What has to be on record for a decision to be complete."""

    required_fields: Annotated[list[Text], Field(min_length=1)]
    reject_if_incomplete: bool = True


class Oversight(Section):
    """The sections of this file as keys of a document."""

    approval_queue_policy: ApprovalQueuePolicy | None = None
    fatigue_controls: FatigueControls | None = None
    break_glass: BreakGlassSection | None = None
    evidence_contract: EvidenceContractSection | None = None


SECTIONS = tuple(Oversight.model_fields)


def care_of(queue: ApprovalQueuePolicy | None, fatigue: FatigueControls | None) -> Care:
    """What both sections say, with what holds where they are silent."""
    queue, fatigue = queue or ApprovalQueuePolicy(), fatigue or FatigueControls()
    return Care(
        rebalance=fatigue.auto_rebalance,
        max_open=queue.max_open_requests_per_reviewer,
        cooldown_after=fatigue.cooldown_after_approvals,
        cooldown_sec=fatigue.cooldown,
        second_review_rate=fatigue.sampled_second_review_rate,
        join_duplicates=fatigue.join_duplicates,
        digest_above=fatigue.digest_above,
        target_median_wait_sec=queue.target_median_wait_sec,
        target_p95_wait_sec=queue.target_p95_wait_sec,
    )


def contract_of(section: EvidenceContractSection, report: Report) -> EvidenceContract:
    """The section with canonical names; those that nothing on record answers to are reported at their place."""
    found: list[str] = []
    for place, written in enumerate(section.required_fields):
        name = ALIASES.get(written, written)
        if name in FIELDS:
            found.append(name)
        else:
            near = did_you_mean(written, (*FIELDS, *ALIASES))
            report(("required_fields", place), f"nothing on record is called '{written}'{near}")
    return EvidenceContract(required=tuple(dict.fromkeys(found)), reject=section.reject_if_incomplete)


def break_glass_of(section: BreakGlassSection, directory: Directory, report: Report) -> BreakGlass:
    """The section with names resolved; unknown ones are reported at their place."""

    def targets(key: str, names: Iterable[str]) -> tuple[str, ...]:
        found = [
            addressee(name, directory, (key, place), report, f"break_glass.{key}")
            for place, name in enumerate(names)
        ]
        return tuple(dict.fromkeys(target for target in found if target is not None))

    if "assignees" in (*section.who, *section.supervisors):
        report((), "break_glass names people, groups and rotas; 'assignees' means a request's own")
    return BreakGlass(
        who=targets("who", section.who),
        supervisors=targets("supervisors", section.supervisors),
        topics=tuple(section.topics),
        max_risk=Risk(section.max_risk),
        max_valid_sec=section.max_valid,
        via=tuple(dict.fromkeys(section.via)),
        review_sla_sec=section.review_sla,
        max_unreviewed=section.max_unreviewed,
    )
