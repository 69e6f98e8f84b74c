"""A whole `match` as one test, and how a rule takes what is missing; single conditions are defined elsewhere.

Conditions answer in Kleene's logic with a fourth value: no beats trouble beats missing beats yes in a
conjunction, yes beats trouble beats missing beats no in a disjunction, and `not` leaves missing and trouble as
they are. So what is unknown stays unknown through `any`, `all` and `not`, up to the rule, which tightens.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from gate.domain.action import Subject, Velocity
from gate.domain.risk import Risk
from gate.domain.verdict import Effective
from gate.policy import conditions
from gate.policy.clock import time_window
from gate.policy.conditions import Condition, Test, Words
from gate.policy.facts import EMPTY, Outcome, Scratch, Trouble
from gate.policy.grammar import Match
from gate.policy.source import Path
from gate.policy.thresholds import threshold
from gate.policy.when import compile_expression
from gate.policy.when_syntax import SyntaxProblem

Report = Callable[[Path, str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledMatch:
    """A match taken apart: what a topic and a tool settle once and for all, and what each action must be asked."""

    topics: tuple[str, ...] | None
    tools: tuple[str, ...] | None
    conditions: tuple[Condition, ...]
    placed: tuple[Condition, ...]
    """The conditions on topic and tool, for those who explain; the index has settled them otherwise."""
    test: Test
    on_missing: str | None
    velocities: frozenset[Velocity]
    works: bool
    risk_floor: str | None
    """The lowest effective risk at which it can hold, where it says so itself."""
    told: tuple[Words, ...]
    """What to tell a reviewer: the conditions on the action, else those on who asks and where; topic and tool stand
    on every card anyway."""


def compile_match(
    match: Match,
    path: Path,
    report: Report,
    within: tuple[Condition, ...] = (),
    doubted: frozenset[str] = EMPTY,
) -> CompiledMatch:
    """One match, inside the conditions of a scope; problems are reported at their paths instead of raised.

    `doubted` are the tags that have to be derived for the match to hold because of them: in a rule that allows,
    those which the policy set derives.
    """
    parts = [*within, *_conditions(match, path, report, _Proof(doubted=doubted))]
    placed = tuple(part for part in parts if part.key in ("topics", "tools"))
    asked = tuple(part for part in parts if part.key not in ("topics", "tools"))
    return CompiledMatch(
        topics=tuple(match.topics) if match.topics is not None else None,
        tools=tuple(match.tools) if match.tools is not None else None,
        conditions=asked,
        placed=placed,
        test=all_of(tuple(part.test for part in asked)),
        on_missing=match.on_missing,
        velocities=frozenset[Velocity]().union(*(part.velocities for part in parts)),
        works=any(part.works for part in parts),
        risk_floor=match.risk_at_least,
        told=tuple(part.words for part in ([part for part in asked if part.telling] or asked)),
    )


def settled(match: CompiledMatch, tightens: bool) -> Test:
    """The quicker test of a match where no fact is derived: missing values are settled from the start.

    In a plain conjunction in which nothing can go wrong but a value be missing, settling each condition by
    itself gives what settling the whole would. Elsewhere this is the test as it is.
    """
    if match.on_missing == "error" or any(
        part.works or part.key in ("any", "all", "not") for part in match.conditions
    ):
        return match.test
    absent = tightens if match.on_missing is None else match.on_missing == "match"
    return all_of(
        tuple(part.settle(absent) if part.settle is not None else part.test for part in match.conditions)
    )


def always(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
    """No condition left to ask."""
    return True


def all_of(tests: tuple[Test, ...]) -> Test:
    """The conjunction."""
    if not tests:
        return always
    if len(tests) == 1:
        return tests[0]

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        worst: Outcome = True
        for part in tests:
            outcome = part(e, s, now, x)
            if outcome is True:
                continue
            if outcome is False:
                return False
            if outcome is not None or worst is True:
                worst = outcome if not isinstance(worst, Trouble) else worst
        return worst

    return test


def any_of(tests: tuple[Test, ...]) -> Test:
    """The disjunction."""

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        best: Outcome = False
        for part in tests:
            outcome = part(e, s, now, x)
            if outcome is True:
                return True
            if outcome is not False and not isinstance(best, Trouble):
                best = outcome
        return best

    return test


def _negated(inner: Test) -> Test:
    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        outcome = inner(e, s, now, x)
        return not outcome if isinstance(outcome, bool) else outcome

    return test


def _taken(inner: Test, on_missing: str | None) -> Test:
    """A nested match with an `on_missing` of its own settles it there."""
    if on_missing is None:
        return inner

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        outcome = inner(e, s, now, x)
        if outcome is not None:
            return outcome
        return Trouble("a value is missing") if on_missing == "error" else on_missing == "match"

    return test


@dataclass(frozen=True, kw_only=True, slots=True)
class _Proof:
    """Which tags have to be derived where having them makes the whole match hold; under a `not`, lacking them does."""

    doubted: frozenset[str]
    negated: bool = False

    def of(self, key: str) -> frozenset[str]:
        """The tags to be derived for one condition on tags."""
        having_helps = (key != "risk_tags_none") is not self.negated
        return self.doubted if having_helps else EMPTY

    def under(self, key: str) -> _Proof:
        """The same inside a nested match."""
        return replace(self, negated=not self.negated) if key == "not" else self


def _nested(key: str, matches: list[Match], path: Path, report: Report, proof: _Proof) -> Condition:
    """`any`, `all` or `not` over nested matches."""
    groups = [
        (
            _conditions(match, (*path, index) if key != "not" else path, report, proof.under(key)),
            match.on_missing,
        )
        for index, match in enumerate(matches)
    ]
    tests = tuple(_taken(all_of(tuple(part.test for part in parts)), taken) for parts, taken in groups)
    test = any_of(tests) if key == "any" else all_of(tests)
    if key == "not":
        test = _negated(tests[0])
    flat = [part for parts, _ in groups for part in parts]

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        told: list[str] = []
        outcomes = [inner(e, s, now, x) for inner in tests]
        holds = any(outcome is True for outcome in outcomes)
        fails = test(e, s, now, x) is False
        for (parts, _), outcome in zip(groups, outcomes, strict=True):
            # What did not contribute is left out: once one of `any` holds, what is unknown makes no difference.
            if key == "any" and (outcome is not True if holds else outcome is False and not fails):
                continue
            told.append(" and ".join(part.words(e, s, now, x) for part in parts) or "anything")
        joined = (" or " if key == "any" else " and ").join(told)
        return joined if key != "not" else f"not the case that {joined}" if test(e, s, now, x) else joined

    return Condition(
        key=key,
        test=test,
        words=words,
        telling=any(part.telling for part in flat),
        velocities=frozenset[Velocity]().union(*(part.velocities for part in flat)),
        works=any(part.works for part in flat),
    )


def _conditions(match: Match, path: Path, report: Report, proof: _Proof) -> list[Condition]:
    """The conditions of one match, cheap ones first: the first that says no ends the work."""
    parts: list[Condition] = []
    asked = match.model_dump(exclude_none=True, by_alias=True)

    def add(part: Condition) -> None:
        parts.append(replace(part, spec=json.dumps(asked[part.key], sort_keys=True)))

    if match.topics is not None:
        add(conditions.named("topics", match.topics, lambda s: (s.proposal.topic,)))
    if match.tools is not None:
        add(conditions.named("tools", match.tools, lambda s: (s.proposal.tool,)))
    if match.environments is not None:
        add(conditions.named("environments", match.environments, lambda s: (s.proposal.environment,)))
    if match.teams is not None:
        add(conditions.named("teams", match.teams, lambda s: (s.agent.team,)))
    if match.agents is not None:
        add(conditions.named("agents", match.agents, lambda s: (s.agent.id, s.agent.name)))
    if match.first_time_action is not None:
        add(conditions.first_time_action(match.first_time_action))
    for key, tags in (
        ("risk_tags", match.risk_tags),
        ("risk_tags_all", match.risk_tags_all),
        ("risk_tags_none", match.risk_tags_none),
    ):
        if tags is not None:
            doubted = proof.of(key)
            add(conditions.risk_tags(key, tags, doubted))
            if not doubted.isdisjoint(tags):  # not what the same words ask for in a rule that tightens
                parts[-1] = replace(parts[-1], spec=f"proven {parts[-1].spec}")
    if match.risk_at_least is not None:
        add(conditions.risk_at_least(Risk(match.risk_at_least)))
    for key, fact, limit, above in (
        ("confidence_below", "confidence", match.confidence_below, False),
        ("anomaly_score_above", "anomaly_score", match.anomaly_score_above, True),
        ("retry_count_above", "retry_count", match.retry_count_above, True),
        ("amount_usd_above", "amount_usd", match.amount_usd_above, True),
        ("affected_users_above", "affected_users", match.affected_users_above, True),
    ):
        if limit is not None:
            add(threshold(key, fact, limit, above))
    if match.labels is not None:
        add(conditions.labels(match.labels))
    if match.missing is not None:
        add(conditions.missing(list(match.missing)))
    if match.conflicting is not None:
        add(conditions.conflicting(match.conflicting))
    if match.stale_after is not None:
        add(conditions.stale_after(match.stale_after))
    if match.velocity is not None:
        add(conditions.velocity(match.velocity))
    if match.time is not None:
        try:
            add(time_window(match.time))
        except ValueError as error:
            report((*path, "time"), f"match.time: {error}")
    if match.any is not None:
        add(_nested("any", match.any, (*path, "any"), report, proof))
    if match.all is not None:
        add(_nested("all", match.all, (*path, "all"), report, proof))
    if match.not_ is not None:
        add(_nested("not", [match.not_], (*path, "not"), report, proof))
    if match.when is not None:
        try:
            add(conditions.when(compile_expression(match.when)))
        except SyntaxProblem as error:
            report((*path, "when"), f"match.when: {error}")
    return parts
