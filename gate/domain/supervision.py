"""The review after every emergency release: who may give it, what it does, and that it is asked for until then."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from gate.domain.action import Json
from gate.domain.breaking import calls
from gate.domain.emergency import BreakGlass, Finding, Review
from gate.domain.escalation import called_by
from gate.domain.people import APPROVERS, Directory
from gate.domain.refusal import Refused
from gate.domain.reporting import next_duty
from gate.domain.request import ActionRecord, Deadline
from gate.domain.transitions import CARD, REVIEWED, Change, move, thread

LONGEST_COMMENT = 1_000


def reviewers(
    record: ActionRecord, rules: BreakGlass | None, directory: Directory, now: datetime
) -> tuple[str, ...]:
    """Who may review this release at this moment: the supervisors of the policy in force; where nobody of them is
    left, those who were called when it happened; then the group `approvers`, so that it never just stays open.

    Never whoever broke the glass, never who has a stake in the action, and never under a delegation (threat 34).
    """
    emergency = record.emergency
    if emergency is None:
        return ()
    for targets in (rules.supervisors if rules else (), emergency.supervisors, (f"group:{APPROVERS}",)):
        found = called_by(targets, record, directory, now)
        if left := tuple(p for p in found if p != emergency.person):
            return left
    return ()


def may_review(
    record: ActionRecord, person_id: str, rules: BreakGlass | None, directory: Directory, now: datetime
) -> Refused | None:
    """None where this person may close the review now; otherwise why not."""
    emergency = record.emergency
    if emergency is None:
        return Refused(
            code="nothing_to_review", sentence="Nobody broke the glass here; there is nothing to review."
        )
    if emergency.review is not None:
        who = directory.people.get(emergency.review.person)
        by = "you" if emergency.review.person == person_id else who.name if who else emergency.review.person
        return Refused(
            code="already_reviewed",
            sentence=f"This was already reviewed by {by}: {emergency.review.finding.value}. Nothing has changed.",
        )
    if person_id == emergency.person:
        return Refused(
            code="own_release", sentence="You broke the glass yourself, so somebody else has to review it."
        )
    if person_id not in reviewers(record, rules, directory, now):
        return Refused(
            code="not_a_supervisor", sentence="You are not among those who supervise emergency releases."
        )
    return None


def close_review(
    record: ActionRecord,
    *,
    person: str,
    finding: Finding,
    comment: str,
    rules: BreakGlass | None,
    directory: Directory,
    now: datetime,
) -> Change | Refused:
    """A supervisor's word on the release, once and for good. An unjustified one is taken back as far as it was not
    used yet: nothing more is issued for it, and what was issued is to be revoked in the same transaction."""
    problem = may_review(record, person, rules, directory, now)
    emergency = record.emergency
    if problem is not None or emergency is None:
        return problem or Refused(code="nothing_to_review", sentence="There is nothing to review.")
    comment = comment.strip()
    if not comment or len(comment) > LONGEST_COMMENT:
        return Refused(
            code="comment_required",
            sentence=f"Say in a few words how you come to this, in at most {LONGEST_COMMENT:,} characters.",
        )
    used = record.redeemed_jti is not None
    takes_back = finding is Finding.UNJUSTIFIED and not used and not record.grants_revoked
    late = now - emergency.review_due_at
    detail: dict[str, Json] = {
        "finding": finding.value,
        "comment": True,
        "used": used,
        "taken_back": takes_back,
        "late_ms": max(0, int(late.total_seconds() * 1000)),
    }
    reviewed = replace(emergency, review=Review(person=person, finding=finding, comment=comment, at=now))
    told = thread("review.closed", now, person, finding=finding.value, used=used, taken_back=takes_back)
    return move(
        record,
        "review.closed",
        actor=f"person:{person}",
        now=now,
        detail=detail,
        intents=(CARD, told, *((REVIEWED,) if "pagerduty" in emergency.via else ())),
        emergency=reviewed,
        grants_revoked=record.grants_revoked or takes_back,
        deadline=next_duty(replace(record, emergency=reviewed)),
    )


def review_overdue(
    record: ActionRecord,
    deadline: Deadline,
    *,
    rules: BreakGlass | None,
    directory: Directory,
    now: datetime,
    repage_sec: int,
) -> Change | Refused:
    """Nobody looked at it in time: call the supervisors of this moment, and again every `repage_sec` until somebody
    has; it never just stops (INV-17, INV-29)."""
    emergency = record.emergency
    if emergency is None or emergency.review is not None:
        return Refused(code="not_pending", sentence="The release was reviewed; the timer does nothing.")
    called = reviewers(record, rules, directory, now)
    detail: dict[str, Json] = {
        "deadline": deadline.kind.value,
        "seq": deadline.seq,
        "late_ms": int((now - deadline.due_at).total_seconds() * 1000),
        "called": list(called),
        "via": list(emergency.via),
    } | ({} if called else {"nobody_reached": True})
    mention = list(called) if "slack" in emergency.via else []
    told: dict[str, Json] = {"mention": mention, "via": list(emergency.via), "seq": deadline.seq}
    again = replace(emergency, overdue=emergency.overdue + 1, call_at=now + timedelta(seconds=repage_sec))
    return move(
        record,
        "review.overdue",
        actor="timer",
        now=now,
        detail=detail,
        intents=(
            CARD,
            thread("review.overdue", now, None, **told, **({} if called else {"nobody": True})),
            *calls(called, emergency.via, "review_overdue", deadline.seq),
        ),
        emergency=again,
        deadline=next_duty(replace(record, emergency=again)),
    )
