"""How a plan for asking people becomes stricter, and whose it becomes after an edit; nothing here loosens one."""

from __future__ import annotations

from dataclasses import replace

from gate.domain.risk import Risk
from gate.domain.second_review import needless
from gate.domain.verdict import ApprovalPlan, Verdict


def tightened(plan: ApprovalPlan, verdict: Verdict) -> ApprovalPlan:
    """The stricter of the plan in force and a newer verdict's: more people, never fewer (INV-08, INV-14).

    Where the newer verdict comes from a rule that asks more people, its people are the ones to ask;
    time and channel stay as they were promised at submit.
    """
    newer = verdict.plan
    quorum = plan.quorum
    if verdict.effective.risk is Risk.CRITICAL:
        quorum = max(quorum, 2)
    if newer is None:
        return needless(replace(plan, quorum=quorum))
    if newer.quorum > quorum or len(newer.distinct_groups) > len(plan.distinct_groups):
        plan = replace(
            plan,
            assignees=newer.assignees,
            groups=newer.groups,
            distinct_groups=newer.distinct_groups or plan.distinct_groups,
        )
    plan = replace(
        plan,
        quorum=max(quorum, newer.quorum),
        min_review_sec=max(plan.min_review_sec, newer.min_review_sec),
        on_timeout=newer.on_timeout if verdict.effective.risk >= Risk.HIGH else plan.on_timeout,
        allow=plan.allow & newer.allow,
        evidence=newer.evidence or plan.evidence,
    )
    return needless(plan)


def people_of(plan: ApprovalPlan) -> tuple[frozenset[str], ...]:
    """Whom a plan names, to compare two of them."""
    return (frozenset(plan.assignees), frozenset(plan.groups), frozenset(plan.distinct_groups))


def handed_over(plan: ApprovalPlan, verdict: Verdict, fired: int) -> ApprovalPlan:
    """The plan for a changed payload: the people its own rule names decide, for nobody may bring an action under
    another rule and then decide it under the old one. Quorum and slots never fall; the remaining steps of the
    ladder keep their times and call the rule's people (`fired` is how many have been taken)."""
    newer = verdict.plan
    if newer is None or people_of(newer) == people_of(plan):
        return plan
    steps = tuple(
        step
        if place < fired
        else replace(
            step, to=newer.ladder[min(place, len(newer.ladder) - 1)].to if newer.ladder else ("assignees",)
        )
        for place, step in enumerate(plan.ladder)
    )
    return replace(
        plan,
        assignees=newer.assignees,
        groups=newer.groups,
        distinct_groups=newer.distinct_groups or plan.distinct_groups,
        ladder=steps,
    )
