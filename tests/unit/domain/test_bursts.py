"""What shares a message, and which message to a person goes out now: figures of one burst against the rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.bursts import (
    GATHER_CALLS,
    GATHER_URGENT_CALLS,
    SINGLE_MESSAGES,
    WITHIN,
    Alone,
    NotYet,
    Ping,
    Together,
    in_peace,
    last_call,
    shares,
    turn,
    urgent,
)
from gate.domain.risk import Risk

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
LOW, MEDIUM, HIGH, CRITICAL = Risk.LOW, Risk.MEDIUM, Risk.HIGH, Risk.CRITICAL


@pytest.mark.parametrize(
    ("risk", "placed", "waiting", "expected"),
    [
        pytest.param(MEDIUM, {}, {MEDIUM: 5}, False, id="as-many-as-have-their-own"),
        pytest.param(MEDIUM, {}, {MEDIUM: 6}, True, id="one-more-waits"),
        pytest.param(MEDIUM, {MEDIUM: 5}, {MEDIUM: 1}, True, id="the-sixth-of-the-minute"),
        pytest.param(LOW, {HIGH: 3, MEDIUM: 2}, {LOW: 1}, True, id="whatever-the-risk-of-the-others"),
        pytest.param(HIGH, {MEDIUM: 400}, {HIGH: 5, MEDIUM: 90}, False, id="few-high-ones-among-many"),
        pytest.param(HIGH, {HIGH: 5}, {HIGH: 1}, True, id="too-many-high-ones"),
        pytest.param(CRITICAL, {CRITICAL: 400}, {CRITICAL: 90}, False, id="critical-never"),
    ],
)
def test_who_shares_a_message(
    risk: Risk, placed: dict[Risk, int], waiting: dict[Risk, int], expected: bool
) -> None:
    assert shares(risk, placed, waiting, above=5) is expected


@pytest.mark.parametrize(
    ("risk", "why", "expected"),
    [(LOW, "asked", False), (MEDIUM, "escalated", False), (HIGH, "asked", True), (LOW, "breach", True)],
)
def test_what_is_urgent(risk: Risk, why: str, expected: bool) -> None:
    assert urgent(risk, why) is expected


def test_a_single_message_goes_out_at_once() -> None:
    assert turn(now=NOW, begun=NOW, waiting=1, last=None) == Alone()


@pytest.mark.parametrize(("hurry", "gather"), [(False, GATHER_CALLS), (True, GATHER_URGENT_CALLS)])
def test_a_second_one_waits_a_moment_for_more(hurry: bool, gather: timedelta) -> None:
    last = Ping(at=NOW - timedelta(seconds=1), merged=False)
    assert turn(now=NOW, begun=NOW, waiting=1, last=last, hurry=hurry) == NotYet(until=NOW + gather)
    assert turn(now=NOW + gather, begun=NOW, waiting=1, last=last, hurry=hurry) == Alone()


def test_an_ordinary_call_keeps_its_distance_to_an_urgent_one_that_told_of_everything() -> None:
    ordinary = Ping(at=NOW - timedelta(seconds=50), merged=False)
    alone = Ping(at=NOW - timedelta(seconds=9), merged=False)
    for_all = Ping(at=NOW - timedelta(seconds=9), merged=True)
    assert last_call(hurry=False, ordinary=ordinary, pressing=alone) == ordinary
    assert last_call(hurry=False, ordinary=ordinary, pressing=for_all) == for_all
    assert last_call(hurry=False, ordinary=None, pressing=alone) is None
    assert last_call(hurry=True, ordinary=ordinary, pressing=None) is None
    assert in_peace(for_all, NOW)
    assert not in_peace(for_all, for_all.at + WITHIN)
    assert not in_peace(None, NOW)


def test_many_become_one_and_the_next_ones_wait_for_the_minute() -> None:
    many = SINGLE_MESSAGES + 1
    assert turn(now=NOW, begun=NOW, waiting=many, last=None) == Together()
    last = Ping(at=NOW, merged=True)
    later = NOW + timedelta(seconds=30)
    assert turn(now=later, begun=later, waiting=1, last=last) == NotYet(until=NOW + WITHIN)
    assert turn(now=NOW + WITHIN, begun=later, waiting=1, last=last) == Alone()


@given(
    st.lists(st.floats(min_value=0, max_value=2), min_size=5, max_size=60),
    st.floats(min_value=0, max_value=0.2),
)
def test_a_flood_sends_a_person_one_message_a_minute(offsets: list[float], step: float) -> None:
    """Messages of the same moments, looked at again and again as the outbox does, for three minutes: whatever stands
    in line when more than three wait makes at most one message in any sixty seconds, and nothing is left."""
    # The first one may be sent before the others exist; from then on they are a flood.
    rows = {
        n: NOW + timedelta(seconds=offset * GATHER_CALLS.total_seconds() / 2.1)
        for n, offset in enumerate(offsets)
    }
    last: Ping | None = None
    sent: list[datetime] = []
    now = NOW
    while rows and now < NOW + timedelta(minutes=3):
        for row in sorted(rows):
            begun = rows.get(row)
            if begun is None or begun > now:
                continue
            waiting = [n for n, at in rows.items() if at <= now]
            decided = turn(now=now, begun=begun, waiting=len(waiting), last=last)
            if isinstance(decided, NotYet):
                continue
            sent.append(now)
            last = Ping(at=now, merged=isinstance(decided, Together))
            for told in waiting if isinstance(decided, Together) else [row]:
                del rows[told]
        now += timedelta(seconds=max(step, 0.05))
    assert rows == {}
    assert all(b - a >= WITHIN for a, b in pairwise(sent)), sent
