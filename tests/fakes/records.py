"""Builders of domain records for tests: a small directory, an agent, a proposal, a pending request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gate.domain.action import Agent, Proposal
from gate.domain.people import Directory, Group, Person, Rota, Rotation
from gate.domain.request import ActionRecord
from gate.domain.risk import Risk
from gate.domain.submission import submit
from gate.domain.transitions import Change
from gate.domain.verdict import ApprovalPlan, Decision, Effective, LadderStep, Verdict

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
REPAGE = 600


def person(name: str, **changes: Any) -> Person:
    return replace(
        Person(id=name, name=name.title(), email=f"{name}@example.com", slack=f"U0{name.upper()}"), **changes
    )


def directory(**changes: Any) -> Directory:
    people = {name: person(name) for name in ("ana", "bo", "cho", "dee", "own")}
    groups = {
        "finance": Group(name="finance", members=("ana", "bo")),
        "security": Group(name="security", members=("bo", "dee")),
        "approvers": Group(name="approvers", members=("cho",)),
    }
    rotas = {
        "primary": Rota(
            name="primary",
            rotation=Rotation(people=("dee",), every_days=7, weekday=0, hour=9, minute=0, tz="Europe/Berlin"),
        )
    }
    return replace(Directory(people=people, groups=groups, rotas=rotas), **changes)


AGENT = Agent(id="agt_1", name="support-bot", team="support", owner="own")


def plan(**changes: Any) -> ApprovalPlan:
    base = ApprovalPlan(
        groups=("finance",),
        sla_sec=1800,
        ladder=(
            LadderStep(after_sec=900, to=("assignees",)),
            LadderStep(after_sec=1350, to=("oncall:primary",)),
        ),
    )
    return replace(base, **changes)


def verdict(*, risk: Risk = Risk.HIGH, plan_: ApprovalPlan | None = None, **changes: Any) -> Verdict:
    base = Verdict(
        decision=Decision.REQUIRE_APPROVAL,
        reason="Large refund",
        rule="refunds",
        policy_version="v1",
        policy_digest="sha256:one",
        effective=Effective(risk=risk),
        plan=plan_ or plan(quorum=2 if risk is Risk.CRITICAL else 1),
    )
    return replace(base, **changes)


def proposal(**changes: Any) -> Proposal:
    base = Proposal(
        topic="job.support.refund", payload={"amount": 1400, "order": "881"}, summary="Refund $1,400.00"
    )
    return replace(base, **changes)


def submitted(
    *,
    verdict_: Verdict | None = None,
    proposal_: Proposal | None = None,
    agent: Agent = AGENT,
    people: Directory | None = None,
) -> Change:
    return submit(
        action_id="act_1",
        agent=agent,
        proposal=proposal_ or proposal(),
        payload_sha256="a" * 64,
        verdict=verdict_ or verdict(),
        directory=people or directory(),
        now=NOW,
        repage_sec=REPAGE,
    )


def pending(**kwargs: Any) -> ActionRecord:
    return submitted(**kwargs).record


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
