"""What conditions and expressions look at during one evaluation; deriving and deciding are done elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gate.domain.action import Agent, Context, Subject
from gate.domain.verdict import Editable, Effective

EMPTY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Trouble:
    """A condition that could not be evaluated, and why."""

    message: str


Outcome = bool | Trouble | None
"""Whether a condition holds; None where the action lacks what it asks about."""


class Scratch:
    """Notes of one evaluation: what was derived, what could not be, and the variables of expressions once built."""

    __slots__ = ("editable", "facts_of", "mask", "names", "subjects", "tags", "uncertain")

    def __init__(self, uncertain: frozenset[str] = EMPTY) -> None:
        self.uncertain = uncertain
        self.tags = EMPTY
        self.editable: Editable | None = None
        self.mask: tuple[str, ...] | None = None
        self.subjects: tuple[str, ...] | None = None
        self.names: dict[str, Any] | None = None
        self.facts_of: Effective | None = None

    def variables(self, e: Effective, s: Subject) -> Mapping[str, Any]:
        """The variables of expressions; built once, the facts again where they have changed."""
        names = self.names
        if names is None:
            proposal = s.proposal
            payload = proposal.payload
            names = self.names = {
                "payload": payload if isinstance(payload, dict) else dict(payload),
                "labels": dict(proposal.labels),
                "context": context_map(proposal.context),
                "agent": agent_map(s.agent),
            }
        if self.facts_of is not e:
            names["facts"] = facts_map(e, s, self.uncertain)
            self.facts_of = e
        return names


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def agent_map(agent: Agent) -> dict[str, Any]:
    """`agent` as expressions see it."""
    return {"id": agent.id, "name": agent.name, "team": agent.team, "owner": agent.owner}


def context_map(context: Context) -> dict[str, Any]:
    """`context` as expressions see it: what the agent did not send is absent."""
    model = _given(name=context.model_name, version=context.model_version)
    return _given(
        workflow=context.workflow,
        run_id=context.run_id,
        step=context.step,
        trigger=context.trigger,
        original_request=context.original_request,
        model=model or None,
        prompt_version=context.prompt_version,
        sources=[
            _given(id=source.id, title=source.title, url=source.url, fetched_at=source.fetched_at)
            for source in context.sources
        ],
        policy_flags=list(context.policy_flags),
        upstream=[_given(agent=up.agent, step=up.step, summary=up.summary) for up in context.upstream],
    )


def facts_map(e: Effective, s: Subject, uncertain: frozenset[str]) -> dict[str, Any]:
    """`facts` as expressions see them: the effective ones; those nobody knows are absent."""
    facts = _given(
        risk=e.risk.value,
        risk_tags=sorted(e.risk_tags),
        confidence=e.confidence,
        anomaly_score=e.anomaly_score,
        amount_usd=e.amount_usd,
        affected_users=e.affected_users,
        retry_count=e.retry_count,
        first_time=e.first_time,
        topic=s.proposal.topic,
        tool=s.proposal.tool,
        environment=s.proposal.environment,
    )
    for name in uncertain:
        facts.pop(name, None)
    return facts


def say_number(value: float) -> str:
    """`1400` as `1,400`, `0.62` as `0.62`, at most four places after the point."""
    if -1e15 < value < 1e15:
        whole = int(value)
        return f"{whole:,}" if whole == value else f"{value:,.4f}".rstrip("0")
    return f"{value:g}"
