"""Compiled rules and classify entries: a test, an answer and its parts; the order of judging is `evaluate`'s."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gate.domain.action import Velocity
from gate.domain.risk import Risk
from gate.domain.verdict import (
    ApprovalPlan,
    Decision,
    Editable,
    Effective,
    GrantTerms,
    Remediation,
)
from gate.policy.conditions import Test
from gate.policy.constraints import Limits
from gate.policy.facts import Outcome, Trouble
from gate.policy.matching import CompiledMatch
from gate.policy.plans import Ask
from gate.policy.routing import Router
from gate.policy.when import Expression

DEFAULT = "default"
"""The rule id in a verdict where no rule matched."""

PERMISSIVE = (Decision.ALLOW, Decision.ALLOW_WITH_CONSTRAINTS)
RISKS = tuple(Risk)
PLANS_KEPT = 64


class RuleTrouble(Exception):
    """A rule that could not be evaluated and whose author asked for an error; the verdict names it."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CompiledRule:
    """A rule, guardrail or default. `fields` are those of its verdict that no action changes."""

    id: str
    document: str
    line: int
    guardrail: bool
    decision: Decision
    reason: str
    match: CompiledMatch
    settled: Test
    """What is asked of each action once topic and tool are known, where no fact is derived for it."""
    risk: Risk | None
    strictness: int
    tightens: bool
    fields: Mapping[str, Any]
    constraints: Mapping[str, Any]
    limits: Limits
    plain: bool
    """Alone it settles everything: no constraint to check, no risk or evidence of its own. The quick case."""
    ask: Ask | None = None
    table: Mapping[str, str] = field(default_factory=dict[str, str])
    routed: str | None = None
    router: Router | None = None
    """Finds the group to ask where the rule leaves that open; None where it names people, groups or a route."""
    plans: dict[tuple[int, str], ApprovalPlan] = field(default_factory=dict[tuple[int, str], ApprovalPlan])

    def holds(self, outcome: Outcome) -> bool:
        """Whether the rule takes an outcome for a match. Raises `RuleTrouble` where its author wants an error."""
        if outcome is True or outcome is False:
            return outcome
        if outcome is None:
            if self.match.on_missing == "error":
                raise RuleTrouble(self.id, "a value it needs is missing")
            return self.tightens if self.match.on_missing is None else self.match.on_missing == "match"
        return self.tightens

    def plan(self, e: Effective, editable: Editable | None) -> ApprovalPlan:
        """The plan for an action of these effective facts; kept for the next one like it."""
        assert self.ask is not None  # noqa: S101 - only rules that require approval are asked for one
        routed = self.router(e) if self.router is not None else self.routed or ""
        rank = RISKS.index(e.risk)
        if editable is not None:
            return self.ask.plan(e.risk, routed, editable)
        plan = self.plans.get((rank, routed))
        if plan is None:
            plan = self.ask.plan(e.risk, routed)
            if len(self.plans) < PLANS_KEPT:
                self.plans[(rank, routed)] = plan
        return plan


def verdict_fields(
    *,
    id: str,
    decision: Decision,
    reason: str,
    version: str,
    digest: str,
    constraints: Mapping[str, Any],
    remediations: tuple[Remediation, ...],
    grant: GrantTerms,
    retry_after: int | None,
) -> dict[str, Any]:
    """Every field of a `Verdict` with what a rule settles for all actions; the keys are the type's fields."""
    return {
        "decision": decision,
        "reason": reason,
        "rule": id,
        "policy_version": version,
        "policy_digest": digest,
        "trigger": "",
        "effective": None,
        "constraints": constraints,
        "remediations": remediations,
        "plan": None,
        "grant": grant,
        "retry_after_sec": retry_after,
        "mask": None,
        "subjects": None,
    }


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CompiledClassify:
    """What an action is where this matches. A missing value is no match: a class is given for what is known."""

    document: str
    line: int
    number: int
    match: CompiledMatch
    risk: Risk | None
    risk_tags: frozenset[str]
    facts: tuple[tuple[str, Expression], ...]
    editable: Editable | None
    mask: tuple[str, ...] = ()
    subject: Expression | None = None

    def holds(self, outcome: Outcome) -> bool:
        """Whether the entry applies; trouble applies it, since a class can only raise."""
        if outcome is None:
            if self.match.on_missing == "error":
                raise RuleTrouble(self.name, "a value it needs is missing")
            return self.match.on_missing == "match"
        return isinstance(outcome, Trouble) or outcome

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"classify[{self.number}] of {self.document}"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """What can speak about one topic and tool, in the order of judging."""

    classify: tuple[tuple[Test, CompiledClassify], ...]
    guardrails: tuple[tuple[Test, CompiledRule], ...]
    rules: tuple[tuple[tuple[Test, CompiledRule], ...], ...]
    defaults: tuple[tuple[Test, CompiledRule], ...]
    fallback: CompiledRule
    velocities: frozenset[Velocity]
    notes: bool
    """Whether an evaluation needs notes of its own (expressions, derived facts)."""


Speaks = Callable[[str], bool]
