"""Put a proposal before the policy in force, with the history the gate itself knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from gate.domain.action import Agent, History, Json, Proposal, Subject, Velocity
from gate.domain.request import ActionRecord
from gate.domain.timeouts import would_release
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
        since = now - timedelta(seconds=probe.per_sec)
        answers[probe] = await tx.actions.velocity(probe, _parts(probe, agent, proposal), since)
    return History(
        first_time=not await tx.actions.seen_before(agent.id, proposal.topic),
        retry_count=await tx.actions.retries(agent.id, proposal.topic, payload_sha256, now - RETRY_WINDOW),
        velocity=answers,
    )


def _parts(probe: Velocity, agent: Agent, proposal: Proposal) -> dict[str, str]:
    """What a question is partitioned by, with this action's values."""
    values = {
        "agent": agent.id,
        "team": agent.team,
        "topic": proposal.topic,
        "tool": proposal.tool or "",
        "environment": proposal.environment or "",
    }
    return {name: values[name] for name in probe.key}


async def judge(
    tx: Transaction, rules: Rules, agent: Agent, proposal: Proposal, payload_sha256: str, now: datetime
) -> Verdict:
    """The verdict on a new proposal."""
    past = await history(tx, rules, agent, proposal, payload_sha256, now)
    return evaluate(rules.policy, Subject(proposal=proposal, agent=agent, history=past), now)


async def judge_edit(
    tx: Transaction, rules: Rules, record: ActionRecord, payload: Mapping[str, Json], now: datetime
) -> Verdict:
    """The verdict on a changed payload. Sums over a window are asked anew, without this action's own part, so that
    no edit raises an amount past a limit on them (threat 24)."""
    proposal = replace(record.proposal, payload=payload)
    sums: dict[Velocity, float] = {}
    for probe in probes(rules.policy, proposal, record.agent):
        if probe.sum_of is None:
            continue
        since = now - timedelta(seconds=probe.per_sec)
        own = getattr(record.verdict.effective, probe.sum_of) if record.created_at >= since else None
        total = await tx.actions.velocity(probe, _parts(probe, record.agent, proposal), since)
        sums[probe] = max(0.0, total - (own or 0.0))
    return await judge_payload(tx, rules, record, payload, now, sums)


async def judge_release(tx: Transaction, rules: Rules, record: ActionRecord, now: datetime) -> Verdict | None:
    """The verdict of the policy in force where a timer is about to release the action, and another policy judged
    it; None where there is nothing to judge again."""
    if not would_release(record) or rules.policy.digest == record.version.policy_digest:
        return None
    return await judge_payload(tx, rules, record, record.version.payload, now)


async def judge_payload(
    tx: Transaction,
    rules: Rules,
    record: ActionRecord,
    payload: Mapping[str, Json],
    now: datetime,
    sums: Mapping[Velocity, float] | None = None,
) -> Verdict:
    """The verdict on a payload in place of the proposed one: an edit, or an old version under new policy.

    Retries and counts were judged at submit and are not judged again; `sums` are those to judge by.
    """
    proposal = replace(record.proposal, payload=payload)
    past = History(
        first_time=record.verdict.effective.first_time,
        retry_count=record.verdict.effective.retry_count,
        velocity=dict.fromkeys(probes(rules.policy, proposal, record.agent), 0.0) | dict(sums or {}),
    )
    return evaluate(rules.policy, Subject(proposal=proposal, agent=record.agent, history=past), now)
