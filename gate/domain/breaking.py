"""What breaking the glass asks for and does: one request is released now, and supervisors are called at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from gate.domain.acting import already
from gate.domain.action import Json
from gate.domain.alarms import alarm
from gate.domain.delegation import matches
from gate.domain.eligibility import conflicts, counting, risk_of
from gate.domain.emergency import BreakGlass, Emergency
from gate.domain.escalation import called_by
from gate.domain.masking import masked_text
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Deadline, DeadlineKind, Status
from gate.domain.risk import Risk
from gate.domain.submission import callback
from gate.domain.transitions import CARD, Change, Intent, move, thread
from gate.domain.verdict import ApprovalPlan, Decision, Verdict

SHORTEST_REASON = 10
LONGEST_REASON = 1_000
"""Characters of a reason: long enough to say something, short enough to be read at night."""

OFF = Refused(
    code="break_glass_off",
    sentence="Nobody can break the glass here: the policy set in force has no `break_glass`. "
    "Ask the reviewers of the request to decide it.",
)


def may_break(
    record: ActionRecord,
    person_id: str,
    rules: BreakGlass | None,
    directory: Directory,
    now: datetime,
    *,
    judged_again: Verdict | None = None,
    unreviewed: Sequence[Emergency] = (),
) -> Refused | None:
    """None where this person may release this request now, without waiting for anybody (INV-17, threat 34).

    Nothing that was lent counts here: a person breaks the glass in their own right or not at all. `judged_again` is
    the verdict of the policy in force where another one judged the version: what it refuses no glass releases
    (INV-14). `unreviewed` are earlier releases of this person that wait for a supervisor.
    """
    if rules is None:
        return OFF
    if record.status.terminal:
        return already(record, directory, person_id)
    person = directory.people.get(person_id)
    if person is None or not person.active:
        return Refused(code="inactive_person", sentence="You are not active in people.yaml.")
    conflict = conflicts(record, directory).get(person_id)
    if conflict is not None:
        return conflict
    if person_id not in called_by(rules.who, record, directory, now):
        return Refused(
            code="not_for_you",
            sentence=f"You may not break the glass for this request; policy lets {_who(rules.who, directory)}.",
        )
    problem = _outside(record, rules, judged_again)
    if problem is not None:
        return problem
    if directory.find(record.agent.owner) is None:
        return Refused(
            code="owner_unknown",
            sentence=f"Nobody can release it while the owner of {record.agent.name} is missing from people.yaml: "
            "it is not known who must not decide.",
        )
    owed = _owed(unreviewed, rules, now)
    if owed is not None:
        return owed
    if not supervisors(record, person_id, rules, directory, now):
        return Refused(
            code="no_supervisor",
            sentence="Nobody is left who could review it afterwards, so it cannot be released without review. "
            f"Policy names {_who(rules.supervisors, directory)}.",
        )
    return None


def break_glass(
    record: ActionRecord,
    *,
    person: str,
    version: int,
    reason: str,
    valid_sec: int,
    rules: BreakGlass | None,
    policy_digest: str,
    directory: Directory,
    now: datetime,
    judged_again: Verdict | None = None,
    unreviewed: Sequence[Emergency] = (),
) -> Change | Refused:
    """Release the version shown, once and for `valid_sec` seconds at most, without waiting for the people policy asks
    for; the supervisors are called in the same transaction, and their review is armed (INV-17).

    `Refused` says why not, in the order a person wants to hear it; `comment_required` is about the reason,
    `bad_time` about the expiry.
    """
    problem = may_break(
        record, person, rules, directory, now, judged_again=judged_again, unreviewed=unreviewed
    )
    if problem is not None or rules is None:
        return problem or OFF
    if version != record.version.number:
        return Refused(
            code="stale_version",
            sentence=f"The payload was changed in the meantime; look at version {record.version.number} first.",
        )
    reason = reason.strip()
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        return Refused(
            code="comment_required",
            sentence=f"Say why it cannot wait, in {SHORTEST_REASON} to {LONGEST_REASON:,} characters.",
        )
    if not 0 < valid_sec <= rules.max_valid_sec:
        return Refused(
            code="bad_time",
            sentence=f"A release in an emergency is good for at most {rules.max_valid_sec} seconds here.",
        )
    called = supervisors(record, person, rules, directory, now)
    plan = record.plan or ApprovalPlan()
    risk = _risk(record, judged_again)
    emergency = Emergency(
        person=person,
        reason=reason,
        at=now,
        until=now + timedelta(seconds=valid_sec),
        supervisors=called,
        review_due_at=now + timedelta(seconds=rules.review_sla_sec),
        via=rules.via,
    )
    seq = (record.deadline.seq if record.deadline is not None else 0) + 1
    detail: dict[str, Json] = {
        "reason": True,
        "until": int(emergency.until.timestamp()),
        "risk": risk.value,
        "quorum": max(plan.quorum, len(plan.distinct_groups)),
        "counted": list(counting(record, directory)),
        "supervisors": list(called),
        "via": list(rules.via),
        "review_due": int(emergency.review_due_at.timestamp()),
        "policy_digest": policy_digest,
    }
    mention = list(called) if "slack" in rules.via else []
    told = thread("approval.break_glass", now, person, mention=mention, via=list(rules.via))
    return move(
        record,
        "approval.break_glass",
        actor=f"person:{person}",
        now=now,
        detail=detail,
        intents=(
            CARD,
            told,
            *calls(called, rules.via, "break_glass", seq),
            *callback(record, Status.APPROVED),
            *alarm("approval.break_glass", directory, now, person=person),
        ),
        decided_by=person,
        emergency=emergency,
        deadline=Deadline(kind=DeadlineKind.REVIEW, due_at=emergency.review_due_at, seq=seq),
    )


def supervisors(
    record: ActionRecord, breaker: str, rules: BreakGlass, directory: Directory, now: datetime
) -> tuple[str, ...]:
    """Who supervises a release by `breaker` at this moment: never the breaker, never who has a stake in the action."""
    return tuple(p for p in called_by(rules.supervisors, record, directory, now) if p != breaker)


def calls(people: tuple[str, ...], ways: tuple[str, ...], why: str, seq: int) -> Iterator[Intent]:
    """What goes out to each supervisor by each way, and one page for the release, whoever was found."""
    bodies: list[dict[str, Json]] = [{"person": person, "why": why} for person in people]
    if "slack" in ways:
        yield from (Intent(channel="slack", kind="dm", body=body) for body in bodies)
    if "email" in ways:
        yield from (Intent(channel="email", kind="call", body=body) for body in bodies)
    if "pagerduty" in ways:
        yield Intent(channel="pagerduty", kind="trigger", body={"about": "review", "seq": seq})


def _owed(unreviewed: Sequence[Emergency], rules: BreakGlass, now: datetime) -> Refused | None:
    """What one person may not add to: a release whose review is late, or as many open ones as policy bears."""
    if any(emergency.review_due_at <= now for emergency in unreviewed):
        return Refused(
            code="review_owed",
            sentence="An earlier emergency release of yours still waits for its review, past its time. "
            "Once a supervisor has looked at it you may break the glass again.",
        )
    if len(unreviewed) >= rules.max_unreviewed:
        many = (
            "An earlier emergency release"
            if len(unreviewed) == 1
            else f"{len(unreviewed)} emergency releases"
        )
        return Refused(
            code="review_owed",
            sentence=f"{many} of yours still {'waits' if len(unreviewed) == 1 else 'wait'} for review, and policy "
            f"lets nobody have more than {rules.max_unreviewed}. Ask a supervisor to look at them first.",
        )
    return None


def _outside(record: ActionRecord, rules: BreakGlass, judged_again: Verdict | None) -> Refused | None:
    """What keeps the action itself from being released: its topic, its risk, or the policy in force."""
    if not any(matches(glob, record.proposal.topic) for glob in rules.topics):
        return Refused(
            code="not_breakable",
            sentence=f"Policy lets the glass be broken for {', '.join(rules.topics)} only, and this is "
            f"{record.proposal.topic}.",
        )
    risk = _risk(record, judged_again)
    if risk > rules.max_risk:
        return Refused(
            code="not_breakable",
            sentence=f"Policy lets the glass be broken up to {rules.max_risk.value} risk, and this is "
            f"{risk.value}.",
        )
    if judged_again is not None and judged_again.decision.strictness > Decision.REQUIRE_APPROVAL.strictness:
        return Refused(
            code="policy_changed",
            sentence="Policy has changed and now refuses this, which no glass undoes: "
            + masked_text(record, judged_again.reason),
        )
    return None


def _risk(record: ActionRecord, judged_again: Verdict | None) -> Risk:
    """The higher of the risk it was judged at and the one the policy in force sees."""
    own = risk_of(record)
    return own if judged_again is None else max(own, judged_again.effective.risk, key=lambda r: r.rank)


def _who(targets: tuple[str, ...], directory: Directory) -> str:
    """Targets in words: `Ana Ruiz, the group sre or whoever is on call for primary`."""
    said: list[str] = []
    for target in targets:
        kind, _, name = target.partition(":")
        person = directory.people.get(target)
        if kind == "group":
            said.append(f"the group {name}")
        elif kind == "oncall":
            said.append(f"whoever is on call for {name}")
        else:
            said.append(person.name if person is not None else target)
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} or {said[-1]}" if said else "nobody"
