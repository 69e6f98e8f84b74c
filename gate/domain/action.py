"""What an agent proposes, as data that never changes once stored; it judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gate.domain.risk import Risk

Json = Any
"""A parsed JSON value: None, bool, int, float, str, list or dict of these."""

TONES = ("slate", "amber", "red", "emerald", "blue")
"""Tones of evidence: neutral, caution, risk factor, positive signal, information."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One labelled fact shown to the reviewer; `tone` is one of `TONES`."""

    label: str
    value: str
    tone: str = "slate"
    url: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A document the agent says it relied on. `fetched_at` (RFC 3339) lets a policy judge staleness."""

    id: str
    title: str | None = None
    url: str | None = None
    fetched_at: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """An earlier step of the same workflow and what came of it."""

    agent: str | None = None
    step: str | None = None
    summary: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Where the action comes from, in the agent's own words."""

    workflow: str | None = None
    run_id: str | None = None
    step: str | None = None
    trigger: str | None = None
    original_request: str | None = None
    model_name: str | None = None
    model_version: str | None = None
    prompt_version: str | None = None
    sources: tuple[Source, ...] = ()
    policy_flags: tuple[str, ...] = ()
    upstream: tuple[Upstream, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """What the agent says about its own action; it can only raise scrutiny, never lower it."""

    risk: Risk | None = None
    risk_tags: frozenset[str] = frozenset()
    confidence: float | None = None
    anomaly_score: float | None = None
    amount_usd: float | None = None
    affected_users: int | None = None
    retry_count: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """An authenticated key holder. `owner` is a person's id; that person never decides for this agent."""

    id: str
    name: str
    team: str
    owner: str
    scopes: frozenset[str] = frozenset({"propose"})
    audiences: frozenset[str] = frozenset({"executors"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """An action as proposed: `payload` is exactly what would be executed."""

    topic: str
    payload: Mapping[str, Json]
    summary: str
    tool: str | None = None
    rationale: str | None = None
    environment: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    claims: Claims = Claims()
    evidence: tuple[Evidence, ...] = ()
    context: Context = Context()
    payload_schema: Mapping[str, Json] | None = None
    callback_url: str | None = None
    audience: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Velocity:
    """A question to the gate's own history: how many (or how much `sum_of`) in the last `per_sec` seconds.

    `key` names what the count is partitioned by (`agent`, `topic`, `tool`, `team`, `environment`); the
    values come from the action itself. `sum_of` is None for a count, or `amount_usd`, `affected_users`.
    The action under judgement is included in neither.
    """

    per_sec: int
    key: tuple[str, ...]
    sum_of: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What the gate itself knows about the agent's past, looked up before the evaluation.

    `velocity` answers each `Velocity` the policy asked for. A missing answer counts as exceeded.
    """

    first_time: bool = True
    retry_count: int = 0
    velocity: Mapping[Velocity, float] = field(default_factory=dict[Velocity, float])


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """Everything an evaluation may look at: the proposal, who makes it, and the gate's own history."""

    proposal: Proposal
    agent: Agent
    history: History = History()
