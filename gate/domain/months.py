"""Months of the record: each is a block of row numbers, so that what is older than some day is one stretch of rows.

Rows of the record are numbered from 1 on. When a month begins the numbers are moved on to that month's block, and never
back: `number >> BLOCK_BITS` is the month a row was written in, counted from January 1970. Rows from before the numbers
were first moved on are in block 0, which is called `first`.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime

BLOCK_BITS = 40
"""A month has room for a million million records, and a number still fits what JSON holds exactly."""
FIRST = "first"
AHEAD = 3
"""How many months to come are prepared for."""
_LABEL = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def month_of(at: datetime) -> int:
    """The month an instant lies in, in UTC, counted from January 1970."""
    there = at.astimezone(UTC)
    return (there.year - 1970) * 12 + there.month - 1


def block_of(number: int) -> int:
    """The block that a row is in, by its number."""
    return number >> BLOCK_BITS


def begins(block: int) -> int:
    """The least number of a block; a new row gets it only after the one before was given out."""
    return block << BLOCK_BITS


def label(block: int) -> str:
    """`2026-11`, or `first`."""
    return FIRST if block == 0 else f"{1970 + block // 12:04d}-{block % 12 + 1:02d}"


def read_label(text: str) -> int:
    """What `label` wrote. Raises ValueError for anything else."""
    if text == FIRST:
        return 0
    found = _LABEL.fullmatch(text)
    if found is None or (block := (int(found[1]) - 1970) * 12 + int(found[2]) - 1) <= 0:
        raise ValueError("a month is written like 2026-11, and the one before all months is called first")
    return block


def kept_until(newest: datetime, months: int) -> datetime:
    """Until when a stretch whose newest record is of that time has to be kept."""
    there = newest.astimezone(UTC)
    year, month = divmod(there.year * 12 + there.month - 1 + months, 12)
    day = min(there.day, calendar.monthrange(year, month + 1)[1])
    return there.replace(year=year, month=month + 1, day=day)
