"""Who may decide a request, and whether those who did are enough; asked again inside every deciding transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gate.domain.delegation import Delegation
from gate.domain.oncall import everyone_of
from gate.domain.people import APPROVERS, TRUSTED, Directory, Person
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Choice, Vote
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """In whose right a person decides: their own, or under `delegation` that of its grantor."""

    person: str
    delegation: Delegation | None = None

    @property
    def on_behalf_of(self) -> str | None:
        """The grantor, None for somebody who decides in their own right."""
        return self.delegation.grantor if self.delegation is not None else None

    @property
    def uses_up(self) -> frozenset[str]:
        """The people of whom nobody can count a second time beside this one (INV-06)."""
        return frozenset({self.person, self.on_behalf_of or self.person})


def standing(
    record: ActionRecord, person_id: str, directory: Directory, used: frozenset[str] = frozenset()
) -> Standing | Refused:
    """In whose right this person may decide now, or why they may not (INV-05, INV-07, INV-13).

    A delegation is looked at only for somebody who may not decide in their own right, and never for somebody who
    must not decide at all. Of several, the oldest whose grantor is not among `used` is taken.
    """
    refused = own_right(record, person_id, directory)
    if refused is None:
        return Standing(person=person_id)
    if refused.code != "not_a_reviewer":
        return refused
    lent = [d for d in directory.delegations if d.delegate == person_id and carries(d, record, directory)]
    if not lent:
        return refused
    lent.sort(key=lambda d: (d.grantor in used, d.created_at, d.id))
    return Standing(person=person_id, delegation=lent[0])


def carries(delegation: Delegation, record: ActionRecord, directory: Directory) -> bool:
    """Whether this delegation, which is in force, lends a right to decide this very request (INV-07).

    The grantor has to have that right as their own, so that nothing is passed on and nothing outlives it.
    """
    if not delegation.covers_topic(record.proposal.topic):
        return False
    if own_right(record, delegation.grantor, directory) is not None:
        return False
    if not delegation.groups:
        return True
    plan = record.plan or ApprovalPlan()
    asked = (*plan.groups, *plan.distinct_groups, APPROVERS)
    return any(g in asked and _member(g, delegation.grantor, record, directory) for g in delegation.groups)


def _member(group: str, person_id: str, record: ActionRecord, directory: Directory) -> bool:
    return any(p.id == person_id for p in directory.members(group, risk_of(record)))


def may_decide(record: ActionRecord, person_id: str, directory: Directory) -> Refused | None:
    """None where this person's word counts now, in whosever right; otherwise why it does not."""
    found = standing(record, person_id, directory)
    return found if isinstance(found, Refused) else None


def own_right(record: ActionRecord, person_id: str, directory: Directory) -> Refused | None:
    """None where this person may decide without anybody's delegation; otherwise why not (INV-05, INV-13)."""
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


def voices(record: ActionRecord, directory: Directory) -> tuple[Standing, ...]:
    """The approvals of the current version that count now, in order of voting (INV-04, INV-06).

    A vote under a delegation uses up both people, and counts while one delegation has held without a break from
    the vote until now, which it does not after its end or its revocation (INV-07).
    """
    current = record.version.number
    found: list[Standing] = []
    used: frozenset[str] = frozenset()
    for vote in record.votes:
        if vote.version != current or vote.choice is not Choice.APPROVE:
            continue
        voice = _still_counts(vote, record, directory)
        if voice is not None and used.isdisjoint(voice.uses_up):
            found.append(voice)
            used |= voice.uses_up
    return tuple(found)


def _still_counts(vote: Vote, record: ActionRecord, directory: Directory) -> Standing | None:
    own = own_right(record, vote.person, directory)
    if vote.on_behalf_of is None:
        return Standing(person=vote.person) if own is None else None
    if own is not None and own.code != "not_a_reviewer":
        return None
    for lent in directory.delegations:
        pair = (lent.grantor, lent.delegate) == (vote.on_behalf_of, vote.person)
        if pair and lent.held_since(vote.at) and carries(lent, record, directory):
            return Standing(person=vote.person, delegation=lent)
    return None


def counting(record: ActionRecord, directory: Directory) -> tuple[str, ...]:
    """Those whose approval of the current version counts now, each once (INV-04), in order of voting."""
    return tuple(voice.person for voice in voices(record, directory))


def slots(
    plan: ApprovalPlan,
    people: Iterable[str | Standing],
    directory: Directory,
    risk: Risk = Risk.CRITICAL,
) -> Mapping[str, str | None]:
    """Which person fills each of `distinct_groups`, matched so that as many as possible are filled (INV-08).

    A person fills one slot only, also one who is a member of several of the groups. Whoever acts for somebody
    fills a slot that the grantor could fill, within what was lent, and none by their own membership.
    """
    members = {g: {p.id for p in directory.members(g, risk)} for g in plan.distinct_groups}
    found = [Standing(person=p) if isinstance(p, str) else p for p in people]
    seats = {v.person: [g for g in plan.distinct_groups if _fills(v, g, members[g])] for v in found}
    holder: dict[str, str] = {}

    def seat(person: str, tried: set[str]) -> bool:
        for group in seats[person]:
            if group in tried:
                continue
            tried.add(group)
            if group not in holder or seat(holder[group], tried):
                holder[group] = person
                return True
        return False

    for person in seats:
        seat(person, set())
    return {g: holder.get(g) for g in plan.distinct_groups}


def could_stay_open(
    plan: ApprovalPlan,
    people: Iterable[str | Standing],
    directory: Directory,
    risk: Risk = Risk.CRITICAL,
) -> tuple[str, ...]:
    """The groups any one of which may be filled last: those that `people` need not fill for as many of them to be
    seated. Beside the open places these are filled ones whose holder can move, or make somebody move."""
    found = tuple(people)

    def seated(groups: tuple[str, ...]) -> int:
        held = slots(replace(plan, distinct_groups=groups), found, directory, risk)
        return sum(who is not None for who in held.values())

    groups = plan.distinct_groups
    most = seated(groups)
    return tuple(g for g in groups if seated(tuple(o for o in groups if o != g)) == most)


def _fills(voice: Standing, group: str, members: set[str]) -> bool:
    if (voice.on_behalf_of or voice.person) not in members:
        return False
    return voice.delegation is None or not voice.delegation.groups or group in voice.delegation.groups


def enough(
    plan: ApprovalPlan,
    people: Iterable[str | Standing],
    directory: Directory,
    risk: Risk = Risk.CRITICAL,
) -> bool:
    """Whether these different people satisfy quorum and slots, and a second review where there is one."""
    voters = tuple(dict.fromkeys(people))
    needed = plan.voices_needed
    return len(voters) >= needed and None not in slots(plan, voters, directory, risk).values()


def stand_ins(
    record: ActionRecord, people: Iterable[str], directory: Directory
) -> tuple[tuple[str, str], ...]:
    """The (delegate, grantor) of everybody who may decide this for one of `people`, each delegate once."""
    asked = set(people)
    found: dict[str, str] = {}
    for lent in directory.delegations:
        if lent.grantor in asked and lent.delegate not in asked and lent.delegate not in found:
            own = own_right(record, lent.delegate, directory)
            if own is not None and own.code == "not_a_reviewer" and carries(lent, record, directory):
                found[lent.delegate] = lent.grantor
    return tuple(found.items())


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
