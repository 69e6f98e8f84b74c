"""The one armed deadline of a pending request: which comes next, and whom a ladder step calls."""

from __future__ import annotations

from datetime import datetime, timedelta

from gate.domain.eligibility import conflicts, named
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
    people = [p.id for p in named(plan, directory) if p.id not in out]
    if not people:
        people = [p.id for p in directory.members(APPROVERS) if p.id not in out]
    return tuple(people)


def called_by(
    targets: tuple[str, ...], record: ActionRecord, directory: Directory, now: datetime
) -> tuple[str, ...]:
    """The persons a ladder step's `to` means at this moment, without the conflicted; may be empty."""
    found: list[str] = []
    for target in targets:
        kind, _, name = target.partition(":")
        if target == "assignees":
            found.extend(asked_first(record, directory))
        elif kind == "group":
            found.extend(p.id for p in directory.members(name))
        elif kind == "oncall":
            rota = directory.rotas.get(name)
            duty = on_call(rota, now) if rota else None
            if duty is not None and duty.person is not None:
                found.append(duty.person)
        elif (person := directory.find(target)) is not None:
            found.append(person.id)
    out = conflicts(record, directory)
    active = [p for p in dict.fromkeys(found) if p in directory.people and directory.people[p].active]
    return tuple(p for p in active if p not in out)
