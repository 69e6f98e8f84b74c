"""Figures of a person's reviews: whose vote it is, how long it took, and when they look like a rubber stamp."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gate.domain.request import Choice
from gate.domain.reviewing import (
    FASTEST_MEDIAN_SEC,
    LEAST_DECISIONS,
    Given,
    Reviewer,
    nearest_rank,
    reviewers,
)

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def given(number: int, seconds: float, *, since: float = 0, person: str = "ana", **changes: Any) -> Given:
    fields = {"version": 1, "choice": Choice.APPROVE, "action_id": f"act_{number}"} | changes
    return Given(person=person, since=at(since), at=at(seconds), **fields)


def pile(count: int, each_sec: float, **changes: Any) -> list[Given]:
    """So many requests that all wait since morning, decided one after the other."""
    return [given(n, 3600 + n * each_sec, **changes) for n in range(count)]


def only(votes: list[Given]) -> Reviewer:
    (found,) = reviewers(votes)
    return found


def test_nobody_is_said_to_be_anything_where_nobody_voted():
    assert reviewers([]) == ()


def test_a_decision_is_timed_from_when_it_waited_for_the_person_or_from_their_last_one():
    votes = [given(1, 40, since=10), given(2, 44, since=5), given(3, 100, since=94)]
    assert only(votes).median_sec == 6
    assert only(votes).p90_sec == 30


def test_going_through_a_pile_of_old_requests_is_timed_by_the_gaps():
    found = only(pile(30, 3))
    assert found.median_sec == 3, "that they waited an hour is no hour of looking"


def test_a_version_of_ones_own_counts_and_is_not_timed():
    found = only([given(1, 0, corrected=True, commented=True), given(2, 50, since=20)])
    assert (found.decisions, found.corrected, found.let_through, found.commented) == (2, 1, 1, 1)
    assert found.median_sec == 30
    assert only([given(1, 0, corrected=True)]).median_sec is None


def test_a_person_who_clicks_counts_whoever_lent_the_authority():
    found = reviewers([given(1, 5, person="bo"), given(1, 9, person="ana"), given(2, 9, person="bo")])
    assert [(each.person, each.decisions) for each in found] == [("bo", 2), ("ana", 1)]


@pytest.mark.parametrize(
    ("votes", "shows"),
    [
        pytest.param(pile(LEAST_DECISIONS, 4), True, id="everything, in four seconds each"),
        pytest.param(pile(LEAST_DECISIONS - 1, 4), False, id="too few to say anything"),
        pytest.param(pile(LEAST_DECISIONS, FASTEST_MEDIAN_SEC), False, id="ten seconds each"),
        pytest.param(pile(LEAST_DECISIONS, FASTEST_MEDIAN_SEC - 1), True, id="just under ten"),
        pytest.param(
            [*pile(19, 4), given(99, 9_000, choice=Choice.REJECT)], False, id="one no in twenty shows a look"
        ),
        pytest.param([*pile(49, 4), given(99, 9_000, choice=Choice.REJECT)], True, id="one no in fifty"),
        pytest.param([*pile(48, 4), given(99, 9_000, choice=Choice.REJECT)], False, id="one in forty-nine"),
        pytest.param(
            [*pile(19, 4), given(99, 9_000, corrected=True)], False, id="a correction shows a look as well"
        ),
        pytest.param(pile(40, 4, corrected=True), False, id="corrects everything"),
    ],
)
def test_the_signal_needs_many_decisions_nearly_all_let_through_and_no_time_for_them(
    votes: list[Given], shows: bool
):
    assert only(votes).rubber_stamp is shows


def test_a_blind_second_review_in_which_they_disagreed_counts_for_both():
    def blind(number: int, person: str, seconds: float, choice: Choice = Choice.APPROVE) -> Given:
        return given(number, seconds, person=person, choice=choice, second_review=True)

    found = reviewers(
        [
            blind(1, "ana", 10),
            blind(1, "bo", 20),
            blind(2, "ana", 30),
            blind(2, "bo", 40, Choice.REJECT),
            blind(3, "ana", 50, Choice.REJECT),  # nobody has to look a second time at what was refused
            blind(4, "ana", 60),  # nobody has yet
            given(5, 70, person="ana"),
            given(5, 80, person="bo", choice=Choice.REJECT),  # no second review, only two people
        ]
    )
    assert {each.person: (each.second_reviews, each.disagreed) for each in found} == {
        "ana": (2, 1),
        "bo": (2, 1),
    }


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([], 0.5, None),
        ([7], 0.95, 7),
        ([1, 2], 0.5, 1),
        ([3, 1, 2], 0.5, 2),
        (list(range(1, 101)), 0.95, 95),
        (list(range(1, 11)), 0.9, 9),
    ],
)
def test_a_percentile_is_a_value_that_occurred(values: list[int], share: float, found: int | None):
    assert nearest_rank(values, share) == found
