"""Test cases for policies: what is proposed and what must come of it; reading the files is the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from gate.domain.action import (
    Agent,
    Claims,
    Context,
    Evidence,
    History,
    Proposal,
    Source,
    Subject,
    Velocity,
)
from gate.domain.risk import Risk
from gate.domain.verdict import Verdict
from gate.policy.conditions import question
from gate.policy.documents import Document, PolicyError, Problem
from gate.policy.evaluate import evaluate, probes
from gate.policy.grammar import (
    Count,
    DecisionName,
    Duration,
    Id,
    Name,
    Number,
    RiskName,
    Section,
    Share,
    Strings,
    Text,
    Tone,
)
from gate.policy.parse import validated
from gate.policy.snapshot import PolicySet
from gate.policy.source import Source as TextSource
from gate.policy.source import read

MONDAY_NOON = "2026-03-02T12:00:00Z"
"""The instant at which a case is judged where it names none: an ordinary working hour."""


class EvidenceCase(Section):
    label: Text
    value: str
    tone: Tone = "slate"


class SourceCase(Section):
    id: Name
    title: str | None = None
    url: str | None = None
    fetched_at: str | None = None


class ModelCase(Section):
    name: str | None = None
    version: str | None = None


class ContextCase(Section):
    workflow: str | None = None
    run_id: str | None = None
    step: str | None = None
    trigger: str | None = None
    original_request: str | None = None
    model: ModelCase | None = None
    prompt_version: str | None = None
    sources: list[SourceCase] | None = None
    policy_flags: Strings | None = None


class AgentCase(Section):
    id: Name = "agt_case"
    name: Name = "case-agent"
    team: Name = "support"
    owner: Name = "own"


class VelocityCase(Section):
    """What the history answers to one question."""

    per: Duration
    key: Strings = Field(default_factory=lambda: ["agent"])
    sum: Literal["amount_usd", "affected_users"] | None = None
    count: Number


class HistoryCase(Section):
    first_time: bool = False
    retry_count: Count = 0
    velocity: list[VelocityCase] | None = None


class ActionCase(Section):
    """An action in the words of the wire contract."""

    topic: Name
    payload: dict[str, Any] = Field(default_factory=dict[str, Any])
    summary: str = "case"
    tool: Name | None = None
    rationale: str | None = None
    environment: Name | None = None
    labels: dict[str, str] | None = None
    risk: RiskName | None = None
    risk_tags: Strings | None = None
    confidence: Share | None = None
    anomaly_score: Share | None = None
    amount_usd: Number | None = None
    affected_users: Count | None = None
    retry_count: Count | None = None
    evidence: list[EvidenceCase] | None = None
    context: ContextCase | None = None
    payload_schema: dict[str, Any] | None = None
    audience: str | None = None
    callback_url: str | None = None


class Expected(Section):
    """What must come of it; what is left out may be anything."""

    decision: DecisionName
    rule: Id | None = None
    quorum: Count | None = None
    risk: RiskName | None = None
    groups: Strings | None = None


class CaseItem(Section):
    name: Text
    at: str | None = None
    agent: AgentCase | None = None
    history: HistoryCase | None = None
    action: ActionCase
    expect: Expected


class CaseText(Section):
    version: Literal["v1"]
    cases: Annotated[list[CaseItem], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One case, ready to be run."""

    file: str
    line: int
    name: str
    subject: Subject
    now: datetime
    expected: Expected


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of a case. `wrong` says in words what differs; empty where nothing does."""

    case: Case
    verdict: Verdict
    wrong: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything expected holds."""
        return not self.wrong


def parse_cases(document: Document) -> tuple[Case, ...]:
    """The cases of a file. Raises `PolicyError` with every problem and its line."""
    source = read(document)
    if source.value is None:
        raise PolicyError([Problem(file=document.name, line=1, message="the document is empty")])
    text = validated(CaseText, source.value, source)
    problems: list[Problem] = []
    cases: list[Case] = []
    for index, item in enumerate(text.cases):
        line = source.line(("cases", index))
        now = _instant(item.at or MONDAY_NOON)
        if now is None:
            message = f"cases[{index}].at: '{item.at}' is not an instant with a zone"
            problems.append(
                Problem(file=document.name, line=source.line(("cases", index, "at")), message=message)
            )
            continue
        subject = Subject(
            proposal=proposal_of(item.action),
            agent=_agent(item.agent),
            history=_history(item.history or HistoryCase()),
        )
        cases.append(
            Case(
                file=document.name, line=line, name=item.name, subject=subject, now=now, expected=item.expect
            )
        )
    if problems:
        raise PolicyError(problems)
    return tuple(cases)


