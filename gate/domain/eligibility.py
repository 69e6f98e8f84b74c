"""Who may decide a request, and whether those who did are enough; asked again inside every deciding transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gate.domain.people import APPROVERS, Directory, Person
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Choice
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


def named(plan: ApprovalPlan, directory: Directory) -> tuple[Person, ...]:
    """The active people the plan names, in order, each once: assignees first, then groups."""
    people = [directory.people[a] for a in plan.assignees if a in directory.people]
    for group in (*plan.groups, *plan.distinct_groups):
        people.extend(directory.members(group))
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
    if person.id in record.called or any(p.id == person.id for p in named(plan, directory)):
        return None
    if any(p.id == person.id for p in directory.members(APPROVERS)):
        return None
    return Refused(
        code="not_a_reviewer", sentence=f"You are not a reviewer of this request; {_who(plan, directory)}"
    )


def _who(plan: ApprovalPlan, directory: Directory) -> str:
    names = [directory.people[a].name for a in plan.assignees if a in directory.people]
    names += [f"the group {g}" for g in (*plan.groups, *plan.distinct_groups)] or [f"the group {APPROVERS}"]
    return f"it waits for {' or '.join(names)}."


def counting(record: ActionRecord, directory: Directory) -> tuple[str, ...]:
    """The people whose approval of the current version counts now, each once (INV-04), in order of voting."""
    current = record.version.number
    voters = [v.person for v in record.votes if v.version == current and v.choice is Choice.APPROVE]
    return tuple(p for p in dict.fromkeys(voters) if may_decide(record, p, directory) is None)


def slots(plan: ApprovalPlan, people: Iterable[str], directory: Directory) -> Mapping[str, str | None]:
    """Which person fills each of `distinct_groups`, matched so that as many as possible are filled (INV-08).

    A person fills one slot only, also one who is a member of several of the groups.
    """
    members = {g: {p.id for p in directory.members(g)} for g in plan.distinct_groups}
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


def enough(plan: ApprovalPlan, people: Iterable[str], directory: Directory) -> bool:
    """Whether these different people satisfy quorum and slots."""
    voters = tuple(dict.fromkeys(people))
    needed = max(plan.quorum, len(plan.distinct_groups))
    return len(voters) >= needed and None not in slots(plan, voters, directory).values()


def could_decide(record: ActionRecord, directory: Directory) -> tuple[str, ...]:
    """Everyone who could ever decide: named people, `approvers`, and whomever the ladder may call."""
    plan = record.plan or ApprovalPlan()
    people = [*named(plan, directory), *directory.members(APPROVERS)]
    for step in plan.ladder:
        for target in step.to:
            kind, _, name = target.partition(":")
            if kind == "group":
                people.extend(directory.members(name))
            elif kind == "oncall":
                rota = directory.rotas.get(name)
                ids = (rota.rotation.people if rota and rota.rotation else ()) if rota else ()
                people.extend(directory.people[i] for i in ids if i in directory.people)
            elif target in directory.people:
                people.append(directory.people[target])
    out = conflicts(record, directory)
    return tuple(dict.fromkeys(p.id for p in people if p.active and p.id not in out))
