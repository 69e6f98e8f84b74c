"""A person changes what would run: the next version, without votes, under the stricter of two plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gate.domain.acting import NOTHING_SHOWN, acting, for_whom, saw
from gate.domain.action import Json
from gate.domain.care import SILENT, Care
from gate.domain.eligibility import could_decide, counting, enough, risk_of
from gate.domain.masking import masked_text
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Version
from gate.domain.routing import NO_LOADS, Load, Routed, route
from gate.domain.second_review import blind, carried_over
from gate.domain.submission import asking, spared
from gate.domain.tightening import handed_over, people_of, tightened
from gate.domain.transitions import CARD, Change, move, thread
from gate.domain.verdict import ApprovalPlan, Decision, Verdict


def edit(
    record: ActionRecord,
    *,
    person: str,
    version: int,
    payload: Mapping[str, Json],
    payload_sha256: str,
    verdict: Verdict,
    comment: str | None,
    directory: Directory,
    now: datetime,
    care: Care = SILENT,
    loads: Mapping[str, Load] = NO_LOADS,
    shown: Mapping[str, str] = NOTHING_SHOWN,
) -> Change | Refused:
    """Make the next version of the payload. It has no votes (INV-10) and the stricter plan of old and new.

    Who decides about it are the people its rule names, who are asked now. Refused where they are too few.
    """
    mine = acting(record, person, version, "edit", directory)
    if isinstance(mine, Refused):
        return mine
    if payload_sha256 == record.version.payload_sha256:
        return Refused(code="no_change", sentence="Nothing was changed.")
    if verdict.decision.strictness > Decision.REQUIRE_APPROVAL.strictness:
        why = masked_text(record, verdict.reason)
        return Refused(code="edit_refused", sentence=f"Policy refuses the changed payload: {why}")
    old = record.plan or ApprovalPlan()
    plan = tightened(handed_over(old, verdict, record.escalation_step), verdict)
    called = record.called if people_of(plan) == people_of(old) else ()
    after = replace(record, plan=plan, called=called, verdict=_merged(record.verdict, verdict))
    plan = carried_over(plan, after, directory)
    after = replace(after, plan=plan)
    if not enough(plan, could_decide(after, directory), directory, risk_of(after)):
        return Refused(
            code="edit_refused",
            sentence="Policy has others decide about the changed payload, and too few of them are left.",
        )
    routed = _asked_by_edit(after, old, directory, care, loads, now)
    asked = tuple(p for p in routed.asked if p not in record.asked)
    voided = len(counting(record, directory))
    told = 0 if blind(record) else voided
    made = Version(
        number=record.version.number + 1,
        payload=payload,
        payload_sha256=payload_sha256,
        policy_digest=verdict.policy_digest,
        rule=verdict.rule,
        created_at=now,
        editor=person,
        comment=comment,
    )
    return move(
        record,
        "approval.edited",
        actor=f"person:{person}",
        now=now,
        detail={
            "from_sha256": record.version.payload_sha256,
            "policy_digest": verdict.policy_digest,
            "rule": verdict.rule,
            "voided": voided,
            **for_whom(mine, with_id=True),
            **saw(shown),
            **({"asked": list(asked)} if asked else {}),
            **spared(routed),
        },
        intents=(
            CARD,
            thread("approval.edited", now, person, version=made.number, voided=told, **for_whom(mine)),
            *asking(after, asked, directory),
        ),
        versions=(*record.versions, made),
        verdict=after.verdict,
        plan=plan,
        asked=(*record.asked, *asked),
        called=called,
    )


def _asked_by_edit(
    after: ActionRecord,
    old: ApprovalPlan,
    directory: Directory,
    care: Care,
    loads: Mapping[str, Load],
    now: datetime,
) -> Routed:
    """Whom to ask for a changed payload: nobody anew where the same people decide, in the same number."""
    plan = after.plan or ApprovalPlan()
    if people_of(plan) == people_of(old) and plan.people_needed == old.people_needed:
        return Routed(asked=())
    return route(after, directory, care=care, loads=loads, now=now)


def _merged(old: Verdict, new: Verdict) -> Verdict:
    """The verdict shown after an edit: the new evaluation, still one that needs approval."""
    return replace(
        new,
        decision=Decision.REQUIRE_APPROVAL,
        plan=None,
        rule=new.rule if new.plan is not None else old.rule,
        reason=new.reason if new.plan is not None else old.reason,
        trigger=new.trigger if new.plan is not None else old.trigger,
        effective=replace(
            new.effective, risk=max(old.effective.risk, new.effective.risk, key=lambda r: r.rank)
        ),
        constraints=new.constraints or old.constraints,
        grant=new.grant if new.plan is not None else old.grant,
        # What was masked stays so, also where the changed payload is of no such kind any more.
        mask=_together(old.mask, new.mask),
        subjects=_together(old.subjects, new.subjects),
    )


def _together(old: tuple[str, ...] | None, new: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys((*(old or ()), *(new or ())))) or None
