"""The one armed deadline of a pending request: which comes next, and whom a ladder step calls."""

from __future__ import annotations

from datetime import datetime, timedelta

from gate.domain.eligibility import conflicts, named, risk_of
from gate.domain.oncall import on_call
from gate.domain.people import APPROVERS, Directory
from gate.domain.request import ActionRecord, Deadline, DeadlineKind
from gate.domain.risk import Risk
from gate.domain.verdict import ApprovalPlan, OnTimeout


def on_timeout(plan: ApprovalPlan, risk: Risk) -> OnTimeout:
    """What the end of the time does. Only low risk is ever released by a timer (INV-09)."""
    if plan.on_timeout is OnTimeout.ALLOW and risk is not Risk.LOW:
        return OnTimeout.HOLD if risk is Risk.CRITICAL else OnTimeout.DENY
    return plan.on_timeout


def next_deadline(record: ActionRecord, *, now: datetime, repage_sec: int) -> Deadline:
    """The deadline to arm after what has happened so far (INV-24); on a tie the ladder step goes first.

    Before the SLA: ladder steps and the SLA itself. After it: the remaining steps; then, where the request
    is held, a new page every `repage_sec`, or, where it got a second chance, the end of that.
    """
    plan = record.plan or ApprovalPlan()
    seq = (record.deadline.seq if record.deadline else 0) + 1
    sla_at = record.sla_at or record.created_at + timedelta(seconds=plan.sla_sec)
    candidates: list[Deadline] = []
    if record.escalation_step < len(plan.ladder):
        due = record.created_at + timedelta(seconds=plan.ladder[record.escalation_step].after_sec)
        candidates.append(Deadline(kind=DeadlineKind.STEP, due_at=due, seq=seq, step=record.escalation_step))
    if not record.breached:
        candidates.append(Deadline(kind=DeadlineKind.SLA, due_at=sla_at, seq=seq))
    elif not record.held:
        candidates.append(
            Deadline(kind=DeadlineKind.EXTENDED, due_at=sla_at + timedelta(seconds=plan.sla_sec), seq=seq)
        )
    elif not candidates:
        candidates.append(
            Deadline(kind=DeadlineKind.REPAGE, due_at=now + timedelta(seconds=repage_sec), seq=seq)
        )
    return min(candidates, key=lambda d: (d.due_at, d.kind is not DeadlineKind.STEP))


def asked_first(record: ActionRecord, directory: Directory) -> tuple[str, ...]:
    """Whom to ask at submit: named people without the conflicted, else the group `approvers`."""
    plan = record.plan or ApprovalPlan()
    out = conflicts(record, directory)
    risk = risk_of(record)
    people = [p.id for p in named(plan, directory, risk) if p.id not in out]
    if not people:
        people = [p.id for p in directory.members(APPROVERS, risk) if p.id not in out]
    return tuple(people)


def called_by(
    targets: tuple[str, ...], record: ActionRecord, directory: Directory, now: datetime
) -> tuple[str, ...]:
    """The persons a ladder step's `to` means at this moment, without the conflicted; may be empty."""
    found = [p for target in targets for p in _meant(target, record, directory, now)]
    out = conflicts(record, directory)
    return tuple(p for p in dict.fromkeys(found) if p not in out)


def unreached(
    targets: tuple[str, ...], record: ActionRecord, directory: Directory, now: datetime
) -> tuple[tuple[str, str], ...]:
    """The (target, reason code) of a ladder step of which nobody can be called, or only a stand-in (INV-30).

    Codes: those of `oncall.Trouble`, `outdated` (a group's list is too old), `nobody` (nobody active is there),
    `conflict` (only people who must not decide).
    """
    out = conflicts(record, directory)
    found: list[tuple[str, str]] = []
    for target in targets:
        kind, _, name = target.partition(":")
        people = _meant(target, record, directory, now)
        if (
            kind == "oncall"
            and (rota := directory.rotas.get(name))
            and (trouble := on_call(rota, now).trouble)
        ):
            found.append((target, trouble.value))
        elif people and all(p in out for p in people):
            found.append((target, "conflict"))
        elif not people:
            outdated = kind == "group" and directory.outdated(name, risk_of(record))
            found.append((target, "outdated" if outdated else "nobody"))
    return tuple(found)


def _meant(target: str, record: ActionRecord, directory: Directory, now: datetime) -> list[str]:
    """The active persons one target of a ladder step means at this moment."""
    kind, _, name = target.partition(":")
    found: list[str] = []
    if target == "assignees":
        found.extend(asked_first(record, directory))
    elif kind == "group":
        found.extend(p.id for p in directory.members(name, risk_of(record)))
    elif kind == "oncall":
        rota = directory.rotas.get(name)
        duty = on_call(rota, now) if rota else None
        if duty is not None and duty.person is not None:
            found.append(duty.person)
    elif (person := directory.find(target)) is not None:
        found.append(person.id)
    return [p for p in found if p in directory.people and directory.people[p].active]
