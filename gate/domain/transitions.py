"""The one table of legal transitions, and the only way to make one; why a transition happens is told elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gate.domain.action import Json
from gate.domain.audit import AuditRecord
from gate.domain.request import ActionRecord, GrantState, Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """A legal move of an action: the audit kind that records it, where from (None: nothing yet) and where to."""

    kind: str
    source: Status | None
    target: Status
    by: str


TABLE: tuple[Transition, ...] = (
    Transition(kind="action.allowed", source=None, target=Status.ALLOWED, by="policy"),
    Transition(kind="action.denied", source=None, target=Status.DENIED, by="policy"),
    Transition(kind="action.throttled", source=None, target=Status.THROTTLED, by="policy"),
    Transition(kind="approval.requested", source=None, target=Status.PENDING, by="policy"),
    Transition(kind="approval.vote", source=Status.PENDING, target=Status.PENDING, by="person"),
    Transition(kind="approval.edited", source=Status.PENDING, target=Status.PENDING, by="person"),
    Transition(kind="approval.reassigned", source=Status.PENDING, target=Status.PENDING, by="person"),
    Transition(kind="approval.escalated", source=Status.PENDING, target=Status.PENDING, by="timer"),
    Transition(kind="approval.sla_breach", source=Status.PENDING, target=Status.PENDING, by="timer"),
    Transition(kind="approval.repaged", source=Status.PENDING, target=Status.PENDING, by="timer"),
    Transition(kind="approval.joined", source=Status.PENDING, target=Status.PENDING, by="agent"),
    Transition(kind="approval.rebalanced", source=Status.PENDING, target=Status.PENDING, by="policy"),
    Transition(kind="approval.granted", source=Status.PENDING, target=Status.APPROVED, by="person"),
    Transition(kind="approval.break_glass", source=Status.PENDING, target=Status.APPROVED, by="person"),
    Transition(kind="approval.timeout_allowed", source=Status.PENDING, target=Status.APPROVED, by="timer"),
    Transition(kind="approval.rejected", source=Status.PENDING, target=Status.REJECTED, by="person"),
    Transition(kind="approval.expired", source=Status.PENDING, target=Status.EXPIRED, by="timer"),
    Transition(kind="action.cancelled", source=Status.PENDING, target=Status.CANCELLED, by="agent"),
    Transition(kind="review.overdue", source=Status.APPROVED, target=Status.APPROVED, by="timer"),
    Transition(kind="review.closed", source=Status.APPROVED, target=Status.APPROVED, by="person"),
    Transition(kind="grant.issued", source=Status.ALLOWED, target=Status.ALLOWED, by="agent"),
    Transition(kind="grant.issued", source=Status.APPROVED, target=Status.APPROVED, by="agent"),
    Transition(kind="grant.expired", source=Status.ALLOWED, target=Status.ALLOWED, by="timer"),
    Transition(kind="grant.expired", source=Status.APPROVED, target=Status.APPROVED, by="timer"),
    Transition(kind="grant.redeemed", source=Status.ALLOWED, target=Status.ALLOWED, by="executor"),
    Transition(kind="grant.redeemed", source=Status.APPROVED, target=Status.APPROVED, by="executor"),
    Transition(kind="grant.revoked", source=Status.ALLOWED, target=Status.ALLOWED, by="person"),
    Transition(kind="grant.revoked", source=Status.APPROVED, target=Status.APPROVED, by="person"),
    Transition(kind="outcome.reported", source=Status.ALLOWED, target=Status.ALLOWED, by="executor"),
    Transition(kind="outcome.reported", source=Status.APPROVED, target=Status.APPROVED, by="executor"),
    Transition(kind="outcome.overdue", source=Status.ALLOWED, target=Status.ALLOWED, by="timer"),
    Transition(kind="outcome.overdue", source=Status.APPROVED, target=Status.APPROVED, by="timer"),
)
"""Every legal move of an action. What is not here cannot happen."""

RELEASING = frozenset(
    t.kind for t in TABLE if t.target.released and (t.source is None or not t.source.released)
)
"""The kinds of record that release an action: each action has at most one of them."""

GRANT_TABLE: Mapping[GrantState, frozenset[GrantState]] = {
    GrantState.ISSUED: frozenset({GrantState.REDEEMED, GrantState.EXPIRED, GrantState.REVOKED}),
    GrantState.REDEEMED: frozenset(),
    GrantState.EXPIRED: frozenset(),
    GrantState.REVOKED: frozenset(),
}
"""Every legal move of a grant."""

_BY_MOVE = {(t.source, t.kind): t for t in TABLE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """Something to tell the outside, put into the outbox in the transition's own transaction.

    `channel` and `kind` as in `usecases.ports.Message`; `body` holds ids, codes and times, never a payload.
    """

    channel: str
    kind: str
    body: Mapping[str, Json]


CARD = Intent(channel="slack", kind="card", body={})
"""Bring the card to the present state."""


RESOLVE = Intent(channel="pagerduty", kind="resolve", body={})
"""The page of this action is over: nothing is left to decide."""

REVIEWED = Intent(channel="pagerduty", kind="resolve", body={"about": "review"})
"""The page of an emergency release is over: a supervisor has looked at it."""


def thread(event: str, now: datetime, person: str | None, **body: Json) -> Intent:
    """A line below the card: what happened, and who did it."""
    return Intent(
        channel="slack",
        kind="thread",
        body={"event": event, "at": int(now.timestamp() * 1_000_000), "person": person, **body},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A transition that may be committed: the new record, its one audit record, and what to tell whom."""

    record: ActionRecord
    audit: AuditRecord
    intents: tuple[Intent, ...] = ()


