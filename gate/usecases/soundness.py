"""What is wrong with a directory as it stands now: people, groups and rotas that would leave a request alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gate.domain.oncall import everyone_of, on_call
from gate.domain.people import Directory, Group, Rota
from gate.domain.risk import Risk
from gate.usecases.whom import age_of


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupState:
    """A group, its active members, and what to do about it. `counts_up_to` is the highest risk its members count at."""

    name: str
    members: tuple[str, ...]
    source: str
    age_sec: int | None
    counts_up_to: str | None
    strangers: int
    problem: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RotaState:
    """A rota, who has it now, and what to do about it."""

    name: str
    source: str
    age_sec: int | None
    now: str | None
    until: datetime | None
    then: str | None
    problem: str | None


_TROUBLES = {
    "never_read": "the schedule was never read: is a gate running with PAGERDUTY_API_TOKEN?",
    "outdated": "the schedule was read too long ago: see the log of the gate",
    "empty": "the schedule has nobody on duty now",
    "unknown_person": "the schedule names somebody who is not active in people.yaml: add them, or an alias",
}


def groups(directory: Directory) -> tuple[GroupState, ...]:
    """Every group in file order."""
    return tuple(_group(group, directory) for group in directory.groups.values())


def rotas(directory: Directory, now: datetime) -> tuple[RotaState, ...]:
    """Every rota in file order."""
    return tuple(_rota(rota, directory, now) for rota in directory.rotas.values())


def _group(group: Group, directory: Directory) -> GroupState:
    levels = [risk for risk in Risk if not directory.outdated(group.name, risk)]
    listed = directory.listed(group.name)
    problem = None
    if group.usergroup is not None and group.read_at is None:
        problem = "Slack has not been asked yet: is a gate running, and has its app usergroups:read?"
    elif Risk.CRITICAL not in levels:
        problem = "read too long ago for its members to count: see the log of the gate"
    elif not listed:
        problem = "nobody in it is active"
    return GroupState(
        name=group.name,
        members=tuple(person.id for person in listed),
        source="people.yaml" if group.usergroup is None else f"Slack {group.usergroup}",
        age_sec=age_of(group.read_at, directory) if group.usergroup is not None else None,
        counts_up_to=max(levels, key=lambda risk: risk.rank).value if levels else None,
        strangers=group.strangers,
        problem=problem,
    )


def _rota(rota: Rota, directory: Directory, now: datetime) -> RotaState:
    duty = on_call(rota, now)
    gone = [p for p in everyone_of(rota) if p not in directory.people or not directory.people[p].active]
    problem = _TROUBLES[duty.trouble.value] if duty.trouble is not None else None
    if duty.person is None:
        problem = f"nobody has it now{f'; {problem}' if problem else ''}"
    elif gone:
        problem = f"{', '.join(gone)} not active" + (f"; {problem}" if problem else "")
    return RotaState(
        name=rota.name,
        source="people.yaml" if rota.schedule is None else f"PagerDuty {rota.schedule}",
        age_sec=age_of(rota.read_at, directory) if rota.schedule is not None else None,
        now=duty.person,
        until=duty.until,
        then=duty.next_person,
        problem=problem,
    )
