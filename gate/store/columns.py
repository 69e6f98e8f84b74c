"""The column types that make both engines keep the same values: instants, keys and text without exceptions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(at: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z, exactly; ValueError for a datetime without a time zone."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return (at - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant, in UTC."""
    return EPOCH + timedelta(microseconds=micros)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as BIGINT microseconds since the epoch: the same order and precision everywhere."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_micros(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_micros(value)


class Words(TypeDecorator[str]):
    """Text that may hold anything Unicode holds, compared and sorted by code point.

    PostgreSQL text cannot hold U+0000, so that is written as backslash zero, and a backslash as two.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(KEY)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.replace("\\", "\\\\").replace("\x00", "\\0")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        if value is None or "\\" not in value:
            return value
        return "\\".join(part.replace("\\0", "\x00") for part in value.split("\\\\"))


KEY = Text().with_variant(Text(collation="C"), "postgresql")
"""Ids and codes of our own making, ASCII; sorted by code point, whatever locale the server was set up with."""

SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit number the engine counts up (SQLite numbers only columns declared INTEGER)."""
