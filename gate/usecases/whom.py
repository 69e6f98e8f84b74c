"""Who would be asked for an action, who is left out and why, and whom each step would call; pure, nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gate.domain.action import Agent, Proposal
from gate.domain.care import SILENT, Care
from gate.domain.eligibility import conflicts, could_decide, enough, risk_of
from gate.domain.escalation import called_by, on_timeout, unreached
from gate.domain.people import APPROVERS, Directory
from gate.domain.quiet import waits_for
from gate.domain.request import ActionRecord
from gate.domain.routing import NO_LOADS, Load, Routed, route
from gate.domain.submission import submit
from gate.domain.verdict import ApprovalPlan, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A person whom the plan names, by what, and why they are left out (None: they are not).

    `open` counts the requests that wait for them (None: not known); `skipped` is `full` or `cooling` where others are
    asked in their place, the latter until `cooling_until`.
    """

    person: str
    by: tuple[str, ...]
    left_out: str | None
    open: int | None = None
    skipped: str | None = None
    cooling_until: datetime | None = None
    quiet_until: datetime | None = None
    """Until when they would be left in peace about this action, None where they would be told at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListAge:
    """A group of the plan whose members come from elsewhere. `age_sec` is None where it was never read; `counts`
    says whether its members count at this action's risk."""

    group: str
    age_sec: int | None
    counts: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One ladder step: `at` if the action were proposed now, and whom it would call as things stand now."""

    at: datetime
    after_sec: int
    to: tuple[str, ...]
    via: tuple[str, ...]
    calls: tuple[str, ...]
    unreached: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Whom:
    """The people side of one verdict. Without a plan (nobody decides) only the verdict is there.

    `loads_known` says whether the choice looked at what people have to do: False where nobody could say, so that
    another choice may come of it.
    """

    verdict: Verdict
    plan: ApprovalPlan | None = None
    asked: tuple[str, ...] = ()
    named: tuple[Named, ...] = ()
    lists: tuple[ListAge, ...] = ()
    ladder: tuple[Step, ...] = ()
    sla_at: datetime | None = None
    at_the_end: str | None = None
    could_decide: tuple[str, ...] = ()
    loads_known: bool = True
    enough: bool = True
    """Whether those who could decide suffice; where they do not, the action is denied at once."""


def whom(
    verdict: Verdict,
    *,
    agent: Agent,
    proposal: Proposal,
    directory: Directory,
    now: datetime,
    repage_sec: int = 1_800,
    care: Care = SILENT,
    loads: Mapping[str, Load] | None = None,
) -> Whom:
    """What would come of proposing this action now, as far as people are concerned. `loads` None: nobody knows."""
    plan = verdict.plan
    if plan is None:
        return Whom(verdict=verdict)
    record = submit(
        action_id="act_nobody_sent",
        agent=agent,
        proposal=proposal,
        payload_sha256="",
        verdict=verdict,
        directory=directory,
        now=now,
        repage_sec=repage_sec,
    ).record
    # A request that too few could decide loses its plan; what is missing is the very thing to show.
    record = replace(record, verdict=verdict, plan=plan)
    able = could_decide(record, directory)
    routed = route(record, directory, care=care, loads=loads or NO_LOADS, now=now)
    return Whom(
        verdict=verdict,
        plan=plan,
        asked=routed.asked,
        named=_with_loads(_named(record, plan, directory), routed, loads),
        lists=_lists(record, plan, directory),
        ladder=tuple(_step(index, record, plan, directory, now) for index in range(len(plan.ladder))),
        sla_at=now + timedelta(seconds=plan.sla_sec),
        at_the_end=on_timeout(plan, risk_of(record)).value,
        could_decide=able,
        loads_known=loads is not None,
        enough=enough(plan, able, directory, risk_of(record)),
    )


def _groups(plan: ApprovalPlan) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*plan.groups, *plan.distinct_groups, APPROVERS)))


def _named(record: ActionRecord, plan: ApprovalPlan, directory: Directory) -> tuple[Named, ...]:
    by: dict[str, list[str]] = {}
    for person_id in plan.assignees:
        by.setdefault(person_id, []).append("assignee")
    for name in _groups(plan):
        found = directory.groups.get(name)
        for person_id in found.members if found is not None else ():
            by.setdefault(person_id, []).append(f"group {name}")
    out = conflicts(record, directory)
    everyone = {person_id: tuple(ways) for person_id, ways in by.items()}
    return tuple(
        Named(
            person=p,
            by=ways,
            left_out=_left_out(p, ways, record, directory, {k: v.code for k, v in out.items()}),
            quiet_until=waits_for(record, p, directory, record.created_at),
        )
        for p, ways in everyone.items()
    )


def _with_loads(
    named: tuple[Named, ...], routed: Routed, loads: Mapping[str, Load] | None
) -> tuple[Named, ...]:
    if loads is None:
        return named
    skipped = dict(routed.skipped)
    return tuple(
        replace(
            each,
            open=loads.get(each.person, Load()).open,
            skipped=skipped.get(each.person),
            cooling_until=loads.get(each.person, Load()).cooling_until,
        )
        for each in named
    )


_CONFLICTS = {"requester": "the action is requested for them", "own_agent": "they own the agent"}


def _left_out(
    person_id: str,
    by: tuple[str, ...],
    record: ActionRecord,
    directory: Directory,
    out: Mapping[str, str],
) -> str | None:
    person = directory.people.get(person_id)
    if person is None or not person.active:
        return "not active in people.yaml"
    if person_id in out:
        return _CONFLICTS.get(out[person_id], out[person_id])
    groups = [way.removeprefix("group ") for way in by if way.startswith("group ")]
    if "assignee" not in by and all(directory.outdated(g, risk_of(record)) for g in groups):
        return f"what is known of {' and '.join(groups)} is too old for {risk_of(record).value} risk"
    return None


def _lists(record: ActionRecord, plan: ApprovalPlan, directory: Directory) -> tuple[ListAge, ...]:
    found: list[ListAge] = []
    for name in _groups(plan):
        group = directory.groups.get(name)
        if group is not None and group.usergroup is not None:
            outdated = directory.outdated(name, risk_of(record))
            found.append(ListAge(group=name, age_sec=age_of(group.read_at, directory), counts=not outdated))
    return tuple(found)


def age_of(read_at: datetime | None, directory: Directory) -> int | None:
    """Seconds since a list was read, None where it never was."""
    if read_at is None or directory.as_of is None:
        return None
    return int((directory.as_of - read_at).total_seconds())


def _step(index: int, record: ActionRecord, plan: ApprovalPlan, directory: Directory, now: datetime) -> Step:
    step = plan.ladder[index]
    return Step(
        at=now + timedelta(seconds=step.after_sec),
        after_sec=step.after_sec,
        to=step.to,
        via=step.via,
        calls=called_by(step.to, record, directory, now),
        unreached=unreached(step.to, record, directory, now),
    )
