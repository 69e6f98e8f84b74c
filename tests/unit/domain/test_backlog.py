"""Figures of a span of requests: each is counted once, and only people's decisions are waits."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gate.domain.backlog import Asked, span
from gate.domain.request import Status

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def asked(ago_sec: float, status: Status = Status.APPROVED, took: float | None = 60, **changes: Any) -> Asked:
    at = NOW - timedelta(seconds=ago_sec)
    usual: dict[str, Any] = {"by_timer": False, "emergency": False, "breached": False}
    done = None if took is None else at + timedelta(seconds=took)
    return Asked(at=at, status=status, decided_at=done, **(usual | {"escalations": 0, "joined": 0} | changes))


def test_each_request_is_told_under_the_one_thing_that_became_of_it():
    found = span(
        DAY,
        [
            asked(100),
            asked(200, Status.REJECTED),
            asked(300, Status.EXPIRED, breached=True, escalations=2),
            asked(400, by_timer=True, breached=True),
            asked(500, emergency=True),
            asked(600, Status.CANCELLED),
            asked(700, Status.PENDING, None, joined=4, escalations=1),
        ],
        NOW,
    )
    assert (found.asked, found.decided, found.approved, found.rejected) == (7, 2, 1, 1)
    assert (found.expired, found.timeout_allowed, found.emergency, found.cancelled, found.waiting) == (
        1,
        1,
        1,
        1,
        1,
    )
    assert (found.joined, found.breached, found.escalations) == (4, 2, 3)


def test_only_what_people_decided_is_a_wait():
    found = span(
        DAY,
        [
            *(asked(1000, took=n) for n in range(1, 101)),
            asked(1000, by_timer=True, took=900),
            asked(1000, emergency=True, took=1),
            asked(1000, Status.EXPIRED, took=900),
        ],
        NOW,
    )
    assert (found.median_wait_sec, found.p95_wait_sec) == (50, 95)


def test_nothing_asked_has_no_waits():
    found = span(DAY, [], NOW)
    assert (found.asked, found.median_wait_sec, found.p95_wait_sec) == (0, None, None)


def test_a_span_ends_where_it_says():
    requests = [asked(86_400), asked(86_401), asked(3_600)]
    assert span(DAY, requests, NOW).asked == 2


@given(
    st.lists(
        st.builds(
            asked,
            st.integers(0, 200_000),
            st.sampled_from(
                [s for s in Status if s not in (Status.ALLOWED, Status.DENIED, Status.THROTTLED)]
            ),
            by_timer=st.booleans(),
        )
    )
)
def test_the_figures_add_up(requests: list[Asked]):
    found = span(DAY, requests, NOW)
    parts = ("approved", "rejected", "expired", "timeout_allowed", "emergency", "cancelled", "waiting")
    assert set(parts) <= {field.name for field in fields(found)}
    assert sum(getattr(found, part) for part in parts) == found.asked
