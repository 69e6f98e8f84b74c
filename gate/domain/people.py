"""The people who may be asked: persons, groups, rotations and channels, resolved by id, e-mail or alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gate.domain.delegation import Delegation
from gate.domain.risk import Risk

APPROVERS = "approvers"
"""Members of this group may decide any pending request."""

TRUSTED: Mapping[Risk, timedelta] = {
    Risk.LOW: timedelta(days=1),
    Risk.MEDIUM: timedelta(days=1),
    Risk.HIGH: timedelta(minutes=15),
    Risk.CRITICAL: timedelta(minutes=15),
}
"""How old the members of a Slack user group, as read last, may be for their word to count at a risk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuietHours:
    """From minute `start` of the day to minute `end` by the clock in `tz`, over midnight where `end` comes first;
    on the weekdays (0 is Monday) on which they begin. Never the whole of every day."""

    start: int
    end: int
    tz: str
    days: frozenset[int] = frozenset(range(7))


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """One human being, however many addresses they have. `slack` is the Slack user id where it is known.

    In their `quiet` hours they are not told what can wait; deadlines know nothing of it.
    """

    id: str
    name: str
    email: str
    slack: str | None = None
    aliases: tuple[str, ...] = ()
    active: bool = True
    quiet: QuietHours | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """People who share a responsibility; `channel` is where their cards go.

    Where a Slack user group says who they are, `usergroup` is its id and `members` are those it had at `read_at`
    (None: it was never read). `strangers` counts those of them whom people.yaml does not have.
    """

    name: str
    members: tuple[str, ...]
    channel: str | None = None
    usergroup: str | None = None
    read_at: datetime | None = None
    strangers: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """Who takes turns: `every_days` days each, handing over at weekday `weekday` (0 is Monday) `at` in `tz`.

    Turns are counted from the hand-off on or before 2024-01-01, so that everyone computes the same turn.
    """

    people: tuple[str, ...]
    every_days: int
    weekday: int
    hour: int
    minute: int
    tz: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """`person` stands in from `start` until (not including) `end`."""

    person: str
    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """A stretch of an outside schedule, without an end or a beginning where it is open. `person` is None where
    the schedule names somebody whom people.yaml does not have."""

    person: str | None
    start: datetime | None
    end: datetime | None

    def covers(self, now: datetime) -> bool:
        """From `start` until, not including, `end`."""
        return (self.start is None or self.start <= now) and (self.end is None or now < self.end)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rota:
    """A named on-call rota: a rotation with overrides; the last override that covers an instant wins.

    Where a PagerDuty schedule says whose turn it is, `schedule` is its id, `shifts` what it said at `read_at`
    (None: it was never read), and the rotation stands in while that is too old or of no use.
    """

    name: str
    rotation: Rotation | None = None
    overrides: tuple[Override, ...] = ()
    schedule: str | None = None
    shifts: tuple[Shift, ...] = ()
    read_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Directory:
    """people.yaml, parsed: every person, group and rota, with look-ups that never guess.

    Two persons never share an id, address or Slack id; the loader refuses such a file. `as_of` is the instant at
    which the ages of what was read elsewhere are judged; without it such a list is taken for never read.
    `delegations` are those in force at the moment it is asked for; people.yaml has none, the store has.
    """

    people: Mapping[str, Person] = field(default_factory=dict[str, Person])
    groups: Mapping[str, Group] = field(default_factory=dict[str, Group])
    rotas: Mapping[str, Rota] = field(default_factory=dict[str, Rota])
    default_channel: str = "#approvals"
    escalation_channel: str | None = None
    delegations: tuple[Delegation, ...] = ()
    as_of: datetime | None = None

    def find(self, name: str) -> Person | None:
        """The person with this id, e-mail address or alias (addresses compare without case)."""
        if name in self.people:
            return self.people[name]
        wanted = name.casefold()
        for person in self.people.values():
            if person.email.casefold() == wanted or wanted in (a.casefold() for a in person.aliases):
                return person
        return None

    def by_slack(self, user_id: str) -> Person | None:
        """The person whose Slack id stands in people.yaml; pinned identities are the store's to know."""
        return next((p for p in self.people.values() if p.slack == user_id), None)

    def members(self, group: str, risk: Risk = Risk.CRITICAL) -> tuple[Person, ...]:
        """The active members of a group who count at this risk, in order; empty for an unknown group.

        A list read elsewhere counts while it is not older than `TRUSTED` allows: unknown tightens.
        """
        found = self.groups.get(group)
        return () if found is None or self.outdated(group, risk) else self.listed(group)

    def listed(self, group: str) -> tuple[Person, ...]:
        """The active members of a group as known last, however long ago that was; for showing, not for deciding."""
        found = self.groups.get(group)
        if found is None:
            return ()
        return tuple(p for m in found.members if (p := self.people.get(m)) is not None and p.active)

    def outdated(self, group: str, risk: Risk) -> bool:
        """Whether the group's list comes from elsewhere and is too old at this risk, or was never read."""
        found = self.groups.get(group)
        if found is None or found.usergroup is None:
            return False
        return found.read_at is None or self.as_of is None or self.as_of - found.read_at > TRUSTED[risk]

    def filled_elsewhere(self, *groups: str) -> bool:
        """Whether one of the groups gets its members from elsewhere, so that the file alone tells nothing of it."""
        return any(g in self.groups and self.groups[g].usergroup is not None for g in groups)

    def groups_of(self, person_id: str) -> frozenset[str]:
        """The names of the groups this person is a member of, as known last."""
        return frozenset(g.name for g in self.groups.values() if person_id in g.members)
