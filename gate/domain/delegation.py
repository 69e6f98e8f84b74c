"""One person's authority lent to another for a while: what it covers, when it holds; who may lend is not its matter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST = timedelta(days=90)
"""No delegation lasts longer; whoever stays away longer grants another one, and is asked again by that."""

ANY = "*"
"""In a topic glob: one or more characters, dots included, as in policy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delegation:
    """`delegate` may decide what `grantor` may decide, from `start` until (not including) `end`.

    `topics` are globs and `groups` names of groups; an empty one narrows nothing, and where both are given both
    have to fit. Through `groups` only what the grantor may decide as a member of one of them is lent.
    """

    id: str
    grantor: str
    delegate: str
    start: datetime
    end: datetime
    reason: str
    created_at: datetime
    topics: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is in force at `now`; from its revocation on it never is again (INV-07)."""
        return self.revoked_at is None and self.start <= now < self.end

    def open(self, now: datetime) -> bool:
        """Whether it is in force or still to come."""
        return self.revoked_at is None and now < self.end

    def held_since(self, at: datetime) -> bool:
        """Whether one that holds now held at `at` already, and so without a break ever since."""
        return self.start <= at and self.created_at <= at

    def covers_topic(self, topic: str) -> bool:
        """Whether actions of this topic are within its scope."""
        return not self.topics or any(matches(glob, topic) for glob in self.topics)

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Whether both hold at some instant."""
        return self.revoked_at is None and self.start < end and start < self.end


def matches(glob: str, text: str) -> bool:
    """Whether a text is what a glob means; linear in its length whatever the glob."""
    head, *rest = glob.split(ANY)
    if not rest:
        return text == glob
    if not text.startswith(head):
        return False
    at = len(head)
    *middle, tail = rest
    for piece in middle:
        found = text.find(piece, at + 1)
        if found < 0 or at + 1 > len(text):
            return False
        at = found + len(piece)
    return len(text) - len(tail) > at and text.endswith(tail)


def loop(
    delegations: Iterable[Delegation], *, grantor: str, delegate: str, start: datetime, end: datetime
) -> bool:
    """Whether lending from `grantor` to `delegate` would lead back to the grantor (threat 9).

    Nothing is passed on anyway; a circle is refused so that nobody takes it for two people.
    """
    edges = [(d.grantor, d.delegate) for d in delegations if d.overlaps(start, end)]
    reached, fresh = {delegate}, [delegate]
    while fresh:
        person = fresh.pop()
        for giver, taker in edges:
            if giver == person and taker not in reached:
                reached.add(taker)
                fresh.append(taker)
    return grantor in reached
