"""What people and the agent may do to a pending request: vote, edit, ask others, take it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from gate.domain.acting import DONE, HANDED_ON, acting, already, for_whom, used_up
from gate.domain.action import Json
from gate.domain.care import SILENT, Care
from gate.domain.completeness import EvidenceContract, unsaid
from gate.domain.completeness import named as named_fields
from gate.domain.eligibility import could_decide, counting, enough, may_decide, risk_of, voices
from gate.domain.masking import masked_text
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import (
    REJECT_CATEGORIES,
    ActionRecord,
    Choice,
    Reassignment,
    Rejection,
    Status,
    Version,
    Vote,
)
from gate.domain.risk import Risk
from gate.domain.routing import NO_LOADS, Load, Routed, able_of_asked, next_one, route, used_people
from gate.domain.second_review import blind, carried_over, needless, result
from gate.domain.submission import asking, callback, progress, spared
from gate.domain.transitions import CARD, Change, Intent, move
from gate.domain.verdict import ApprovalPlan, Decision, Verdict

__all__ = ("already", "approve", "cancel", "edit", "reassign", "reject", "tightened")


NOTHING_SHOWN: Mapping[str, str] = {}


def approve(
    record: ActionRecord,
    *,
    person: str,
    version: int,
    comment: str | None,
    directory: Directory,
    now: datetime,
    judged_again: Verdict | None = None,
    resting: Refused | None = None,
    care: Care = SILENT,
    loads: Mapping[str, Load] = NO_LOADS,
    contract: EvidenceContract | None = None,
    shown: Mapping[str, str] = NOTHING_SHOWN,
) -> Change | Refused:
    """Count a person's approval; the one that completes quorum and slots decides.

    `shown` are digests of what this person was shown of the version, by surface, for the record.
    `contract` is the evidence contract in force: what it asks for and is not there keeps the approval from counting.

    `judged_again` is the verdict of the policy in force where that is not the one the version was judged
    under: it can refuse the approval or ask for more people, and never for fewer (INV-14). `resting` says why this
    person should take a break first. `care` and `loads` say whom to ask next where a second review has nobody left.
    """
    mine = acting(record, person, version, "approve", directory)
    if isinstance(mine, Refused):
        return mine
    if directory.find(record.agent.owner) is None:
        return Refused(
            code="owner_unknown",
            sentence=f"Nobody can approve while the owner of {record.agent.name} is missing from people.yaml: "
            "it is not known who must not decide. You can still reject it.",
        )
    plan = record.plan or ApprovalPlan()
    # Who made this version has been reading since the version before it.
    appeared = record.created_at if record.version.editor == person else record.version.created_at
    waited = now - appeared
    if waited < timedelta(seconds=plan.min_review_sec):
        left = plan.min_review_sec - int(waited.total_seconds())
        return Refused(
            code="too_soon",
            sentence=f"Please look at it for {left} more second{'s' if left != 1 else ''}, then approve.",
        )
    counted_already = used_up(record, mine, directory)
    if counted_already is not None:
        return counted_already
    if resting is not None:
        return resting
    lacking = unaccountable(contract, record, comment)
    if lacking is not None:
        return lacking
    if judged_again is not None:
        if judged_again.decision.strictness > Decision.REQUIRE_APPROVAL.strictness:
            return Refused(
                code="policy_changed",
                sentence=f"Policy has changed and now refuses this: {masked_text(record, judged_again.reason)}",
            )
        plan = tightened(plan, judged_again)
    vote = Vote(
        person=person,
        choice=Choice.APPROVE,
        version=version,
        at=now,
        comment=comment,
        on_behalf_of=mine.on_behalf_of,
    )
    record = replace(record, plan=plan)
    voted = replace(record, votes=(*record.votes, vote))
    counted = voices(voted, directory)
    detail: dict[str, Json] = {
        "counted": [voice.person for voice in counted],
        "quorum": plan.quorum,
        "comment": comment is not None,
        **for_whom(mine, with_id=True),
        **_saw(shown),
    }
    so_far: dict[str, Json] = {"counted": len(counted), "quorum": plan.quorum, **for_whom(mine)}
    if judged_again is not None:
        detail["judged_again_under"] = judged_again.policy_digest
    actor = f"person:{person}"
    if not enough(plan, counted, directory, risk_of(voted)):
        if blind(voted):
            return _first_of_two(voted, record, actor, now, detail, directory, care, loads)
        told = _thread("approval.vote", now, person, **so_far)
        return move(
            record,
            "approval.vote",
            actor=actor,
            now=now,
            detail=detail,
            intents=(CARD, told),
            votes=voted.votes,
        )
    told = _thread("approval.granted", now, person, **so_far)
    return move(
        record,
        "approval.granted",
        actor=actor,
        now=now,
        detail=detail | _second_review(replace(voted, status=Status.APPROVED)),
        intents=(CARD, told, *callback(record, Status.APPROVED)),
        votes=voted.votes,
        decided_by=person,
    )


def _saw(shown: Mapping[str, str]) -> dict[str, Json]:
    """What a person was shown, for the record; empty where that is not known."""
    return {"shown": dict(shown)} if shown else {}


def unaccountable(
    contract: EvidenceContract | None, record: ActionRecord, comment: str | None
) -> Refused | None:
    """Why an approval would leave an incomplete record; None where it would not, or policy lets it."""
    if contract is None or not contract.reject:
        return None
    never = unsaid(contract, record.proposal, record.verdict.effective)
    if never:
        return Refused(
            code="incomplete_record",
            sentence=f"This cannot be approved: its record would lack {named_fields(never)}, which the agent did "
            "not send. You can still reject it; the agent can propose it again with that.",
        )
    if "comment" in contract.required and not (comment or "").strip():
        return Refused(
            code="incomplete_record",
            sentence="Policy asks for a comment with each approval: say in a few words why you approve this.",
        )
    return None


def _first_of_two(
    voted: ActionRecord,
    record: ActionRecord,
    actor: str,
    now: datetime,
    detail: dict[str, Json],
    directory: Directory,
    care: Care,
    loads: Mapping[str, Load],
) -> Change:
    """The first approval under a blind second review: nobody is told, and where all who were asked have approved,
    one more person is asked, as anybody would be."""
    more: tuple[str, ...] = ()
    if not able_of_asked(voted, directory, loads=loads, now=now):
        used = used_people(voted, directory)
        found = next_one(voted, directory, care=care, loads=loads, now=now, without=used)
        more = (found,) if found is not None else ()
    return move(
        record,
        "approval.vote",
        actor=actor,
        now=now,
        detail=detail | ({"asked": list(more)} if more else {}),
        intents=asking(voted, more, directory, why="also"),
        votes=voted.votes,
        asked=(*voted.asked, *more),
    )


def _second_review(decided: ActionRecord) -> dict[str, Json]:
    """What came of a blind second review, for the record; empty where two people did not have their say."""
    found = result(decided)
    return {"second_review": found} if found is not None else {}


def reject(
    record: ActionRecord,
    *,
    person: str,
    version: int,
    category: str,
    comment: str | None,
    directory: Directory,
    now: datetime,
    shown: Mapping[str, str] = NOTHING_SHOWN,
) -> Change | Refused:
    """One person's no is final, whichever version is current by then would have been meant, so it must be seen."""
    mine = acting(record, person, version, "reject", directory)
    if isinstance(mine, Refused):
        return mine
    if category not in REJECT_CATEGORIES:
        return Refused(code="comment_required", sentence="Choose one of the listed reasons.")
    comment = (comment or "").strip()
    if category == "other" and not comment:
        return Refused(code="comment_required", sentence="Say in a few words why you reject this.")
    vote = Vote(
        person=person,
        choice=Choice.REJECT,
        version=version,
        at=now,
        comment=comment or None,
        on_behalf_of=mine.on_behalf_of,
    )
    ended = replace(record, status=Status.REJECTED, votes=(*record.votes, vote))
    return move(
        record,
        "approval.rejected",
        actor=f"person:{person}",
        now=now,
        detail={
            "category": category,
            "comment": bool(comment),
            **for_whom(mine, with_id=True),
            **_saw(shown),
            **_second_review(ended),
        },
        intents=(
            CARD,
            _thread("approval.rejected", now, person, category=category, **for_whom(mine)),
            *callback(record, Status.REJECTED),
        ),
        votes=ended.votes,
        rejection=Rejection(category=category, comment=comment),
        decided_by=person,
    )


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
            **_saw(shown),
            **({"asked": list(asked)} if asked else {}),
            **spared(routed),
        },
        intents=(
            CARD,
            _thread("approval.edited", now, person, version=made.number, voided=told, **for_whom(mine)),
            *asking(after, asked, directory),
        ),
        versions=(*record.versions, made),
        verdict=after.verdict,
        plan=plan,
        asked=(*record.asked, *asked),
        called=called,
    )


