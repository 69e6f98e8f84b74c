"""Months of the record as blocks of numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gate.domain.months import begins, block_of, kept_until, label, month_of, read_label


def test_a_month_is_told_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert label(month_of(datetime(2026, 11, 1, 3, tzinfo=tokyo))) == "2026-10"
    assert label(month_of(datetime(2026, 11, 1, 9, tzinfo=tokyo))) == "2026-11"


@pytest.mark.parametrize("text", ["2026-11", "2026-01", "1970-02", "9999-12", "first"])
def test_a_label_is_read_back(text: str) -> None:
    assert label(read_label(text)) == text


@pytest.mark.parametrize("text", ["", "2026-13", "2026-1", "1970-01", "1969-12", "2026-11 ", "First", "last"])
def test_anything_else_is_no_month(text: str) -> None:
    with pytest.raises(ValueError, match="2026-11"):
        read_label(text)


def test_numbers_of_a_month_are_one_stretch_and_exact_in_json() -> None:
    december = read_label("2026-12")
    assert block_of(begins(december)) == block_of(begins(december + 1) - 1) == december
    assert block_of(1) == 0
    assert begins(read_label("2600-01")) < 2**53


@pytest.mark.parametrize(
    ("newest", "months", "until"),
    [
        ((2026, 11, 30), 84, (2033, 11, 30)),
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2024, 2, 29), 12, (2025, 2, 28)),
        ((2026, 12, 31), 1, (2027, 1, 31)),
    ],
)
def test_a_stretch_is_kept_from_its_newest_record_on(
    newest: tuple[int, int, int], months: int, until: tuple[int, int, int]
) -> None:
    at = datetime(*newest, 12, tzinfo=UTC)
    assert kept_until(at, months) == datetime(*until, 12, tzinfo=UTC)
