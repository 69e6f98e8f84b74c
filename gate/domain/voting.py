"""A person approves or rejects a pending request; whether their vote decides, the quorum and the slots say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from gate.domain.acting import NOTHING_SHOWN, acting, for_whom, saw, used_up
from gate.domain.action import Json
from gate.domain.care import SILENT, Care
from gate.domain.completeness import EvidenceContract, unsaid
from gate.domain.completeness import named as named_fields
from gate.domain.eligibility import enough, risk_of, voices
from gate.domain.masking import masked_text
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import REJECT_CATEGORIES, ActionRecord, Choice, Rejection, Status, Vote
from gate.domain.routing import NO_LOADS, Load, able_of_asked, next_one, used_people
from gate.domain.second_review import blind, result
from gate.domain.submission import asking, callback
from gate.domain.tightening import tightened
from gate.domain.transitions import CARD, Change, move, thread
from gate.domain.verdict import ApprovalPlan, Decision, Verdict


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
        **saw(shown),
    }
    so_far: dict[str, Json] = {"counted": len(counted), "quorum": plan.quorum, **for_whom(mine)}
    if judged_again is not None:
        detail["judged_again_under"] = judged_again.policy_digest
    actor = f"person:{person}"
    if not enough(plan, counted, directory, risk_of(voted)):
        if blind(voted):
            return _first_of_two(voted, record, actor, now, detail, directory, care, loads)
        told = thread("approval.vote", now, person, **so_far)
        return move(
            record,
            "approval.vote",
            actor=actor,
            now=now,
            detail=detail,
            intents=(CARD, told),
            votes=voted.votes,
        )
    told = thread("approval.granted", now, person, **so_far)
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
            **saw(shown),
            **_second_review(ended),
        },
        intents=(
            CARD,
            thread("approval.rejected", now, person, category=category, **for_whom(mine)),
            *callback(record, Status.REJECTED),
        ),
        votes=ended.votes,
        rejection=Rejection(category=category, comment=comment),
        decided_by=person,
    )
