"""What a deadline does when it comes: call the next people, breach, hold, expire. It never approves high risk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from gate.domain.action import Json
from gate.domain.alarms import alarm
from gate.domain.eligibility import named, risk_of, stand_ins
from gate.domain.emergency import BreakGlass
from gate.domain.escalation import called_by, next_deadline, on_timeout, unreached
from gate.domain.people import APPROVERS, Directory
from gate.domain.refusal import Refused
from gate.domain.reporting import is_report, unreported
from gate.domain.request import ActionRecord, Deadline, DeadlineKind, Status
from gate.domain.risk import Risk
from gate.domain.submission import callback, progress
from gate.domain.supervision import review_overdue
from gate.domain.transitions import CARD, Change, Intent, move, thread
from gate.domain.verdict import ApprovalPlan, Decision, OnTimeout, Verdict


def would_release(record: ActionRecord) -> bool:
    """Whether the armed deadline, once it comes, releases the action without anybody's word."""
    deadline, plan = record.deadline, record.plan or ApprovalPlan()
    return (
        deadline is not None
        and deadline.kind is DeadlineKind.SLA
        and on_timeout(plan, record.verdict.effective.risk) is OnTimeout.ALLOW
    )


def fire(
    record: ActionRecord,
    *,
    seq: int,
    now: datetime,
    directory: Directory,
    repage_sec: int,
    judged_again: Verdict | None = None,
    break_glass: BreakGlass | None = None,
) -> Change | Refused:
    """Act on the armed deadline `seq`. Refused where it is no longer the armed one (INV-27) or not due yet
    (INV-31); how late it was is on the record (INV-26).

    `judged_again` is the verdict of the policy in force where that is not the one the version was judged under:
    a timer releases only what that one would let it release too (INV-09, INV-14). `break_glass` is what it says about
    emergencies, and so who is asked for an overdue review.
    """
    deadline = record.deadline
    if deadline is None or not record.awaited:
        return Refused(code="not_pending", sentence="The request is decided; the timer does nothing.")
    if deadline.seq != seq:
        return Refused(code="not_due", sentence="Another deadline is armed by now.")
    if now < deadline.due_at:
        return Refused(code="not_due", sentence="The deadline has not come yet.")
    if deadline.kind in (DeadlineKind.REPORT, DeadlineKind.REVIEW) and is_report(record, deadline):
        return unreported(record, deadline, now=now)
    if deadline.kind is DeadlineKind.REVIEW:
        return review_overdue(
            record, deadline, rules=break_glass, directory=directory, now=now, repage_sec=repage_sec
        )
    if deadline.kind is DeadlineKind.STEP:
        return _step(record, deadline, now, directory, repage_sec)
    if deadline.kind is DeadlineKind.SLA:
        return _sla(record, deadline, now, directory, repage_sec, judged_again)
    if deadline.kind is DeadlineKind.REPAGE:
        return _repage(record, deadline, now, directory, repage_sec)
    return _expire(record, deadline, now)


def _step(
    record: ActionRecord, deadline: Deadline, now: datetime, directory: Directory, repage_sec: int
) -> Change:
    step = (record.plan or ApprovalPlan()).ladder[deadline.step]
    called = called_by(step.to, record, directory, now)
    detail: dict[str, Json] = {"step": deadline.step + 1, "to": list(step.to), "called": list(called)}
    missed = unreached(step.to, record, directory, now)
    if missed:
        detail["unreached"] = [f"{target} {why}" for target, why in missed]
    if not called:
        # The ladder goes on without waiting, and whoever may always decide hears of the hole in it (INV-30).
        called = called_by((f"group:{APPROVERS}",), record, directory, now)
        detail |= {"nobody_reached": True, "called": list(called)}
    return _calling(
        record, "approval.escalated", called, step.via, deadline, now, repage_sec, detail, directory
    )


def _sla(
    record: ActionRecord,
    deadline: Deadline,
    now: datetime,
    directory: Directory,
    repage_sec: int,
    judged_again: Verdict | None,
) -> Change:
    plan = record.plan or ApprovalPlan()
    what = on_timeout(plan, record.verdict.effective.risk)
    if what is OnTimeout.ALLOW and judged_again is not None:
        what = _still(judged_again)
    if what is OnTimeout.DENY:
        return _expire(record, deadline, now)
    if what is OnTimeout.ALLOW:
        return move(
            record,
            "approval.timeout_allowed",
            actor="timer",
            now=now,
            detail=_late(deadline, now) | {"rule": record.verdict.rule},
            intents=(
                CARD,
                thread("approval.timeout_allowed", now, None, seq=deadline.seq),
                *callback(record, Status.APPROVED),
            ),
            breached=True,
            decided_by="timer",
            decision_note="Low risk, released because nobody objected in time",
        )
    breached = replace(record, breached=True, held=what is OnTimeout.HOLD)
    second_chance = called_by((f"group:{APPROVERS}",), record, directory, now)
    called = record.asked if what is OnTimeout.HOLD else second_chance
    detail: dict[str, Json] = {"on_timeout": what.value, "called": list(called)}
    return _calling(
        breached, "approval.sla_breach", called, plan.ways, deadline, now, repage_sec, detail, directory
    )


