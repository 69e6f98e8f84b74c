"""The people who may be asked: persons, groups, rotations and channels, resolved by id, e-mail or alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

APPROVERS = "approvers"
"""Members of this group may decide any pending request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """One human being, however many addresses they have. `slack` is the Slack user id where it is known."""

    id: str
    name: str
    email: str
    slack: str | None = None
    aliases: tuple[str, ...] = ()
    active: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """People who share a responsibility; `channel` is where their cards go."""

    name: str
    members: tuple[str, ...]
    channel: str | None = None


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
class Rota:
    """A named on-call rota: a rotation with overrides; the last override that covers an instant wins."""

    name: str
    rotation: Rotation | None = None
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Directory:
    """people.yaml, parsed: every person, group and rota, with look-ups that never guess.

    Two persons never share an id, address or Slack id; the loader refuses such a file.
    """

    people: Mapping[str, Person] = field(default_factory=dict[str, Person])
    groups: Mapping[str, Group] = field(default_factory=dict[str, Group])
    rotas: Mapping[str, Rota] = field(default_factory=dict[str, Rota])
    default_channel: str = "#approvals"
    escalation_channel: str | None = None

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

    def members(self, group: str) -> tuple[Person, ...]:
        """The active members of a group in file order; empty for an unknown group."""
        found = self.groups.get(group)
        if found is None:
            return ()
        return tuple(p for m in found.members if (p := self.people.get(m)) is not None and p.active)

    def groups_of(self, person_id: str) -> frozenset[str]:
        """The names of the groups this person is a member of."""
        return frozenset(g.name for g in self.groups.values() if person_id in g.members)
