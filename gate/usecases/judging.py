"""Put a proposal before the policy in force, with the history the gate itself knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from gate.domain.action import Agent, History, Json, Proposal, Subject, Velocity
from gate.domain.request import ActionRecord
from gate.domain.verdict import Verdict
from gate.policy.evaluate import evaluate, probes
from gate.usecases.ports import Rules, Transaction

RETRY_WINDOW = timedelta(hours=24)
"""How far back the same payload counts as a retry."""


async def history(
    tx: Transaction, rules: Rules, agent: Agent, proposal: Proposal, payload_sha256: str, now: datetime
) -> History:
    """What the gate knows about the agent's past, as far as this policy may ask for it."""
    asked = probes(rules.policy, proposal, agent)
    answers: dict[Velocity, float] = {}
    for probe in asked:
        values = {
            "agent": agent.id,
            "team": agent.team,
            "topic": proposal.topic,
            "tool": proposal.tool or "",
            "environment": proposal.environment or "",
        }
        wanted = {name: values[name] for name in probe.key}
        answers[probe] = await tx.actions.velocity(probe, wanted, now - timedelta(seconds=probe.per_sec))
    return History(
        first_time=not await tx.actions.seen_before(agent.id, proposal.topic),
        retry_count=await tx.actions.retries(agent.id, proposal.topic, payload_sha256, now - RETRY_WINDOW),
        velocity=answers,
    )


async def judge(
    tx: Transaction, rules: Rules, agent: Agent, proposal: Proposal, payload_sha256: str, now: datetime
) -> Verdict:
    """The verdict on a new proposal."""
    past = await history(tx, rules, agent, proposal, payload_sha256, now)
    return evaluate(rules.policy, Subject(proposal=proposal, agent=agent, history=past), now)


async def judge_payload(
    tx: Transaction, rules: Rules, record: ActionRecord, payload: Mapping[str, Json], now: datetime
) -> Verdict:
    """The verdict on a payload in place of the proposed one: an edit, or an old version under new policy.

    The action's own first submit counts neither as a retry nor in a velocity: those were judged at submit.
    """
    proposal = replace(record.proposal, payload=payload)
    past = History(
        first_time=record.verdict.effective.first_time,
        retry_count=record.verdict.effective.retry_count,
        velocity=dict.fromkeys(probes(rules.policy, proposal, record.agent), 0.0),
    )
    return evaluate(rules.policy, Subject(proposal=proposal, agent=record.agent, history=past), now)
