"""Who may decide a request, and whether those who did are enough; asked again inside every deciding transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gate.domain.oncall import everyone_of
from gate.domain.people import APPROVERS, TRUSTED, Directory, Person
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Choice
from gate.domain.risk import Risk
from gate.domain.verdict import ApprovalPlan

REQUESTER_LABELS = ("requester", "requested_by")
"""Labels that name the person on whose wish the agent acts; that person never decides."""


def conflicts(record: ActionRecord, directory: Directory) -> Mapping[str, Refused]:
    """Persons who must not decide this action, whatever groups they are in, and why."""
    found: dict[str, Refused] = {}
    for label in REQUESTER_LABELS:
        named = record.proposal.labels.get(label)
        person = directory.find(named) if named else None
        if person is not None:
            found[person.id] = Refused(
                code="requester", sentence="This was requested for you, so somebody else has to decide."
            )
    owner = directory.find(record.agent.owner)
    found[owner.id if owner else record.agent.owner] = Refused(
        code="own_agent",
        sentence=f"You own the agent {record.agent.name}, so somebody else has to decide.",
    )
    return found


def risk_of(record: ActionRecord) -> Risk:
    """The risk at which lists of people must be fresh enough for this action."""
    return record.verdict.effective.risk


def named(plan: ApprovalPlan, directory: Directory, risk: Risk = Risk.CRITICAL) -> tuple[Person, ...]:
    """The active people the plan names, in order, each once: assignees first, then groups that count at this risk."""
    people = [directory.people[a] for a in plan.assignees if a in directory.people]
    for group in (*plan.groups, *plan.distinct_groups):
        people.extend(directory.members(group, risk))
    return tuple({p.id: p for p in people if p.active}.values())


def may_decide(record: ActionRecord, person_id: str, directory: Directory) -> Refused | None:
    """None where this person's word counts now; otherwise why it does not (INV-05, INV-13)."""
    person = directory.people.get(person_id)
    if person is None or not person.active:
        return Refused(code="inactive_person", sentence="You are not an active reviewer in this workspace.")
    conflict = conflicts(record, directory).get(person.id)
    if conflict is not None:
        return conflict
    plan = record.plan or ApprovalPlan()
    risk = risk_of(record)
    if person.id in record.called or any(p.id == person.id for p in named(plan, directory, risk)):
        return None
    if any(p.id == person.id for p in directory.members(APPROVERS, risk)):
        return None
    if (outdated := _outdated(plan, person, directory, risk)) is not None:
        return outdated
    return Refused(
        code="not_a_reviewer", sentence=f"You are not a reviewer of this request; {_who(plan, directory)}"
    )


def _outdated(plan: ApprovalPlan, person: Person, directory: Directory, risk: Risk) -> Refused | None:
    """Why a member of a user group does not count: its list is too old for this risk, or was never read."""
    for group in (*plan.groups, *plan.distinct_groups, APPROVERS):
        found = directory.groups.get(group)
        if found is None or not directory.outdated(group, risk):
            continue
        if found.read_at is None:
            since = f"Slack has not yet said who is in the group {group}"
        elif person.id in found.members:
            since = f"Slack last said who is in the group {group} on {found.read_at:%Y-%m-%d at %H:%M} UTC"
        else:
            continue
        limit = int(TRUSTED[risk].total_seconds() // 60)
        bound = f"{limit} minutes" if limit < 120 else f"{limit // 60} hours"
        return Refused(
            code="not_a_reviewer",
            sentence=f"{since}; at {risk.value} risk that must be known within {bound}. Please try again soon.",
        )
    return None


def _who(plan: ApprovalPlan, directory: Directory) -> str:
    names = [directory.people[a].name for a in plan.assignees if a in directory.people]
    names += [f"the group {g}" for g in (*plan.groups, *plan.distinct_groups)] or [f"the group {APPROVERS}"]
    return f"it waits for {' or '.join(names)}."


def counting(record: ActionRecord, directory: Directory) -> tuple[str, ...]:
    """The people whose approval of the current version counts now, each once (INV-04), in order of voting."""
    current = record.version.number
    voters = [v.person for v in record.votes if v.version == current and v.choice is Choice.APPROVE]
    return tuple(p for p in dict.fromkeys(voters) if may_decide(record, p, directory) is None)


def slots(
    plan: ApprovalPlan, people: Iterable[str], directory: Directory, risk: Risk = Risk.CRITICAL
) -> Mapping[str, str | None]:
    """Which person fills each of `distinct_groups`, matched so that as many as possible are filled (INV-08).

    A person fills one slot only, also one who is a member of several of the groups.
    """
    members = {g: {p.id for p in directory.members(g, risk)} for g in plan.distinct_groups}
    holder: dict[str, str] = {}

    def seat(person: str, tried: set[str]) -> bool:
        for group in plan.distinct_groups:
            if group in tried or person not in members[group]:
                continue
            tried.add(group)
            if group not in holder or seat(holder[group], tried):
                holder[group] = person
                return True
        return False

    for person in people:
        seat(person, set())
    return {g: holder.get(g) for g in plan.distinct_groups}


def enough(
    plan: ApprovalPlan, people: Iterable[str], directory: Directory, risk: Risk = Risk.CRITICAL
) -> bool:
    """Whether these different people satisfy quorum and slots."""
    voters = tuple(dict.fromkeys(people))
    needed = max(plan.quorum, len(plan.distinct_groups))
    return len(voters) >= needed and None not in slots(plan, voters, directory, risk).values()


def could_decide(record: ActionRecord, directory: Directory) -> tuple[str, ...]:
    """Everyone who could ever decide: named people, `approvers`, and whomever the ladder may call."""
    plan, risk = record.plan or ApprovalPlan(), risk_of(record)
    people = [*named(plan, directory, risk), *directory.members(APPROVERS, risk)]
    for step in plan.ladder:
        for target in step.to:
            kind, _, name = target.partition(":")
            if kind == "group":
                people.extend(directory.members(name, risk))
            elif kind == "oncall":
                rota = directory.rotas.get(name)
                ids = everyone_of(rota) if rota is not None else ()
                people.extend(directory.people[i] for i in ids if i in directory.people)
            elif target in directory.people:
                people.append(directory.people[target])
    out = conflicts(record, directory)
    return tuple(dict.fromkeys(p.id for p in people if p.active and p.id not in out))
