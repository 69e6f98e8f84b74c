"""Constraints the gate checks itself before it lets anything pass; the others travel to the executor untouched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from gate.domain.action import Velocity
from gate.policy.durations import parse_duration, say_duration
from gate.policy.facts import say_number
from gate.policy.hosts import allowed, targets
from gate.policy.json_schemas import Schema, SchemaProblem

CHECKED = ("max_amount_usd", "network_allowlist", "payload_schema", "rate")
"""Constraints held against the action here; breaking one denies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """One broken constraint. `code` is its key, `pointer` where in the payload (empty for the whole)."""

    pointer: str
    code: str
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Constraints made ready to be checked; `read` makes them."""

    max_amount_usd: float | None = None
    network_allowlist: tuple[str, ...] | None = None
    payload_schema: Schema | None = None
    rate: tuple[Velocity, float] | None = None

    @property
    def none(self) -> bool:
        """Whether there is nothing here the gate could check."""
        return (
            self.max_amount_usd is None
            and self.network_allowlist is None
            and self.payload_schema is None
            and self.rate is None
        )

    def broken(
        self,
        payload: Mapping[str, Any],
        *,
        amount_usd: float | None = None,
        must_know_amount: bool = True,
        used: Callable[[Velocity], float | None] | None = None,
    ) -> tuple[Violation, ...]:
        """What an action breaks.

        `amount_usd` is the effective amount, None where nobody knows it: that breaks a limit on it only where
        `must_know_amount`. `used` answers a rate's question with this action included, None where unknown,
        which counts as exceeded.
        """
        found: list[Violation] = []
        if self.max_amount_usd is not None:
            found += self._amount(self.max_amount_usd, amount_usd, must_know_amount)
        if self.network_allowlist is not None:
            listed = list(self.network_allowlist)
            for target in targets(payload):
                if not allowed(target, listed):
                    sentence = (
                        f"{target.host} is not on the network allowlist"
                        if target.host is not None
                        else f"'{target.text[:80]}' cannot be read as a host, so it is not on the network allowlist"
                    )
                    found.append(
                        Violation(pointer=target.pointer, code="network_allowlist", sentence=sentence)
                    )
        if self.payload_schema is not None:
            found += [
                Violation(
                    pointer=m.pointer,
                    code="payload_schema",
                    sentence=f"{m.pointer or 'the payload'} {m.sentence}",
                )
                for m in self.payload_schema.mismatches(dict(payload))
            ]
        if self.rate is not None:
            found += self._rate(self.rate, used)
        return tuple(found)

    @staticmethod
    def _amount(limit: float, amount: float | None, must_know: bool) -> list[Violation]:
        if amount is None:
            sentence = f"max_amount_usd {say_number(limit)} cannot be checked: the amount is not known"
            return [Violation(pointer="", code="max_amount_usd", sentence=sentence)] if must_know else []
        if amount <= limit:
            return []
        sentence = f"amount_usd {say_number(amount)} is over max_amount_usd {say_number(limit)}"
        return [Violation(pointer="", code="max_amount_usd", sentence=sentence)]

    @staticmethod
    def _rate(
        rate: tuple[Velocity, float], used: Callable[[Velocity], float | None] | None
    ) -> list[Violation]:
        asked, limit = rate
        count = used(asked) if used is not None else None
        if count is not None and count <= limit:
            return []
        what = asked.sum_of or "actions"
        per = f"per {' and '.join(asked.key)} in {say_duration(asked.per_sec)}"
        said = (
            f"{say_number(count)} {what} {per}, over {say_number(limit)}"
            if count is not None
            else (f"how many {what} {per} is not known")
        )
        return [Violation(pointer="", code="rate", sentence=f"rate: {said}")]


def read(constraints: Mapping[str, Any]) -> Limits:
    """The checkable part of constraints as they stand in a verdict. Raises `SchemaProblem`, `ValueError`."""
    rate = cast("dict[str, Any] | None", constraints.get("rate"))
    key: Any = (rate.get("key") if rate is not None else None) or ["agent"]
    schema = constraints.get("payload_schema")
    allowlist = constraints.get("network_allowlist")
    per: Any = rate["per"] if rate is not None else None
    return Limits(
        max_amount_usd=constraints.get("max_amount_usd"),
        network_allowlist=_listed(allowlist) if allowlist is not None else None,
        payload_schema=Schema(schema) if schema is not None else None,
        rate=(
            Velocity(
                per_sec=per if isinstance(per, int) else parse_duration(per),
                key=(key,) if isinstance(key, str) else tuple(sorted(set(cast("list[str]", key)))),
                sum_of=rate.get("sum"),
            ),
            float(rate["max"]),
        )
        if rate is not None
        else None,
    )


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(cast("list[str]", value))


def check(
    constraints: Mapping[str, Any],
    payload: Mapping[str, Any],
    *,
    amount_usd: float | None = None,
    must_know_amount: bool = True,
    used: Callable[[Velocity], float | None] | None = None,
) -> tuple[Violation, ...]:
    """What a payload breaks of these constraints; an unusable constraint is itself a violation. Never raises."""
    try:
        limits = read(constraints)
    except (SchemaProblem, ValueError, TypeError, KeyError) as error:
        return (
            Violation(pointer="", code="constraints", sentence=f"the constraints cannot be checked: {error}"),
        )
    return limits.broken(payload, amount_usd=amount_usd, must_know_amount=must_know_amount, used=used)


def tightened(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two sets of constraints as one that keeps both.

    Numbers take the smaller, lists of what is allowed their intersection, `redact` the union, flags hold where
    either does. Where two schemas, rates or unknown keys differ, the first stands and the gate checks both.
    """
    merged = dict(first)
    for key, value in second.items():
        if key not in merged:
            merged[key] = value
            continue
        own = merged[key]
        if key.startswith("max_") and _number(own) and _number(value):
            merged[key] = min(own, value)
        elif key in ("network_allowlist", "allowed_tools"):
            merged[key] = [item for item in own if item in value]
        elif key == "redact":
            merged[key] = [*own, *(item for item in value if item not in own)]
        elif key == "read_only":
            merged[key] = own or value
    return merged


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