def reassign(
    record: ActionRecord,
    *,
    person: str,
    to: tuple[str, ...],
    reason: str,
    directory: Directory,
    now: datetime,
) -> Change | Refused:
    """Ask others too; whoever is asked may decide. Nobody who was asked before loses the right."""
    mine = acting(record, person, record.version.number, "reassign", directory)
    if isinstance(mine, Refused):
        return mine
    if mine.on_behalf_of is not None:
        return HANDED_ON
    if not reason.strip():
        return Refused(code="comment_required", sentence="Say in a few words why you hand this on.")
    if not to:
        return Refused(code="unknown_person", sentence="Choose at least one person.")
    wider = replace(record, called=tuple(dict.fromkeys((*record.called, *to))))
    for name in to:
        problem = may_decide(wider, name, directory)
        if problem is not None:
            who = directory.people[name].name if name in directory.people else "That person"
            why = "would decide about their own request" if problem.code in ("own_agent", "requester") else ""
            return Refused(
                code="unknown_person", sentence=f"{who} cannot be asked: {why or 'not an active reviewer'}."
            )
    asked = tuple(dict.fromkeys((*record.asked, *to)))
    return move(
        record,
        "approval.reassigned",
        actor=f"person:{person}",
        now=now,
        detail={"to": list(to)},
        intents=(
            CARD,
            _thread("approval.reassigned", now, person, mention=list(to)),
            *asking(wider, to, directory),
            *progress(record, "approval.reassigned"),
        ),
        asked=asked,
        called=wider.called,
        reassignments=(*record.reassignments, Reassignment(by=person, to=to, reason=reason.strip(), at=now)),
    )


def cancel(record: ActionRecord, *, reason: str | None, now: datetime) -> Change | Refused:
    """The proposing agent takes it back, while it is pending."""
    if record.status.terminal:
        return Refused(code="not_pending", sentence=f"The action is already {DONE[record.status]}.")
    return move(
        record,
        "action.cancelled",
        actor=f"agent:{record.agent.id}",
        now=now,
        detail={"reason": bool(reason)},
        intents=(CARD, _thread("action.cancelled", now, None), *callback(record, Status.CANCELLED)),
        decided_by=record.agent.id,
        decision_note=reason,
    )


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


def _thread(event: str, now: datetime, person: str | None, **body: Json) -> Intent:
    return Intent(
        channel="slack",
        kind="thread",
        body={"event": event, "at": int(now.timestamp() * 1_000_000), "person": person, **body},
    )
