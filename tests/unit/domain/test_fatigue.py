"""When approvals in a row make a break, and what is said to whoever goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.care import SILENT, Care
from gate.domain.fatigue import cooling_until, resting
from gate.domain.refusal import Refused
from gate.domain.voting import approve
from tests.fakes.records import NOW, directory, later, pending

THREE = Care(cooldown_after=3, cooldown_sec=600)


def newest_first(*seconds: float) -> list:
    return sorted((later(s) for s in seconds), reverse=True)


@pytest.mark.parametrize(
    ("approvals", "until"),
    [
        pytest.param((), None, id="none"),
        pytest.param((0, 60), None, id="too few"),
        pytest.param((0, 60, 120), 720, id="enough in a row"),
        pytest.param((0, 60, 659), 1259, id="a pause just too short"),
        pytest.param((0, 60, 660), None, id="a pause as long as the break"),
        pytest.param((0, 600, 660, 720), 1320, id="enough since the last pause"),
        pytest.param((0, 599, 1198), 1798, id="slowly, but without a pause"),
    ],
)
def test_a_break_is_made_by_approvals_without_one(approvals, until) -> None:
    assert cooling_until(newest_first(*approvals), THREE) == (None if until is None else later(until))


def test_without_a_rule_nobody_needs_a_break() -> None:
    assert cooling_until(newest_first(*range(100)), SILENT) is None


@given(st.lists(st.integers(0, 4_000), max_size=12, unique=True), st.integers(0, 5_000))
def test_after_a_break_the_count_begins_anew(seconds: list[int], now: int) -> None:
    """Against an oracle that walks through the approvals one by one."""
    streak, last, until = 0, None, None
    for second in sorted(seconds):
        streak = streak + 1 if last is not None and second - last < 600 else 1
        last = second
        until = second + 600 if streak >= 3 else None
    found = cooling_until(newest_first(*seconds), THREE)
    assert found == (None if until is None else later(until))
    refused = resting(newest_first(*seconds), THREE, later(now))
    assert (refused is not None) == (until is not None and now < until)


def test_the_sentence_names_the_end_and_never_a_moment_too_early() -> None:
    refused = resting(newest_first(0, 60, 121), THREE, later(130))
    assert isinstance(refused, Refused)
    assert refused.code == "cooldown"
    assert "approved 3 requests" in refused.sentence
    assert "until 09:13 UTC" in refused.sentence  # 09:12:01
    assert "still reject" in refused.sentence


def test_a_break_over_midnight_names_the_day() -> None:
    night = NOW + timedelta(hours=14, minutes=58)
    refused = resting([night, night - timedelta(minutes=1), night - timedelta(minutes=2)], THREE, night)
    assert refused is not None
    assert "2026-11-03 at 00:08 UTC" in refused.sentence


def test_whoever_needs_a_break_does_not_approve() -> None:
    tired = Refused(code="cooldown", sentence="Pause.")
    result = approve(
        pending(),
        person="ana",
        version=1,
        comment=None,
        directory=directory(),
        now=later(60),
        resting=tired,
    )
    assert result is tired