def _still(judged_again: Verdict) -> OnTimeout:
    """What the policy in force makes of a release by timer."""
    risk = judged_again.effective.risk
    if judged_again.plan is not None:
        return on_timeout(judged_again.plan, risk)
    passes = judged_again.decision in (Decision.ALLOW, Decision.ALLOW_WITH_CONSTRAINTS)
    return OnTimeout.ALLOW if passes and risk is Risk.LOW else OnTimeout.DENY


def _repage(
    record: ActionRecord, deadline: Deadline, now: datetime, directory: Directory, repage_sec: int
) -> Change:
    """Held requests call everyone asked so far, whoever of them is still there, and the approvers."""
    called = called_by((*record.asked, f"group:{APPROVERS}"), record, directory, now)
    ways = (record.plan or ApprovalPlan()).ways
    detail: dict[str, Json] = {"called": list(called)}
    return _calling(record, "approval.repaged", called, ways, deadline, now, repage_sec, detail, directory)


def _calling(
    record: ActionRecord,
    kind: str,
    called: tuple[str, ...],
    ways: tuple[str, ...],
    deadline: Deadline,
    now: datetime,
    repage_sec: int,
    detail: dict[str, Json],
    directory: Directory,
) -> Change:
    """A transition that tells people and arms what comes next; whoever is called may decide from now on."""
    steps = record.escalation_step + (1 if kind == "approval.escalated" else 0)
    asked = tuple(dict.fromkeys((*record.asked, *called)))
    # Whoever decides by the plan goes on deciding by it alone, asked at first or not: leaving a group ends it.
    by_plan = {p.id for p in named(record.plan or ApprovalPlan(), directory, risk_of(record))}
    new = (c for c in called if c not in record.asked and c not in by_plan)
    allowed = tuple(dict.fromkeys((*record.called, *new)))
    after = replace(record, escalation_step=steps, asked=asked, called=allowed)
    hole = detail.get("nobody_reached") is True
    mention = list(called) if hole or "slack" in ways else []
    following = next_deadline(after, now=now, repage_sec=repage_sec)
    if hole and following.kind is DeadlineKind.STEP:
        following = replace(following, due_at=min(following.due_at, now))
    told = {"mention": mention, "step": steps, "via": list(ways)} | ({"nobody": True} if hole else {})
    told |= {"unreached": detail["unreached"]} if "unreached" in detail else {}
    return move(
        record,
        kind,
        actor="timer",
        now=now,
        detail=_late(deadline, now) | detail | {"via": list(ways)},
        intents=(
            CARD,
            thread(kind, now, None, seq=deadline.seq, **told),
            *_calls(called, stand_ins(after, called, directory), ways, deadline, slack=bool(mention)),
            *(progress(record, kind) if kind != "approval.repaged" else ()),
            *_alarms(kind, after, told, directory, now),
        ),
        escalation_step=steps,
        asked=asked,
        called=allowed,
        breached=after.breached,
        held=after.held,
        deadline=following,
    )


def _alarms(
    kind: str, after: ActionRecord, told: dict[str, Json], directory: Directory, now: datetime
) -> tuple[Intent, ...]:
    """A step with a hole in it, and a request that is held past its time."""
    held = kind == "approval.sla_breach" and after.held
    missed = kind == "approval.escalated" and ("unreached" in told or "nobody" in told)
    if not (held or missed):
        return ()
    return alarm(kind, directory, now, **{key: told[key] for key in told if key != "mention"})


def _calls(
    called: tuple[str, ...],
    deputies: tuple[tuple[str, str], ...],
    ways: tuple[str, ...],
    deadline: Deadline,
    *,
    slack: bool,
) -> Iterator[Intent]:
    """What goes out to each person called and to whoever acts for one of them, by each way; and one page for the
    action, also where nobody was found."""
    bodies: list[dict[str, Json]] = [{"person": p, "why": "escalated"} for p in called]
    bodies += [{"person": p, "why": "escalated", "for": grantor} for p, grantor in deputies]
    if slack:
        yield from (Intent(channel="slack", kind="dm", body=body) for body in bodies)
    if "email" in ways:
        yield from (Intent(channel="email", kind="call", body=body) for body in bodies)
    if "pagerduty" in ways:
        yield Intent(channel="pagerduty", kind="trigger", body={"seq": deadline.seq})


def _expire(record: ActionRecord, deadline: Deadline, now: datetime) -> Change:
    return move(
        record,
        "approval.expired",
        actor="timer",
        now=now,
        detail=_late(deadline, now),
        intents=(
            CARD,
            thread("approval.expired", now, None, seq=deadline.seq),
            *callback(record, Status.EXPIRED),
        ),
        breached=True,
        decided_by="timer",
        decision_note="Nobody decided in time",
    )


def _late(deadline: Deadline, now: datetime) -> dict[str, Json]:
    return {
        "deadline": deadline.kind.value,
        "seq": deadline.seq,
        "late_ms": int((now - deadline.due_at).total_seconds() * 1000),
    }