class IllegalTransition(Exception):
    """The code tried a move that is not in the table: a defect, never a user's mistake."""


def move(
    record: ActionRecord,
    kind: str,
    *,
    actor: str,
    now: datetime,
    detail: Mapping[str, Json],
    intents: tuple[Intent, ...] = (),
    **changes: Any,
) -> Change:
    """Make the one transition `kind` from the record's status, with further field changes.

    A terminal target disarms the deadline, stamps `decided_at` and takes back a page; a deadline given in `changes`
    is armed in its place. Raises `IllegalTransition` where the table knows no such move (INV-01, INV-12).
    """
    found = _BY_MOVE.get((record.status, kind))
    if found is None:
        raise IllegalTransition(f"{kind} is no move from {record.status.value} (action {record.id})")
    if found.target is not record.status:
        changes = {"decided_at": now, "deadline": None, "held": False} | changes
        intents = (*intents, *((RESOLVE,) if record.paged else ()))
    after = record.changed(status=found.target, revision=record.revision + 1, **changes)
    return Change(record=after, audit=_audit(after, kind, actor, now, detail), intents=intents)


def begin(
    record: ActionRecord,
    kind: str,
    *,
    actor: str,
    now: datetime,
    detail: Mapping[str, Json],
    intents: tuple[Intent, ...] = (),
) -> Change:
    """The first transition of a new record, whose status must be the one `kind` leads to."""
    found = _BY_MOVE.get((None, kind))
    if found is None or found.target is not record.status:
        raise IllegalTransition(f"{kind} does not begin as {record.status.value} (action {record.id})")
    return Change(record=record, audit=_audit(record, kind, actor, now, detail), intents=intents)


def _audit(
    record: ActionRecord, kind: str, actor: str, now: datetime, detail: Mapping[str, Json]
) -> AuditRecord:
    common: dict[str, Json] = {
        "status": record.status.value,
        "version": record.version.number,
        "payload_sha256": record.version.payload_sha256,
        "revision": record.revision,
    }
    common.update(detail)
    return AuditRecord(kind=kind, actor=actor, at=now, action=record.id, detail=common)
