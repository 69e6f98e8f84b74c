"""What a person's own votes say about how they review: how many, how fast, and the sign of not looking at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil

from gate.domain.oncall import on_call
from gate.domain.people import APPROVERS, Directory
from gate.domain.request import Choice

LOOK_BACK = timedelta(days=30)
"""How far back a person's figures reach: long enough for those who decide seldom, short enough to be about now."""

LEAST_DECISIONS = 20
"""Below this many decisions nothing is said: a handful of quick approvals can each have been a good one."""
LEAST_SHARE = 0.98
"""Share of requests let through as they were. One "no" or one correction in fifty shows that somebody looks."""
FASTEST_MEDIAN_SEC = 10
"""A card is made to be decided in ten seconds; whoever needs less for most of them has read few of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """One vote as it was clicked. `person` is who clicked, whoever lent the authority.

    `since` is when this version waited for this person: it existed, and they had been asked where that is known.
    `corrected` says that this person had made the version themselves; `second_review` that policy had asked for a
    second person who does not see the first vote.
    """

    person: str
    action_id: str
    version: int
    choice: Choice
    since: datetime
    at: datetime
    commented: bool = False
    corrected: bool = False
    second_review: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reviewer:
    """One person's figures; `approved` counts every approval, `corrected` those of a payload they changed first.

    The seconds are those a decision took at most, None where none could be timed. `second_reviews` counts the blind
    second reviews this person had a part in, `disagreed` those in which the two said different things.
    """

    person: str
    decisions: int = 0
    approved: int = 0
    corrected: int = 0
    commented: int = 0
    median_sec: int | None = None
    p90_sec: int | None = None
    second_reviews: int = 0
    disagreed: int = 0

    @property
    def let_through(self) -> int:
        """Approvals of what was proposed, as it was."""
        return self.approved - self.corrected

    @property
    def rubber_stamp(self) -> bool:
        """Whether nearly everything is let through in less time than reading takes: a sign, never a proof."""
        return (
            self.decisions >= LEAST_DECISIONS
            and self.let_through >= LEAST_SHARE * self.decisions
            and self.median_sec is not None
            and self.median_sec < FASTEST_MEDIAN_SEC
        )


def reviewers(given: Iterable[Given]) -> tuple[Reviewer, ...]:
    """Everybody who voted, whoever decided most first."""
    votes = sorted(given, key=lambda vote: (vote.person, vote.at))
    shared = _second_reviews(votes)
    found = [
        _reviewer(person, list(mine), shared) for person, mine in groupby(votes, key=lambda vote: vote.person)
    ]
    return tuple(sorted(found, key=lambda each: (-each.decisions, each.person)))


def nearest_rank(values: Sequence[int], share: float) -> int | None:
    """The smallest value that at least `share` of all are not above; one that really occurred. None of nothing."""
    return sorted(values)[max(ceil(share * len(values)), 1) - 1] if values else None


def _reviewer(person: str, mine: list[Given], shared: dict[tuple[str, int], bool]) -> Reviewer:
    seconds = _seconds(mine)
    blind = {place for vote in mine if (place := (vote.action_id, vote.version)) in shared}
    return Reviewer(
        person=person,
        decisions=len(mine),
        approved=sum(vote.choice is Choice.APPROVE for vote in mine),
        corrected=sum(vote.choice is Choice.APPROVE and vote.corrected for vote in mine),
        commented=sum(vote.commented for vote in mine),
        median_sec=nearest_rank(seconds, 0.5),
        p90_sec=nearest_rank(seconds, 0.9),
        second_reviews=len(blind),
        disagreed=sum(shared[place] for place in blind),
    )


def _seconds(mine: list[Given]) -> list[int]:
    """What each decision took at most: a person cannot have begun before it waited for them, and whoever goes through
    a pile looks at the next one after deciding the last. A version of their own is not timed: making it was looking."""
    found: list[int] = []
    before: datetime | None = None
    for vote in mine:
        if not vote.corrected:
            begun = vote.since if before is None else max(vote.since, before)
            found.append(max(int((vote.at - begun).total_seconds()), 0))
        before = vote.at
    return found


def _second_reviews(votes: Iterable[Given]) -> dict[tuple[str, int], bool]:
    """Where a second person voted blind after an approval -> whether they said no."""
    found: dict[tuple[str, int], bool] = {}
    blind = sorted(
        (vote for vote in votes if vote.second_review), key=lambda v: (v.action_id, v.version, v.at)
    )
    for place, cast in groupby(blind, key=lambda vote: (vote.action_id, vote.version)):
        first, *later = cast
        if later and first.choice is Choice.APPROVE:
            found[place] = any(vote.choice is Choice.REJECT for vote in later)
    return found


def sees_everybody(person_id: str, supervisors: Iterable[str], directory: Directory, now: datetime) -> bool:
    """Whether this person may see the figures of others: the group `approvers`, and who supervises emergencies.

    `supervisors` are targets as in a ladder. Nothing that was lent counts, and a list that is too old for critical
    risk shows nobody anything.
    """
    for target in (f"group:{APPROVERS}", *supervisors):
        kind, _, name = target.partition(":")
        if kind == "group":
            found = [person.id for person in directory.members(name)]
        elif kind == "oncall":
            rota = directory.rotas.get(name)
            found = [on_call(rota, now).person] if rota is not None else []
        else:
            found = [person.id for person in (directory.find(target),) if person is not None]
        if person_id in found:
            return True
    return False