def parse_action(document: Document) -> Proposal:
    """One action in the form of the wire contract. Raises `PolicyError`."""
    source: TextSource = read(document)
    return proposal_of(validated(ActionCase, source.value, source))


def run_cases(policy: PolicySet, cases: Sequence[Case]) -> tuple[Result, ...]:
    """Every case judged. Where a case says nothing of a question to the history, the answer is nought."""
    return tuple(_run(policy, case) for case in cases)


def _run(policy: PolicySet, case: Case) -> Result:
    verdict = evaluate(policy, answered(policy, case.subject), case.now)
    expected = case.expected
    found: dict[str, tuple[Any, Any]] = {
        "decision": (expected.decision, verdict.decision.value),
        "rule": (expected.rule, verdict.rule),
        "quorum": (expected.quorum, verdict.plan.quorum if verdict.plan is not None else 0),
        "risk": (expected.risk, verdict.effective.risk.value),
        "groups": (
            sorted(expected.groups) if expected.groups is not None else None,
            sorted((*verdict.plan.groups, *verdict.plan.distinct_groups)) if verdict.plan is not None else [],
        ),
    }
    wrong = tuple(
        f"{name} is {actual}, expected {wanted}"
        for name, (wanted, actual) in found.items()
        if wanted is not None and wanted != actual
    )
    return Result(case=case, verdict=verdict, wrong=wrong)


def answered(policy: PolicySet, subject: Subject) -> Subject:
    """The subject with every question the policy may ask answered: as it says, else nought."""
    asked = probes(policy, subject.proposal, subject.agent)
    known: dict[Velocity, float] = dict.fromkeys(asked, 0) | dict(subject.history.velocity)
    history = History(
        first_time=subject.history.first_time, retry_count=subject.history.retry_count, velocity=known
    )
    return Subject(proposal=subject.proposal, agent=subject.agent, history=history)


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo is not None else None


def _agent(item: AgentCase | None) -> Agent:
    given = item or AgentCase()
    return Agent(id=given.id, name=given.name, team=given.team, owner=given.owner)


def _history(item: HistoryCase) -> History:
    return History(
        first_time=item.first_time,
        retry_count=item.retry_count,
        velocity={question(each): each.count for each in item.velocity or ()},
    )


def proposal_of(item: ActionCase) -> Proposal:
    """The action as the gate sees it."""
    context = item.context or ContextCase()
    model = context.model or ModelCase()
    return Proposal(
        topic=item.topic,
        payload=item.payload,
        summary=item.summary,
        tool=item.tool,
        rationale=item.rationale,
        environment=item.environment,
        labels=item.labels or {},
        claims=Claims(
            risk=Risk(item.risk) if item.risk is not None else None,
            risk_tags=frozenset(item.risk_tags or ()),
            confidence=item.confidence,
            anomaly_score=item.anomaly_score,
            amount_usd=item.amount_usd,
            affected_users=item.affected_users,
            retry_count=item.retry_count,
        ),
        evidence=tuple(Evidence(label=e.label, value=e.value, tone=e.tone) for e in item.evidence or ()),
        context=Context(
            workflow=context.workflow,
            run_id=context.run_id,
            step=context.step,
            trigger=context.trigger,
            original_request=context.original_request,
            model_name=model.name,
            model_version=model.version,
            prompt_version=context.prompt_version,
            sources=tuple(
                Source(id=s.id, title=s.title, url=s.url, fetched_at=s.fetched_at)
                for s in context.sources or ()
            ),
            policy_flags=tuple(context.policy_flags or ()),
        ),
        payload_schema=item.payload_schema,
        callback_url=item.callback_url,
        audience=item.audience,
    )
