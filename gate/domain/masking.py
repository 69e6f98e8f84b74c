"""What policy masks on everything people are shown: which places of a payload, and where else their values stand; who
may see them all the same is the use-case's business.

Agents and executors are given the whole payload, and whatever is decided is decided on it. This is about showing only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from gate.domain.action import Context, Evidence, Json, Proposal
from gate.domain.payload_paths import ANY, below, is_named, path_parts, standing_at
from gate.domain.request import ActionRecord, Version
from gate.domain.verdict import OUTSIDE, QUOTING, ApprovalPlan, Verdict

MARK = "[masked]"
"""What stands in place of a value, in payloads and in texts."""

SHORTEST = 6
"""Masked values of so many characters are found in texts; shorter ones would take ordinary words with them."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Masked:
    """Stands in a payload for a value that is not shown; it knows the value, so that an edit can leave it alone. `key`
    is the member's name where that is hidden, too. It equals another one of the same value."""

    __slots__ = ("_value", "key")

    def __init__(self, value: Json, key: str | None = None) -> None:
        self._value = value
        self.key = key

    def opened(self) -> Json:
        """The value."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masked) and self.key == other.key and _same(self._value, other._value)

    def __hash__(self) -> int:
        return hash(MARK)

    def __str__(self) -> str:
        return MARK

    __repr__ = __str__


def _same(one: Json, other: Json) -> bool:
    return type(one) is type(other) and json.dumps(one) == json.dumps(other)


def masked(record: ActionRecord) -> ActionRecord:
    """The record as it is shown: its payloads with `Masked` in the places policy names, and without their values
    wherever else they stand word by word. The same object where policy masks nothing."""
    cover = _cover(record)
    return record if cover is None else cover.record(record)


def masked_text(record: ActionRecord, text: str) -> str:
    """A text about the action, such as the reason of a verdict, without the values that are masked in it."""
    cover = _cover(record)
    return text if cover is None else cover.reason(text)


def is_masked(record: ActionRecord, pointer: str) -> bool:
    """Whether what stands at a JSON pointer of the payload is masked."""
    return is_named(record.verdict.mask or (), pointer)


def unmasked(value: Json) -> Json:
    """A payload with every masked value in its place again."""
    if isinstance(value, Masked):
        return value.opened()
    if isinstance(value, dict):
        found = cast("dict[str, Json]", value)
        return {
            (held.key if isinstance(held, Masked) and held.key is not None else key): unmasked(held)
            for key, held in found.items()
        }
    return [unmasked(item) for item in cast("list[Json]", value)] if isinstance(value, list) else value


def spelled(value: Json) -> Json:
    """A payload as plain JSON for those who write it out: the mark is a text like any other then."""
    if isinstance(value, Masked):
        return MARK
    if isinstance(value, Mapping):
        return {key: spelled(held) for key, held in cast("Mapping[str, Json]", value).items()}
    return [spelled(item) for item in cast("list[Json]", value)] if isinstance(value, list) else value


def places(value: Json) -> int:
    """How many values of a payload are masked."""
    if isinstance(value, Masked):
        return 1
    if isinstance(value, Mapping):
        return sum(places(held) for held in cast("Mapping[str, Json]", value).values())
    return sum(places(item) for item in cast("list[Json]", value)) if isinstance(value, list) else 0


def _cover(record: ActionRecord) -> _Cover | None:
    paths = record.verdict.mask
    return _Cover([path_parts(path) for path in paths], record.versions) if paths else None


class _Cover:
    """What is masked in one action: its places, and the texts that stand there in any version."""

    def __init__(self, paths: Sequence[tuple[str, ...]], versions: Iterable[Version]) -> None:
        self._paths = [path or (ANY,) for path in paths]
        found: set[str] = set()
        for version in versions:
            for path in self._paths:
                for value in standing_at(version.payload, path):
                    found.update(_texts(value))
        # The longest first, so that none is left over beside a part of itself.
        self._secrets = sorted(found, key=lambda text: (-len(text), text))
        self._folded = [text.casefold() for text in self._secrets]

    def text(self, text: str) -> str:
        if not self._secrets or len(text) < SHORTEST:
            return text
        folded = text.casefold()
        for secret, needle in zip(self._secrets, self._folded, strict=True):
            if needle in folded:
                text = re.sub(re.escape(secret), MARK, text, flags=re.IGNORECASE)
                folded = text.casefold()
                if needle in folded:  # in some way that replacing does not see: then none of it is shown
                    return MARK
        return text

    def reason(self, text: str) -> str:
        """A reason that quotes what was sent may quote a part of a value, such as the host of an address."""
        return f"{text.partition(':')[0]}: {MARK}" if text.startswith(QUOTING) else self.text(text)

    def words(self, text: str | None) -> str | None:
        return None if text is None else self.text(text)

    def holds(self, text: str) -> bool:
        folded = text.casefold()
        return any(needle in folded for needle in self._folded)

    def payload(self, payload: Mapping[str, Json]) -> Mapping[str, Json]:
        return self._members(payload, self._paths)

    def _value(self, value: Json, paths: Sequence[tuple[str, ...]]) -> Json:
        if any(not path for path in paths):
            return Masked(value)
        if isinstance(value, Mapping):
            return self._members(cast("Mapping[str, Json]", value), paths)
        if isinstance(value, list):
            items = enumerate(cast("list[Json]", value))
            return [self._value(item, below(paths, str(at))) for at, item in items]
        if isinstance(value, str):
            return Masked(value) if self.holds(value) else value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return Masked(value) if json.dumps(value) in self._secrets else value
        return value

    def _members(self, members: Mapping[str, Json], paths: Sequence[tuple[str, ...]]) -> dict[str, Json]:
        shown: dict[str, Json] = {}
        for key, held in members.items():
            if self.holds(key):
                name = MARK
                while name in shown or name in members:
                    name += "'"
                shown[name] = Masked(held, key)
            else:
                shown[key] = self._value(held, below(paths, key))
        return shown

    def record(self, record: ActionRecord) -> ActionRecord:
        rejection, outcome, emergency = record.rejection, record.outcome, record.emergency
        review = None if emergency is None else emergency.review
        return replace(
            record,
            proposal=self._proposal(record.proposal),
            versions=tuple(
                replace(each, payload=self.payload(each.payload), comment=self.words(each.comment))
                for each in record.versions
            ),
            verdict=self._verdict(record.verdict),
            plan=None if record.plan is None else self._plan(record.plan),
            votes=tuple(replace(each, comment=self.words(each.comment)) for each in record.votes),
            reassignments=tuple(
                replace(each, reason=self.text(each.reason)) for each in record.reassignments
            ),
            decision_note=self.words(record.decision_note),
            rejection=None if rejection is None else replace(rejection, comment=self.text(rejection.comment)),
            outcome=None if outcome is None else replace(outcome, detail=self.words(outcome.detail)),
            emergency=None
            if emergency is None
            else replace(
                emergency,
                reason=self.text(emergency.reason),
                review=None if review is None else replace(review, comment=self.text(review.comment)),
            ),
        )

    def _proposal(self, proposal: Proposal) -> Proposal:
        schema = proposal.payload_schema
        return replace(
            proposal,
            topic=self.text(proposal.topic),
            tool=self.words(proposal.tool),
            environment=self.words(proposal.environment),
            payload=self.payload(proposal.payload),
            summary=self.text(proposal.summary),
            rationale=self.words(proposal.rationale),
            labels={self.text(key): self.text(value) for key, value in proposal.labels.items()},
            evidence=self._evidence(proposal.evidence),
            context=self._context(proposal.context),
            # A schema may list the values of a field; half of one would offer what cannot be chosen.
            payload_schema=None if schema is None or self.holds(_written(schema)) else schema,
            callback_url=self.words(proposal.callback_url),
        )

    def _context(self, context: Context) -> Context:
        return replace(
            context,
            workflow=self.words(context.workflow),
            run_id=self.words(context.run_id),
            step=self.words(context.step),
            trigger=self.words(context.trigger),
            original_request=self.words(context.original_request),
            model_name=self.words(context.model_name),
            model_version=self.words(context.model_version),
            prompt_version=self.words(context.prompt_version),
            sources=tuple(
                replace(
                    each,
                    id=self.text(each.id),
                    title=self.words(each.title),
                    url=self.words(each.url),
                    fetched_at=self.words(each.fetched_at),
                )
                for each in context.sources
            ),
            policy_flags=tuple(self.text(each) for each in context.policy_flags),
            upstream=tuple(
                replace(
                    each,
                    agent=self.words(each.agent),
                    step=self.words(each.step),
                    summary=self.words(each.summary),
                )
                for each in context.upstream
            ),
        )

    def _evidence(self, evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
        return tuple(
            replace(each, label=self.text(each.label), value=self.text(each.value), url=self.words(each.url))
            for each in evidence
        )

    def _plan(self, plan: ApprovalPlan) -> ApprovalPlan:
        return replace(plan, evidence=self._evidence(plan.evidence)) if plan.evidence else plan

    def _verdict(self, verdict: Verdict) -> Verdict:
        effective = verdict.effective
        return replace(
            verdict,
            reason=self.reason(verdict.reason),
            trigger=MARK if verdict.reason.startswith(OUTSIDE) else self.text(verdict.trigger),
            effective=replace(effective, risk_tags=frozenset(map(self.text, effective.risk_tags))),
            plan=None if verdict.plan is None else self._plan(verdict.plan),
        )


def _texts(value: Json) -> Iterator[str]:
    """What of a value would be recognised in a text: its words and numbers, and names that are no plain field names."""
    if isinstance(value, Mapping):
        for key, held in cast("Mapping[str, Json]", value).items():
            if len(key.strip()) >= SHORTEST and not _NAME.fullmatch(key):
                yield key.strip()
            yield from _texts(held)
    elif isinstance(value, list):
        for item in cast("list[Json]", value):
            yield from _texts(item)
    elif isinstance(value, str):
        if len(value.strip()) >= SHORTEST:
            yield value.strip()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from (text for text in (json.dumps(value), f"{value:,}") if len(text) >= SHORTEST)


def _written(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False)
