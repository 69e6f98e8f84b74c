"""How a judged proposal becomes a record: released, refused, or waiting for people with a deadline armed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from gate.domain.action import Agent, Json, Proposal
from gate.domain.care import SILENT, Care
from gate.domain.eligibility import could_decide, enough, risk_of, stand_ins
from gate.domain.escalation import next_deadline
from gate.domain.people import Directory
from gate.domain.request import ActionRecord, Status, Version
from gate.domain.routing import NO_LOADS, Load, Routed, route
from gate.domain.second_review import sampled
from gate.domain.transitions import CARD, Change, Intent, begin
from gate.domain.verdict import Decision, Verdict

_FIRST_MOVE = {
    Decision.ALLOW: (Status.ALLOWED, "action.allowed"),
    Decision.ALLOW_WITH_CONSTRAINTS: (Status.ALLOWED, "action.allowed"),
    Decision.DENY: (Status.DENIED, "action.denied"),
    Decision.THROTTLE: (Status.THROTTLED, "action.throttled"),
    Decision.REQUIRE_APPROVAL: (Status.PENDING, "approval.requested"),
}


def submit(
    *,
    action_id: str,
    agent: Agent,
    proposal: Proposal,
    payload_sha256: str,
    verdict: Verdict,
    directory: Directory,
    now: datetime,
    repage_sec: int,
    care: Care = SILENT,
    loads: Mapping[str, Load] = NO_LOADS,
    input_sha256: str | None = None,
) -> Change:
    """The record of a new action. A request that nobody could ever approve is denied instead of waiting.
    `input_sha256` is the digest of the whole body that was sent.

    `loads` are those of the people it may ask, as far as `care` looks at them.
    """
    record = _record(action_id, agent, proposal, payload_sha256, verdict, now)
    if record.status is Status.PENDING:
        plan = verdict.plan
        if plan is None or not enough(plan, could_decide(record, directory), directory, risk_of(record)):
            verdict = replace(
                verdict,
                decision=Decision.DENY,
                plan=None,
                reason=f"{verdict.reason} (denied: too few people are left who may decide this)",
            )
            record = _record(action_id, agent, proposal, payload_sha256, verdict, now)
    status, kind = _FIRST_MOVE[verdict.decision]
    plan = verdict.plan
    detail: dict[str, Json] = {
        "rule": verdict.rule,
        "decision": verdict.decision.value,
        "policy_digest": verdict.policy_digest,
        "risk": verdict.effective.risk.value,
        "agent": agent.id,
    }
    if input_sha256 is not None:
        detail["input_sha256"] = input_sha256
    if status is not Status.PENDING or plan is None:
        return begin(record, kind, actor="policy", now=now, detail=detail, intents=callback(record, status))
    record = replace(record, plan=sampled(record, directory, care))
    routed = route(record, directory, care=care, loads=loads, now=now)
    asked = routed.asked
    record = replace(record, asked=asked, sla_at=now + timedelta(seconds=plan.sla_sec))
    record = replace(record, deadline=next_deadline(record, now=now, repage_sec=repage_sec))
    detail |= {"asked": list(asked), "quorum": plan.quorum, "sla_sec": plan.sla_sec, **spared(routed)}
    asks = asking(record, asked, directory)
    return begin(record, kind, actor="policy", now=now, detail=detail, intents=(CARD, *asks))


def spared(routed: Routed) -> dict[str, Json]:
    """Who was passed over and why, for the record; empty where nobody was."""
    return {"skipped": [f"{person}:{why}" for person, why in routed.skipped]} if routed.skipped else {}


def asking(
    record: ActionRecord, people: tuple[str, ...], directory: Directory, *, why: str = "asked"
) -> tuple[Intent, ...]:
    """A direct message to everyone asked, and to whoever may decide for one of them. With `why` `also` it goes to
    people whom nothing in the channel tells."""
    bodies: list[dict[str, Json]] = [{"person": p, "why": why} for p in people]
    deputies = stand_ins(record, people, directory)
    bodies += [{"person": p, "why": why, "for": grantor} for p, grantor in deputies]
    return tuple(Intent(channel="slack", kind="dm", body=body) for body in bodies)


def callback(record: ActionRecord, status: Status) -> tuple[Intent, ...]:
    """The webhook that tells a terminal state, where the agent named an address for it."""
    if record.proposal.callback_url is None:
        return ()
    return (Intent(channel="webhook", kind="event", body={"event": status.value}),)


def progress(record: ActionRecord, event: str) -> tuple[Intent, ...]:
    """The webhook that tells what an action waits through (`approval.…`), where the agent named an address for it."""
    if record.proposal.callback_url is None:
        return ()
    return (Intent(channel="webhook", kind="event", body={"event": event}),)


def _record(
    action_id: str, agent: Agent, proposal: Proposal, sha256: str, verdict: Verdict, now: datetime
) -> ActionRecord:
    status, _ = _FIRST_MOVE[verdict.decision]
    pending = status is Status.PENDING
    first = Version(
        number=1,
        payload=proposal.payload,
        payload_sha256=sha256,
        policy_digest=verdict.policy_digest,
        rule=verdict.rule,
        created_at=now,
    )
    return ActionRecord(
        id=action_id,
        agent=agent,
        proposal=proposal,
        verdict=verdict,
        status=status,
        created_at=now,
        versions=(first,),
        plan=verdict.plan,
        decided_at=None if pending else now,
        decided_by=None if pending else "policy",
    )
