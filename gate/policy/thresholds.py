"""Conditions on a fact beyond a limit, `amount_usd_above` and its like; other conditions are defined elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from gate.domain.action import Subject
from gate.domain.verdict import Effective
from gate.policy.conditions import Condition, Test
from gate.policy.facts import Outcome, Scratch, say_number

# Tests for where no fact is derived, so that none can be uncertain: (missing is no, missing is yes). One pair for
# each fact, because reading the attribute by a name in a variable costs a third more, for every rule of a set.
_ANOMALY: tuple[Callable[[float], Test], Callable[[float], Test]] = (
    lambda limit: lambda e, s, now, x: (v := e.anomaly_score) is not None and v > limit,
    lambda limit: lambda e, s, now, x: (v := e.anomaly_score) is None or v > limit,
)
_AMOUNT: tuple[Callable[[float], Test], Callable[[float], Test]] = (
    lambda limit: lambda e, s, now, x: (v := e.amount_usd) is not None and v > limit,
    lambda limit: lambda e, s, now, x: (v := e.amount_usd) is None or v > limit,
)
_USERS: tuple[Callable[[float], Test], Callable[[float], Test]] = (
    lambda limit: lambda e, s, now, x: (v := e.affected_users) is not None and v > limit,
    lambda limit: lambda e, s, now, x: (v := e.affected_users) is None or v > limit,
)
_RETRIES: tuple[Callable[[float], Test], Callable[[float], Test]] = (
    lambda limit: lambda e, s, now, x: e.retry_count > limit,
    lambda limit: lambda e, s, now, x: e.retry_count > limit,
)
_CONFIDENCE: tuple[Callable[[float], Test], Callable[[float], Test]] = (
    lambda limit: lambda e, s, now, x: (v := e.confidence) is not None and v < limit,
    lambda limit: lambda e, s, now, x: (v := e.confidence) is None or v < limit,
)
_SETTLED: Mapping[str, tuple[Callable[[float], Test], Callable[[float], Test]]] = {
    "anomaly_score": _ANOMALY,
    "amount_usd": _AMOUNT,
    "affected_users": _USERS,
    "retry_count": _RETRIES,
    "confidence": _CONFIDENCE,
}


def threshold(key: str, fact: str, limit: float, above: bool) -> Condition:
    """A fact beyond a limit. Where deriving the fact failed, a claim within the limit proves nothing."""

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        value = getattr(e, fact)
        if value is None:
            return None
        if value > limit if above else value < limit:
            return True
        return None if fact in x.uncertain else False

    said_limit = say_number(limit)

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        value = getattr(e, fact)
        if value is None:
            return f"{fact} is not known"
        if fact in x.uncertain and test(e, s, now, x) is None:
            return f"{fact} {say_number(value)} is only claimed: deriving it failed"
        if above:
            return f"{fact} {say_number(value)} {'>' if value > limit else 'is not above'} {said_limit}"
        return f"{fact} {say_number(value)} {'below' if value < limit else 'is not below'} {said_limit}"

    return Condition(
        key=key, test=test, words=words, settle=lambda absent: _SETTLED[fact][1 if absent else 0](limit)
    )
