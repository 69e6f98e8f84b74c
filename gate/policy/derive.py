"""The facts a decision rests on: an agent's claims merged with what policy and history derive, to the stricter side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

from gate.domain.action import Subject
from gate.domain.risk import Risk, higher
from gate.domain.verdict import Editable, Effective
from gate.policy.conditions import Test
from gate.policy.facts import EMPTY, Scratch
from gate.policy.rulings import CompiledClassify
from gate.policy.when import is_finite_number
from gate.policy.when_values import ExpressionError, to_string

_new = object.__new__
_FROM_HISTORY = frozenset({"first_time", "retry_count"})
_FIRST_TIME = frozenset({"first_time"})
_MEDIUM = Risk.MEDIUM


class _Filling:
    """An `Effective` in the making: filled like any object, then turned into the frozen type it has the fields of."""

    risk: Risk
    risk_tags: frozenset[str]
    confidence: float | None
    anomaly_score: float | None
    amount_usd: float | None
    affected_users: int | None
    retry_count: int
    first_time: bool
    verified: frozenset[str]


def claimed(s: Subject) -> Effective:
    """The claims and the gate's own history, before anything is derived.

    Runs once for every decision. The generated initialiser of a frozen dataclass sets each field by a call and
    takes five times as long as turning a filled object into one; a test holds the two to the same fields.
    """
    claims, history = s.proposal.claims, s.history
    e: Any = _new(_Filling)
    e.risk = claims.risk or _MEDIUM
    e.risk_tags = claims.risk_tags
    e.confidence = claims.confidence
    e.anomaly_score = claims.anomaly_score
    e.amount_usd = claims.amount_usd
    e.affected_users = claims.affected_users
    retries, counted = claims.retry_count, history.retry_count
    if retries is None or counted >= retries:
        e.retry_count = counted
        e.first_time = history.first_time
        e.verified = _FROM_HISTORY
    else:
        e.retry_count = retries
        e.first_time = history.first_time
        e.verified = _FIRST_TIME
    e.__class__ = Effective
    return e


def stated_risk(e: Effective, s: Subject) -> Risk | None:
    """The effective risk where the agent or the policy stated one; None where medium only stands in."""
    return e.risk if s.proposal.claims.risk is not None or "risk" in e.verified else None


def with_risk(e: Effective, s: Subject, level: Risk) -> Effective:
    """The facts with a rule's own risk in them: the higher of both, verified where it is the rule's."""
    risk = higher(stated_risk(e, s), level) or level
    raised = _new(Effective)
    raised.__dict__.update(e.__dict__)
    raised.__dict__["risk"] = risk
    if risk is level:
        raised.__dict__["verified"] = e.verified | {"risk"}
    return raised


class Derived:
    """What the matching entries of `classify` say together; facts can only be raised."""

    __slots__ = ("confidence", "editable", "mask", "maxima", "risk", "subjects", "tags", "uncertain")

    def __init__(self) -> None:
        self.risk: Risk | None = None
        self.tags: frozenset[str] = EMPTY
        self.confidence: float | None = None
        self.maxima: dict[str, float] = {}
        self.uncertain: set[str] = set()
        self.editable: Editable | None = None
        self.mask: tuple[str, ...] = ()
        self.subjects: tuple[str, ...] = ()

    def take(self, entry: CompiledClassify, e: Effective, s: Subject, x: Scratch) -> None:
        """Add what one entry derives. A fact whose expression fails is uncertain, whatever is claimed."""
        self.risk = higher(self.risk, entry.risk)
        self.mask += entry.mask
        self.tags |= entry.risk_tags
        for name, expression in entry.facts:
            try:
                value = expression(x.variables(e, s))
            except ExpressionError:
                self.uncertain.add(name)
                continue
            if not is_finite_number(value) or value < 0:
                # Less than nothing would pass below every limit, and make room in sums over a window.
                self.uncertain.add(name)
            elif name == "confidence":
                self.confidence = (
                    float(value) if self.confidence is None else min(self.confidence, float(value))
                )
            else:
                self.maxima[name] = max(self.maxima.get(name, -math.inf), float(value))
        if entry.subject is not None:
            with suppress(ExpressionError):
                self.subjects += _named(entry.subject(x.variables(e, s)))
        if entry.editable is not None:
            self.editable = (
                entry.editable if self.editable is None else narrower(self.editable, entry.editable)
            )


def _named(value: Any) -> tuple[str, ...]:
    """The data subjects that an expression gives: a text or a number, or a list of them; anything else names nobody."""
    many = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else (value,)
    known = [each for each in many if isinstance(each, str | int | float) and not isinstance(each, bool)]
    return tuple(text for each in known if (text := to_string(each)))


def narrower(first: Editable, second: Editable) -> Editable:
    """What both let a reviewer change; of two schemas the first stands where only one can."""
    if first.paths is None or second.paths is None:
        paths = second.paths if first.paths is None else first.paths
    else:
        paths = tuple(
            dict.fromkeys(
                longer
                for one in first.paths
                for other in second.paths
                for longer in (max(one, other, key=len),)
                if longer == one == other or longer.startswith(min(one, other, key=len) + "/")
            )
        )
    if first.schema is not None and second.schema is not None:
        return Editable(paths=paths, schema={"allOf": [dict(first.schema), dict(second.schema)]})
    return Editable(paths=paths, schema=first.schema if first.schema is not None else second.schema)


def effective(
    entries: tuple[tuple[Test, CompiledClassify], ...], s: Subject, now: datetime, x: Scratch
) -> Effective:
    """Claims, history and every matching entry of `classify` merged. `x` learns which tags were derived and what
    stayed uncertain.

    Entries are judged on the claims alone, so their order does not matter.
    """
    e = claimed(s)
    if not entries:
        return e
    derived: Derived | None = None
    for test, entry in entries:
        outcome = test(e, s, now, x)
        if outcome is False or (outcome is not True and not entry.holds(outcome)):
            continue
        if derived is None:
            derived = Derived()
        derived.take(entry, e, s, x)
    if derived is None:
        return e
    x.tags = derived.tags
    x.uncertain = frozenset(derived.uncertain)
    x.editable = derived.editable
    x.mask = tuple(dict.fromkeys(derived.mask)) or None
    x.subjects = tuple(dict.fromkeys(derived.subjects)) or None
    return _merged(e, s, derived)


def _merged(e: Effective, s: Subject, derived: Derived) -> Effective:
    merged = _new(Effective)
    values = merged.__dict__
    values.update(e.__dict__)
    verified = set(e.verified)
    if derived.risk is not None:
        claim = s.proposal.claims.risk
        values["risk"] = higher(claim, derived.risk)
        if claim is None or claim <= derived.risk:
            verified.add("risk")
    if derived.tags:
        values["risk_tags"] = e.risk_tags | derived.tags
        if e.risk_tags <= derived.tags:
            verified.add("risk_tags")
    for name, value in derived.maxima.items():
        own = getattr(e, name)
        if name in derived.uncertain:
            values[name] = value if own is None else max(own, value)
            continue
        if own is None or value >= own:
            values[name] = math.ceil(value) if name in ("affected_users", "retry_count") else value
            verified.add(name)
    if derived.confidence is not None:
        own = e.confidence
        if own is None or derived.confidence <= own:
            values["confidence"] = derived.confidence
            if "confidence" not in derived.uncertain:
                verified.add("confidence")
    # A claim that stands only because deriving the fact failed must not pass for known.
    values["verified"] = frozenset(verified - derived.uncertain)
    return merged
