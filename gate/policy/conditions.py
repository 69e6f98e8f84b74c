"""The keys of `match` as small tests that answer yes, no, missing or trouble, and say so in words.

How a rule takes `missing` and `trouble` is `matching`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gate.domain.action import Subject, Velocity
from gate.domain.risk import Risk
from gate.domain.verdict import Effective
from gate.policy.durations import say_duration
from gate.policy.facts import EMPTY, Outcome, Scratch, Trouble, say_number
from gate.policy.globs import compile_globs
from gate.policy.grammar import VelocityMatch
from gate.policy.when import Expression
from gate.policy.when_values import ExpressionError, NoSuchValue

Test = Callable[[Effective, Subject, datetime, Scratch], Outcome]
Words = Callable[[Effective, Subject, datetime, Scratch], str]

FUTURE_TOLERANCE = timedelta(minutes=5)
"""A source fetched further in the future than this has a clock nobody can rely on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One key of a match. `words` says what was found: it reads well whatever the outcome was.

    `telling` is false for conditions on where an action belongs (topic, tool, agent): they rarely are why
    it was stopped.
    """

    key: str
    test: Test
    words: Words
    telling: bool = True
    velocities: frozenset[Velocity] = frozenset()
    works: bool = False
    """Whether it evaluates an expression and so needs notes of its own."""
    settle: Callable[[bool], Test] | None = None
    """The same test for where no fact is derived, with a missing value settled to yes or no from the start."""
    spec: str = ""
    """What it asks for, as canonical text: two conditions of one key and spec are the same."""


def named(key: str, globs: list[str], of: Callable[[Subject], tuple[str | None, ...]]) -> Condition:
    """A text of the action against globs; holds where any of its names matches."""
    matches = compile_globs(globs)
    wanted = ", ".join(globs)
    word = key.removesuffix("s")

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        names = of(s)
        if names[0] is None:
            return None
        return any(name is not None and matches(name) for name in names)

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        names = [name for name in of(s) if name is not None]
        if not names:
            return f"{word} is not given (asks for {wanted})"
        return f"{word} {names[0]} {'matches' if test(e, s, now, x) else 'is not in'} {wanted}"

    return Condition(key=key, test=test, words=words, telling=False)


def risk_tags(key: str, tags: list[str], doubted: frozenset[str] = EMPTY) -> Condition:
    """`risk_tags` (any), `risk_tags_all`, `risk_tags_none`.

    `doubted` are tags that have to be derived: the policy derives them itself, and having them here lets an
    action pass, so that claiming them is no proof (threat 1).
    """
    wanted = frozenset(tags)
    listed = ", ".join(tags)
    unproven = wanted & doubted

    def any_of(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        return not wanted.isdisjoint(e.risk_tags)

    def all_of(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        return wanted <= e.risk_tags

    def none_of(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        return wanted.isdisjoint(e.risk_tags)

    def any_proven(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        return not wanted.isdisjoint(e.risk_tags) and bool((wanted & e.risk_tags) - (unproven - x.tags))

    def all_proven(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        return wanted <= e.risk_tags and unproven <= x.tags

    def none_proven(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        return not any_proven(e, s, now, x)

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        common = sorted(wanted & e.risk_tags)
        word = sorted((unproven & e.risk_tags) - x.tags)
        if word and len(word) == len(common):
            return f"tagged {', '.join(word)} by the agent's word only"
        if key == "risk_tags_none":
            return f"tagged {', '.join(common)}" if common else f"not tagged {listed}"
        return f"tagged {', '.join(common)}" if common else f"not tagged {listed}"

    plain = {"risk_tags": any_of, "risk_tags_all": all_of, "risk_tags_none": none_of}
    proven = {"risk_tags": any_proven, "risk_tags_all": all_proven, "risk_tags_none": none_proven}
    test = (proven if unproven else plain)[key]
    return Condition(key=key, test=test, words=words, telling=key != "risk_tags_none")


def risk_at_least(level: Risk) -> Condition:
    """The effective risk; an action nobody rated is taken for medium."""
    enough = tuple(risk for risk in Risk if risk >= level)

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        return e.risk in enough

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        return f"risk {e.risk.value} {'is' if e.risk in enough else 'is not'} at least {level.value}"

    return Condition(key="risk_at_least", test=test, words=words)


def labels(wanted: dict[str, list[str]]) -> Condition:
    """Every label named must be there and match one of its globs."""
    tests = tuple((key, compile_globs(globs), ", ".join(globs)) for key, globs in wanted.items())

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        given = s.proposal.labels
        outcome: Outcome = True
        for key, matches, _ in tests:
            value = given.get(key)
            if value is None:
                outcome = None
            elif not matches(value):
                return False
        return outcome

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        given = s.proposal.labels
        return ", ".join(
            f"label {key} is not given"
            if key not in given
            else f"label {key} {given[key]} {'matches' if matches(given[key]) else 'is not in'} {listed}"
            for key, matches, listed in tests
        )

    return Condition(key="labels", test=test, words=words, telling=False)


def first_time_action(wanted: bool) -> Condition:
    """Whether the gate has never seen this agent do this; its own history, never a claim."""

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        return e.first_time is wanted

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        return "first time this agent does this" if e.first_time else "this agent has done this before"

    return Condition(key="first_time_action", test=test, words=words)


_LACKS: dict[str, Callable[[Subject], bool]] = {
    "sources": lambda s: not s.proposal.context.sources,
    "rationale": lambda s: not (s.proposal.rationale or "").strip(),
    "evidence": lambda s: not s.proposal.evidence,
    "model": lambda s: not s.proposal.context.model_name,
}


def missing(things: list[str]) -> Condition:
    """Holds where the agent sent none of one of these."""
    lacks = tuple((thing, _LACKS[thing]) for thing in things)

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        return any(lacking(s) for _, lacking in lacks)

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        absent = [thing for thing, lacking in lacks if lacking(s)]
        return f"no {', no '.join(absent)} given" if absent else f"{', '.join(things)} given"

    return Condition(key="missing", test=test, words=words)


def conflicting(named_labels: list[str]) -> Condition:
    """Holds where evidence under these labels does not agree; missing where one of them is not there at all."""
    wanted = {label.casefold().strip(): label for label in named_labels}

    def found(s: Subject) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for item in s.proposal.evidence:
            key = item.label.casefold().strip()
            if key in wanted:
                values.setdefault(key, []).append(" ".join(item.value.split()))
        return values

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        values = found(s)
        if len({value.casefold() for given in values.values() for value in given}) > 1:
            return True
        return None if len(values) < len(wanted) else False

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        values = found(s)
        if lacking := [label for key, label in wanted.items() if key not in values]:
            return f"no evidence for {', '.join(lacking)}"
        said = ", ".join(f"{wanted[key]} {' / '.join(given)}" for key, given in values.items())
        return f"{said} {'disagree' if test(e, s, now, x) else 'agree'}"

    return Condition(key="conflicting", test=test, words=words)


def _age(text: str | None, now: datetime) -> timedelta | None:
    if text is None:
        return None
    try:
        fetched = datetime.fromisoformat(text)
    except ValueError:
        return None
    if fetched.tzinfo is None:
        return None
    age = now - fetched.astimezone(UTC)
    return age if age >= -FUTURE_TOLERANCE else None


def stale_after(limit_sec: int) -> Condition:
    """Holds where a source is older than this; missing where there is none, or one does not say its age."""
    limit = timedelta(seconds=limit_sec)

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        ages = [_age(source.fetched_at, now) for source in s.proposal.context.sources]
        if any(age is not None and age > limit for age in ages):
            return True
        return None if not ages or None in ages else False

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        sources = s.proposal.context.sources
        if not sources:
            return "no sources given, so their age is not known"
        for source in sources:
            age = _age(source.fetched_at, now)
            if age is None:
                return f"source {source.id} does not say when it was fetched"
            if age > limit:
                said = say_duration(int(age.total_seconds()))
                return f"source {source.id} is {said} old, over {say_duration(limit_sec)}"
        return f"all sources are younger than {say_duration(limit_sec)}"

    return Condition(key="stale_after", test=test, words=words)


def question(given: VelocityMatch | Any) -> Velocity:
    """The question a velocity or rate asks of the gate's history."""
    return Velocity(per_sec=given.per, key=tuple(sorted(set(given.key))), sum_of=given.sum)


