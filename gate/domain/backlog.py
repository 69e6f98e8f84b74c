"""Figures about requests: what waits now, and how those of a span of time went; about people is reviewing.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gate.domain.request import Status
from gate.domain.reviewing import nearest_rank
from gate.domain.risk import Risk

SPANS = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
"""The spans that are shown, each a part of the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """The open requests of one risk: how many, since when the oldest waits, how many are past their time, and how
    many of those are held until a person decides."""

    risk: Risk
    count: int
    oldest_at: datetime
    overdue: int
    held: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What became of one request that asked people. `by_timer` says that time decided it, `emergency` that somebody
    broke the glass; `joined` counts equal proposals that came while it waited."""

    at: datetime
    status: Status
    decided_at: datetime | None
    by_timer: bool
    emergency: bool
    breached: bool
    escalations: int
    joined: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The requests asked in the last `length`, every one counted under exactly one of `approved`, `rejected`,
    `expired`, `timeout_allowed`, `emergency`, `cancelled` and `waiting`.

    The waits are seconds from the submit to the decision of those that people approved or rejected. `complete` is
    False where there were more requests than are read, so that the newest stand for all.
    """

    length: timedelta
    asked: int
    approved: int
    rejected: int
    expired: int
    timeout_allowed: int
    emergency: int
    cancelled: int
    waiting: int
    joined: int
    breached: int
    escalations: int
    median_wait_sec: int | None
    p95_wait_sec: int | None
    complete: bool = True

    @property
    def decided(self) -> int:
        """By people, with the number of them that policy asked for."""
        return self.approved + self.rejected


def span(length: timedelta, requests: Iterable[Asked], now: datetime, *, complete: bool = True) -> Span:
    """The figures of those among `requests` that were asked in the last `length` before `now`."""
    mine = [each for each in requests if each.at >= now - length]
    approved = [each for each in mine if each.status is Status.APPROVED]
    by_people = [each for each in approved if not each.by_timer and not each.emergency]
    rejected = [each for each in mine if each.status is Status.REJECTED]
    waits = [
        max(int((each.decided_at - each.at).total_seconds()), 0)
        for each in (*by_people, *rejected)
        if each.decided_at is not None
    ]

    def having(status: Status) -> int:
        return sum(each.status is status for each in mine)

    return Span(
        length=length,
        asked=len(mine),
        approved=len(by_people),
        rejected=len(rejected),
        expired=having(Status.EXPIRED),
        timeout_allowed=sum(each.by_timer for each in approved),
        emergency=sum(each.emergency for each in approved),
        cancelled=having(Status.CANCELLED),
        waiting=having(Status.PENDING),
        joined=sum(each.joined for each in mine),
        breached=sum(each.breached for each in mine),
        escalations=sum(each.escalations for each in mine),
        median_wait_sec=nearest_rank(waits, 0.5),
        p95_wait_sec=nearest_rank(waits, 0.95),
        complete=complete,
    )
