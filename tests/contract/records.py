"""Records in few words for the store's contract; every argument overrides one field."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gate.domain.action import Agent, Json, Proposal
from gate.domain.audit import AuditRecord
from gate.domain.request import (
    ActionRecord,
    Choice,
    Deadline,
    DeadlineKind,
    Grant,
    Status,
    Version,
    Vote,
)
from gate.domain.risk import Risk
from gate.domain.verdict import ApprovalPlan, Decision, Effective, Verdict
from gate.usecases.ports import Message

NOW = datetime(2026, 11, 2, 9, 0, 0, 123456, tzinfo=UTC)
BOT = Agent(id="agt_bot", name="support-bot", team="support", owner="own")


class SetClock:
    """Implements `ports.Clock`: stands still until told otherwise."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def action(
    number: int = 1,
    *,
    status: Status = Status.PENDING,
    payload: dict[str, Json] | None = None,
    payload_sha256: str = "a" * 64,
    topic: str = "pay.refund",
    agent: Agent = BOT,
    at: datetime = NOW,
    due_at: datetime | None = None,
    amount_usd: float | None = None,
    affected_users: int | None = None,
    tool: str | None = None,
    environment: str | None = None,
    **changes: Any,
) -> ActionRecord:
    """`act_0001` and so on, created at `at`; its deadline (while pending) comes at `due_at`, an hour later."""
    payload = {"amount": 1400, "order": "881"} if payload is None else payload
    waiting = status is Status.PENDING
    due_at = due_at or at + timedelta(hours=1)
    plan = ApprovalPlan(groups=("finance",)) if waiting else None
    record = ActionRecord(
        id=f"act_{number:04d}",
        agent=agent,
        proposal=Proposal(topic=topic, payload=payload, summary="Refund", tool=tool, environment=environment),
        verdict=Verdict(
            decision=Decision.REQUIRE_APPROVAL if waiting else Decision.ALLOW,
            reason="Large refund",
            rule="refunds",
            policy_version="v1",
            policy_digest="sha256:one",
            effective=Effective(risk=Risk.HIGH, amount_usd=amount_usd, affected_users=affected_users),
            plan=plan,
        ),
        status=status,
        created_at=at,
        versions=(
            Version(
                number=1,
                payload=payload,
                payload_sha256=payload_sha256,
                policy_digest="sha256:one",
                rule="refunds",
                created_at=at,
            ),
        ),
        plan=plan,
        deadline=Deadline(kind=DeadlineKind.SLA, due_at=due_at, seq=1) if waiting else None,
        sla_at=due_at if waiting else None,
        decided_at=None if waiting else at,
    )
    return replace(record, **changes)


def approved(record: ActionRecord, by: str = "ana") -> ActionRecord:
    vote = Vote(person=by, choice=Choice.APPROVE, version=record.version.number, at=later(1))
    return replace(
        record,
        status=Status.APPROVED,
        revision=record.revision + 1,
        votes=(*record.votes, vote),
        decided_at=later(1),
        decided_by=by,
        deadline=None,
    )


def grant(number: int = 1, *, action: str = "act_0001", version: int = 1, **changes: Any) -> Grant:
    base = Grant(
        jti=f"grt_{number:04d}",
        action=action,
        version=version,
        payload_sha256="a" * 64,
        audience="executors",
        issued_at=later(number),
        expires_at=later(number + 900),
        token=f"header.claims{number}.signature",
    )
    return replace(base, **changes)


def message(number: int, *, action: str = "act_0001", **changes: Any) -> Message:
    base = Message(
        id=f"msg_{number:04d}",
        action_id=action,
        channel="slack",
        kind="card",
        body={},
        created_at=NOW,
        due_at=NOW,
    )
    return replace(base, **changes)


def audited(
    kind: str = "approval.requested", *, action: str | None = "act_0001", **changes: Any
) -> AuditRecord:
    base = AuditRecord(kind=kind, actor="policy", at=NOW, action=action, detail={"rule": "refunds"})
    return replace(base, **changes)