def used(velocity: Velocity, e: Effective, s: Subject) -> float | None:
    """The count or sum with this action in it; None where this action's own amount is not known.

    Raises `KeyError` where the history does not answer.
    """
    before = s.history.velocity[velocity]
    if velocity.sum_of is None:
        return before + 1
    own = getattr(e, velocity.sum_of)
    return None if own is None else before + own


def velocity(given: VelocityMatch) -> Condition:
    """More than `max` within `per`, this action included. A question the history does not answer counts as exceeded."""
    asked = question(given)
    limit = given.max
    what = "actions" if asked.sum_of is None else asked.sum_of
    frame = f"per {' and '.join(asked.key)} in {say_duration(asked.per_sec)}"

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        try:
            count = used(asked, e, s)
        except KeyError:
            return True
        if count is None:
            return None
        if count > limit:
            return True
        return None if asked.sum_of in x.uncertain else False

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        try:
            count = used(asked, e, s)
        except KeyError:
            return f"how many {what} {frame} is not known, which counts as too many"
        if count is None:
            return f"{what} is not known"
        return f"{say_number(count)} {what} {frame} {'>' if count > limit else 'is not above'} {say_number(limit)}"

    return Condition(key="velocity", test=test, words=words, velocities=frozenset({asked}))


def when(expression: Expression) -> Condition:
    """An expression that is true; a field it needs and does not find is missing, anything else trouble."""

    def test(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
        try:
            value = expression(x.variables(e, s))
        except NoSuchValue:
            return None
        except ExpressionError as error:
            return Trouble(f"when '{_short(expression.text)}': {error}")
        if value is True or value is False:
            return value
        return None if value is None else Trouble(f"when '{_short(expression.text)}' is not true or false")

    def words(e: Effective, s: Subject, now: datetime, x: Scratch) -> str:
        text = _short(expression.text)
        try:
            value = expression(x.variables(e, s))
        except ExpressionError as error:
            return f"{text}: {error}"
        if value is True:
            return text
        return f"not {text}" if value is False else f"{text} is not true or false"

    return Condition(key="when", test=test, words=words, works=True)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else line[:119] + "…"
