"""Who may decide one request and whose word counts, said again without the core's code, for tests to compare with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import permutations

from gate.domain.delegation import Delegation
from gate.domain.request import ActionRecord, Choice, Vote

MEMBERS = {"finance": {"ana", "bo"}, "security": {"bo", "dee"}, "approvers": {"cho"}}
OWNER = "own"
UNKNOWN = "zoe"


@dataclass
class Bystander:
    """Watches one request. `groups` are asked by its plan, `seats` want one person each, `needed` people in all."""

    groups: frozenset[str]
    seats: tuple[str, ...]
    needed: int
    called: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    lent: list[Delegation] = field(default_factory=list)

    @property
    def reviewers(self) -> set[str]:
        """Who may decide whatever else happens."""
        asked = {who for group in (*self.groups, *self.seats, "approvers") for who in MEMBERS[group]}
        return asked - self.gone

    def own(self, who: str) -> bool:
        """Who may decide in their own right."""
        return who in (self.reviewers | self.called) - self.gone - {OWNER, UNKNOWN}

    def holding(self, grantor: str, delegate: str, since: datetime, now: datetime) -> bool:
        """Whether one delegation between these two has held for this request from `since` until now without a break."""
        return any(self._holds(d, grantor, delegate, since, now) for d in self.lent)

    def _holds(self, d: Delegation, grantor: str, delegate: str, since: datetime, now: datetime) -> bool:
        fits = (d.grantor, d.delegate) == (grantor, delegate) and not d.topics
        scope = not d.groups or any(grantor in MEMBERS[g] and self._asked(g) for g in d.groups)
        return fits and scope and d.revoked_at is None and d.start <= since and now < d.end

    def _asked(self, group: str) -> bool:
        return group in self.groups or group in self.seats or group == "approvers"

    def counting(self, record: ActionRecord, now: datetime) -> list[Vote]:
        """The approvals of the current version that may count now, nobody twice (INV-04, INV-06, INV-07)."""
        found: list[Vote] = []
        taken: set[str] = set()
        for vote in record.votes:
            if vote.version != record.version.number or vote.choice is not Choice.APPROVE:
                continue
            if vote.on_behalf_of is None:
                valid = self.own(vote.person)
            else:
                lent = self.holding(vote.on_behalf_of, vote.person, vote.at, now)
                valid = lent and self.own(vote.on_behalf_of) and vote.person not in self.gone
            both = {vote.person, vote.on_behalf_of or vote.person}
            if valid and not both & taken:
                found.append(vote)
                taken |= both
        return found

    def seated(self, votes: list[Vote]) -> bool:
        """Whether every seat can have somebody of its own, found by trying all ways (INV-08)."""
        if not self.seats:
            return True
        ways = permutations(votes, len(self.seats))
        return any(all(self._fills(v, s) for v, s in zip(way, self.seats, strict=True)) for way in ways)

    def _fills(self, vote: Vote, seat: str) -> bool:
        if (vote.on_behalf_of or vote.person) not in MEMBERS[seat]:
            return False
        if vote.on_behalf_of is None:
            return True
        pair = (vote.on_behalf_of, vote.person)
        lent = [d for d in self.lent if (d.grantor, d.delegate) == pair and not d.topics]
        return any(not d.groups or seat in d.groups for d in lent)
