"""One loaded policy set: what it is made of, its digest, and who in it can speak about a topic and tool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Generic, TypeVar

from gate.domain.action import Subject, Velocity
from gate.domain.care import Care
from gate.domain.completeness import EvidenceContract
from gate.domain.emergency import BreakGlass
from gate.domain.people import Directory
from gate.domain.verdict import Effective
from gate.policy.conditions import Test
from gate.policy.documents import Document
from gate.policy.facts import Outcome, Scratch
from gate.policy.globs import GlobIndex, compile_globs
from gate.policy.matching import CompiledMatch, all_of
from gate.policy.rulings import CompiledClassify, CompiledRule, View

VIEWS_KEPT = 4_096
"""How many pairs of topic and tool keep their candidates ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledDocument:
    """One document, compiled."""

    name: str
    scope_topics: tuple[str, ...] | None
    classify: tuple[CompiledClassify, ...]
    guardrails: tuple[CompiledRule, ...]
    rules: tuple[CompiledRule, ...]
    default: CompiledRule | None


def _tool_missing(e: Effective, s: Subject, now: datetime, x: Scratch) -> Outcome:
    """The answer of a condition on tools where the action names none."""
    return None


class PolicySet:
    """An immutable snapshot. Two sets of the same documents have the same digest, in whatever order they came."""

    def __init__(
        self,
        *,
        version: str,
        digest: str,
        documents: tuple[Document, ...],
        compiled: tuple[CompiledDocument, ...],
        fallback: CompiledRule,
        directory: Directory,
        care: Care | None = None,
        break_glass: BreakGlass | None = None,
        contract: EvidenceContract | None = None,
    ) -> None:
        self.version = version
        self.digest = digest
        self.documents = documents
        self.compiled = compiled
        self.fallback = fallback
        self.directory = directory
        self.care = care or Care()
        self.break_glass = break_glass
        self.contract = contract
        self._index = _Index(compiled)
        self._pairs: dict[str, tuple[Test, CompiledRule]] = {}
        self.view: Callable[[str, str | None], View] = lru_cache(maxsize=VIEWS_KEPT)(self._view)

    @property
    def rules(self) -> tuple[CompiledRule, ...]:
        """Every guardrail and rule, document by document."""
        return tuple(rule for document in self.compiled for rule in (*document.guardrails, *document.rules))

    def _pair(self, test: Test, rule: CompiledRule) -> tuple[Test, CompiledRule]:
        """A test with its rule. Views share pairs: the fewer there are, the more of them a processor keeps near."""
        if test is not rule.settled:
            return test, rule
        return self._pairs.setdefault(rule.id, (test, rule))

    def _view(self, topic: str, tool: str | None) -> View:
        near = [
            (document, here)
            for document, here in zip(self.compiled, self._index.find(topic, tool), strict=True)
            if document.scope_topics is None or compile_globs(document.scope_topics)(topic)
        ]
        classify = [
            (test, entry)
            for _, here in near
            for entry in here.classify
            if (test := _placed(entry.match, entry.match.test, topic, tool)) is not None
        ]
        certain = not any(entry.facts for _, entry in classify)

        def asked(rules: tuple[CompiledRule, ...]) -> tuple[tuple[Test, CompiledRule], ...]:
            return tuple(
                self._pair(test, rule)
                for rule in rules
                if (test := _placed(rule.match, rule.settled if certain else rule.match.test, topic, tool))
                is not None
            )

        guardrails = [pair for _, here in near for pair in asked(here.guardrails)]
        rules = [mine for _, here in near if (mine := asked(here.rules))]
        defaults = [
            (document.default.match.test, document.default) for document, _ in near if document.default
        ]
        speaking = [*(rule for _, rule in guardrails), *(rule for mine in rules for _, rule in mine)]
        matches = [*(entry.match for _, entry in classify), *(rule.match for rule in speaking)]
        speaking += [rule for _, rule in defaults]
        rates = {rule.limits.rate[0] for rule in speaking if rule.limits.rate is not None}
        return View(
            classify=tuple(classify),
            guardrails=tuple(guardrails),
            rules=tuple(rules),
            defaults=tuple(sorted(defaults, key=lambda pair: -pair[1].strictness)),
            fallback=self.fallback,
            velocities=frozenset[Velocity](rates).union(*(match.velocities for match in matches)),
            notes=bool(classify)
            or any(match.works for match in matches)
            or any(rule.ask is not None and bool(rule.ask.evidence) for rule in speaking),
        )


def _placed(match: CompiledMatch, test: Test, topic: str, tool: str | None) -> Test | None:
    """What is left to ask once topic and tool are known; None where they rule the match out."""
    if match.topics is not None and not compile_globs(match.topics)(topic):
        return None
    if match.tools is None:
        return test
    if tool is None:
        return all_of((_tool_missing, match.test))
    return test if compile_globs(match.tools)(tool) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Near:
    classify: tuple[CompiledClassify, ...]
    guardrails: tuple[CompiledRule, ...]
    rules: tuple[CompiledRule, ...]


class _Index:
    """Narrows all entries of all documents to those whose topics, or else tools, can match."""

    def __init__(self, compiled: tuple[CompiledDocument, ...]) -> None:
        self._parts = [
            (_Shelf(document.classify), _Shelf(document.guardrails), _Shelf(document.rules))
            for document in compiled
        ]

    def find(self, topic: str, tool: str | None) -> list[_Near]:
        return [
            _Near(
                classify=tuple(classify.find(topic, tool)),
                guardrails=tuple(guardrails.find(topic, tool)),
                rules=tuple(rules.find(topic, tool)),
            )
            for classify, guardrails, rules in self._parts
        ]


E = TypeVar("E", CompiledRule, CompiledClassify)


class _Shelf(Generic[E]):
    """Entries in order, found by topic, by tool where they name no topic, or always where they name neither."""

    def __init__(self, entries: tuple[E, ...]) -> None:
        self._entries = entries
        self._topics, self._tools = GlobIndex(), GlobIndex()
        self._by_tool: set[int] = set()
        self._always: set[int] = set()
        for number, entry in enumerate(entries):
            if entry.match.topics is not None:
                self._topics.add(number, entry.match.topics)
            elif entry.match.tools is not None:
                self._tools.add(number, entry.match.tools)
                self._by_tool.add(number)
            else:
                self._always.add(number)

    def find(self, topic: str, tool: str | None) -> list[E]:
        found = self._topics.find(topic) | self._always
        found |= self._by_tool if tool is None else self._tools.find(tool)
        return [self._entries[number] for number in sorted(found)]
