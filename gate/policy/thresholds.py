"""Conditions on a fact beyond a limit, `amount_usd_above` and its like; other conditions are defined elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from gate.domain.action import Subject
from gate.domain.verdict import Effective
from gate.policy.conditions import Condition, Test
from gate.policy.facts import Outcome, Scratch, say_number

# One closure for each fact: reading the attribute by name instead would cost a third more, for every rule.


def _anomaly_score_above(limit: float, absent: Outcome) -> Test:
    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        value = e.anomaly_score
        if value is None:
            return absent
        if value > limit:
            return True
        return absent if x.uncertain and "anomaly_score" in x.uncertain else False

    return test


def _amount_usd_above(limit: float, absent: Outcome) -> Test:
    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        value = e.amount_usd
        if value is None:
            return absent
        if value > limit:
            return True
        return absent if x.uncertain and "amount_usd" in x.uncertain else False

    return test


def _affected_users_above(limit: float, absent: Outcome) -> Test:
    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        value = e.affected_users
        if value is None:
            return absent
        if value > limit:
            return True
        return absent if x.uncertain and "affected_users" in x.uncertain else False

    return test


def _retry_count_above(limit: float, absent: Outcome) -> Test:
    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        if e.retry_count > limit:
            return True
        return absent if x.uncertain and "retry_count" in x.uncertain else False

    return test


def _confidence_below(limit: float, absent: Outcome) -> Test:
    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        value = e.confidence
        if value is None:
            return absent
        if value < limit:
            return True
        return absent if x.uncertain and "confidence" in x.uncertain else False

    return test


_above: Mapping[str, Callable[[float, Outcome], Test]] = {
    "anomaly_score": _anomaly_score_above,
    "amount_usd": _amount_usd_above,
    "affected_users": _affected_users_above,
    "retry_count": _retry_count_above,
}
_below: Mapping[str, Callable[[float, Outcome], Test]] = {"confidence": _confidence_below}


def threshold(key: str, fact: str, limit: float, above: bool) -> Condition:
    """A fact beyond a limit. Where deriving the fact failed, a claim within the limit proves nothing."""

    def build(absent: Outcome) -> Test:
        return (_above if above else _below)[fact](limit, absent)

    test = build(None)
    said_limit = say_number(limit)

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        value = getattr(e, fact)
        if value is None:
            return f"{fact} is not known"
        if x.uncertain and fact in x.uncertain and test(e, s, now, x) is None:
            return f"{fact} {say_number(value)} is only claimed: deriving it failed"
        if above:
            return f"{fact} {say_number(value)} {'>' if value > limit else 'is not above'} {said_limit}"
        return f"{fact} {say_number(value)} {'below' if value < limit else 'is not below'} {said_limit}"

    return Condition(key=key, test=test, words=words, settle=build)
