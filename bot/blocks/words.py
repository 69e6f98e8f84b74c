"""Knows the words and symbols for risk, tones, states, spans of time and amounts; leaves where they stand to the
surfaces."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gate.domain.request import Result, Status
from gate.domain.risk import Risk

RISK_SYMBOLS = {Risk.LOW: "🟢", Risk.MEDIUM: "🟡", Risk.HIGH: "🔶", Risk.CRITICAL: "🛑"}
"""Different shapes where it matters, always next to the word: colour alone never says it."""
TONE_WORDS = {
    "emerald": ("✓", "good"),
    "amber": ("△", "care"),
    "red": ("▲", "risk"),
    "blue": ("i", "info"),
    "slate": ("•", "note"),
}
STATE_WORDS = {
    Status.ALLOWED: ("✓", "Allowed"),
    Status.DENIED: ("✗", "Denied"),
    Status.THROTTLED: ("✗", "Throttled"),
    Status.PENDING: ("…", "Waiting"),
    Status.APPROVED: ("✓", "Approved"),
    Status.REJECTED: ("✗", "Rejected"),
    Status.EXPIRED: ("⏰", "Expired"),
    Status.CANCELLED: ("⊘", "Cancelled"),
}
RESULT_WORDS = {
    Result.SUCCEEDED: ("✓", "executed"),
    Result.FAILED: ("✗", "execution failed"),
    Result.UNKNOWN: ("?", "outcome unknown, somebody has to look"),
}
FACT_LABELS = {
    "amount_usd": "Amount (USD)",
    "affected_users": "Affected users",
    "confidence": "Confidence",
    "anomaly_score": "Anomaly score",
    "retry_count": "Retries",
}


def risk_word(risk: Risk) -> str:
    """`🔶 HIGH`."""
    return f"{RISK_SYMBOLS[risk]} {risk.value.upper()}"


def span(seconds: float) -> str:
    """A length of time in at most two units: `41 s`, `28 min`, `1 h 30 min`, `3 d 4 h`."""
    total = max(0, int(seconds))
    if total < 60:
        return f"{total} s"
    minutes, hours, days = total // 60 % 60, total // 3600 % 24, total // 86_400
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def between(start: datetime, end: datetime) -> str:
    """The span from `start` to `end`."""
    return span((end - start) / timedelta(seconds=1))


def utc(at: datetime) -> str:
    """`21 Nov 14:32 UTC`, for where Slack cannot show the reader's own time."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %H:%M} UTC"


def amount(value: float) -> str:
    """`1,400` or `1,400.50`."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 person`, `2 people`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
