"""An action record as rows, and back, its sensitive columns sealed; reading and writing them is `actions.py`'s work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, cast

from sqlalchemy import Row, Select, Table, select

from gate.domain.action import Agent
from gate.domain.request import (
    ActionRecord,
    Choice,
    Deadline,
    DeadlineKind,
    Reassignment,
    Shredding,
    Status,
    Version,
    Vote,
)
from gate.domain.verdict import OUTSIDE, ApprovalPlan, Verdict
from gate.store import codec
from gate.store.errors import UnreadableRow
from gate.store.sealing import Seal
from gate.store.tables import actions, deadlines, reassignments, versions, votes

E = TypeVar("E", bound=Enum)

_FIRST = (
    versions.c.payload.label("first_payload"),
    versions.c.policy_digest.label("first_policy_digest"),
    versions.c.rule.label("first_rule"),
    versions.c.created_at.label("first_created_at"),
    versions.c.editor.label("first_editor"),
    versions.c.comment.label("first_comment"),
)
_DEADLINE = (
    deadlines.c.kind.label("deadline_kind"),
    deadlines.c.due_at.label("deadline_due_at"),
    deadlines.c.seq.label("deadline_seq"),
    deadlines.c.step.label("deadline_step"),
)

SEALED: Mapping[Table, tuple[str, ...]] = {
    actions: ("proposal", "judged", "decision_note", "rejection", "outcome", "emergency"),
    versions: ("payload", "comment"),
    votes: ("comment",),
    reassignments: ("reason",),
}
"""The columns that may hold somebody's data or words. All others hold ids, digests, names, numbers and times."""


def place(table: Table, column: str, row: Mapping[str, Any]) -> str:
    """Where a sealed text stands within its action; it opens nowhere else. A payload is bound to its digest, too."""
    match table.name:
        case "actions":
            return column
        case "versions" if column == "payload":
            return f"payload/{row['number']}/{row['payload_sha256']}"
        case "versions":
            return f"edit/{row['number']}"
        case _:
            return f"{table.name}/{row['seq']}"


def sealed(table: Table, row: dict[str, Any], seal: Seal) -> dict[str, Any]:
    """The row with its sensitive columns sealed, as far as it has them."""
    for column in SEALED[table]:
        text = row.get(column)
        if text is not None:
            row[column] = seal.close(text, place(table, column, row))
    return row


WHOLE: Select[Any] = select(actions, *_FIRST, *_DEADLINE).select_from(
    actions.join(versions, (versions.c.action_id == actions.c.id) & (versions.c.number == 1)).outerjoin(
        deadlines, deadlines.c.action_id == actions.c.id
    )
)
"""Actions with version 1 and the armed deadline: all there is to most of them."""


def fixed_columns(record: ActionRecord, seal: Seal) -> dict[str, Any]:
    """What never changes once stored; the payload is not among it, it is version 1's."""
    proposal, agent = record.proposal, record.agent
    row = {
        "id": record.id,
        "agent_id": agent.id,
        "agent_name": agent.name,
        "team": agent.team,
        "topic": proposal.topic,
        "tool": proposal.tool,
        "environment": proposal.environment,
        "payload_sha256": record.proposed.payload_sha256,
        "created_at": record.created_at,
        "agent": _agent(agent),
        "proposal": codec.PROPOSAL.dumps(proposal),
        "data_key": seal.data_key,
    }
    return sealed(actions, row, seal)


@lru_cache(maxsize=1_024)
def _agent(agent: Agent) -> str:
    """The same agent proposes many actions."""
    return codec.AGENT.dumps(agent)


def changing_columns(record: ActionRecord, before: ActionRecord | None, seal: Seal) -> dict[str, Any]:
    """What a save writes; documents that are the same objects as `before`'s are left alone."""
    columns: dict[str, Any] = {
        "revision": record.revision,
        "status": record.status.value,
        "sla_at": record.sla_at,
        "decided_at": record.decided_at,
        "decided_by": record.decided_by,
        "decision_note": record.decision_note,
        "version": len(record.versions),
        "votes": len(record.votes),
        "reassignments": len(record.reassignments),
        "escalation_step": record.escalation_step,
        "breached": record.breached,
        "held": record.held,
        "redeemed_jti": record.redeemed_jti,
        "report_by": record.report_by,
        "grants_revoked": record.grants_revoked,
        "revoked_by": record.revoked_by,
        "rejection": None if record.rejection is None else codec.REJECTION.dumps(record.rejection),
        "outcome": None if record.outcome is None else codec.OUTCOME.dumps(record.outcome),
        "joined": record.joined,
        "emergency": None if record.emergency is None else codec.EMERGENCY.dumps(record.emergency),
    }
    if before is None or record.verdict is not before.verdict:
        effective = record.verdict.effective
        columns |= {
            "risk": effective.risk.value,
            "amount_usd": effective.amount_usd,
            "affected_users": effective.affected_users,
            "verdict": codec.VERDICT.dumps(_without_quotes(record.verdict)),
        }
    if before is None or record.plan is not before.plan:
        columns["plan"] = None if record.plan is None else codec.PLAN.dumps(_without_evidence(record.plan))
    if before is None or record.verdict is not before.verdict or record.plan is not before.plan:
        columns["judged"] = _judged(record)
    if before is None or record.asked is not before.asked:
        columns["asked"] = codec.NAMES.dumps(record.asked) if record.asked else _NOBODY
    if before is None or record.called is not before.called:
        columns["called"] = codec.NAMES.dumps(record.called) if record.called else _NOBODY
    return sealed(actions, columns, seal)


def _without_evidence(plan: ApprovalPlan) -> ApprovalPlan:
    return replace(plan, evidence=()) if plan.evidence else plan


def _without_quotes(verdict: Verdict) -> Verdict:
    """The verdict as it may be read by everybody: nothing in it comes from the proposal."""
    plan = verdict.plan
    if not verdict.trigger and verdict.subjects is None and (plan is None or not plan.evidence):
        return verdict
    reason = verdict.reason
    if reason.startswith(OUTSIDE) and reason.endswith(f": {verdict.trigger}"):
        reason = reason.removesuffix(verdict.trigger)  # what broke the constraint stands in the trigger
    plan = None if plan is None else _without_evidence(plan)
    return replace(verdict, reason=reason, trigger="", plan=plan, subjects=None)


def _judged(record: ActionRecord) -> str | None:
    verdict, plan = record.verdict, record.plan
    if plan is None and verdict.plan is None and verdict.subjects is None and not verdict.trigger:
        return None  # as of all that policy lets through
    quoted = codec.Judged(
        trigger=verdict.trigger,
        evidence=() if verdict.plan is None else verdict.plan.evidence,
        asked_with=() if plan is None else plan.evidence,
        subjects=verdict.subjects,
    )
    return None if quoted == _NOTHING else codec.JUDGED.dumps(quoted)


_NOTHING = codec.Judged()
_NOBODY = codec.NAMES.dumps(())


def version_row(action_id: str, version: Version, seal: Seal) -> dict[str, Any]:
    row = {
        "action_id": action_id,
        "number": version.number,
        "payload": codec.OBJECT.dumps(version.payload),
        "payload_sha256": version.payload_sha256,
        "policy_digest": version.policy_digest,
        "rule": version.rule,
        "created_at": version.created_at,
        "editor": version.editor,
        "comment": version.comment,
    }
    return sealed(versions, row, seal)


def vote_row(action_id: str, seq: int, vote: Vote, seal: Seal) -> dict[str, Any]:
    row = {
        "action_id": action_id,
        "seq": seq,
        "version": vote.version,
        "person": vote.person,
        "choice": vote.choice.value,
        "at": vote.at,
        "comment": vote.comment,
        "on_behalf_of": vote.on_behalf_of,
    }
    return sealed(votes, row, seal)


def reassignment_row(action_id: str, seq: int, reassignment: Reassignment, seal: Seal) -> dict[str, Any]:
    row = {
        "action_id": action_id,
        "seq": seq,
        "by": reassignment.by,
        "to": codec.NAMES.dumps(reassignment.to),
        "reason": reassignment.reason,
        "at": reassignment.at,
    }
    return sealed(reassignments, row, seal)


def deadline_row(action_id: str, deadline: Deadline) -> dict[str, Any]:
    return {
        "action_id": action_id,
        "kind": deadline.kind.value,
        "due_at": deadline.due_at,
        "seq": deadline.seq,
        "step": deadline.step,
    }


def to_record(
    row: Row[Any],
    later: Sequence[Row[Any]],
    cast: Sequence[Row[Any]],
    handed_on: Sequence[Row[Any]],
    seal: Seal,
) -> ActionRecord:
    """The record of a `WHOLE` row, its versions from the second on, its votes and its reassignments, each in order.

    What was added after the row was read (at READ COMMITTED each statement sees the newest) is left out: the
    record is the one of its revision. Raises `UnreadableRow` naming the action where something in it cannot be
    opened, decoded or is missing.
    """
    where = f"Action {row.id}"
    later, cast = later[: row.version - 1], cast[: row.votes]
    handed_on = handed_on[: row.reassignments]

    def opened(column: str) -> str | None:
        text = getattr(row, column)
        return None if text is None else seal.open(text, column, where)

    first = _version(
        {
            "number": 1,
            "payload": row.first_payload,
            "payload_sha256": row.payload_sha256,
            "policy_digest": row.first_policy_digest,
            "rule": row.first_rule,
            "created_at": row.first_created_at,
            "editor": row.first_editor,
            "comment": row.first_comment,
        },
        seal,
        where,
    )
    verdict = codec.VERDICT.loads(row.verdict, where)
    plan = None if row.plan is None else codec.PLAN.loads(row.plan, where)
    if (quotes := opened("judged")) is not None:
        judged = codec.JUDGED.loads(quotes, where)
        cut = verdict.reason.startswith(OUTSIDE) and verdict.reason.endswith(": ")
        reason = verdict.reason + judged.trigger if cut else verdict.reason
        verdict = replace(
            verdict,
            reason=reason,
            trigger=judged.trigger,
            subjects=judged.subjects,
            plan=None if verdict.plan is None else replace(verdict.plan, evidence=judged.evidence),
        )
        plan = None if plan is None else replace(plan, evidence=judged.asked_with)
    rejection, outcome, emergency = opened("rejection"), opened("outcome"), opened("emergency")
    record = ActionRecord(
        id=row.id,
        agent=codec.AGENT.loads(row.agent, where),
        proposal=codec.PROPOSAL.loads(opened("proposal") or "", where, payload=first.payload),
        verdict=verdict,
        status=_member(Status, row.status, where),
        created_at=row.created_at,
        versions=(first, *(_version(_named(each), seal, where) for each in later)),
        revision=row.revision,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        decision_note=opened("decision_note"),
        plan=plan,
        votes=tuple(_vote(_named(each), seal, where) for each in cast),
        reassignments=tuple(_reassignment(_named(each), seal, where) for each in handed_on),
        asked=codec.NAMES.loads(row.asked, where),
        called=codec.NAMES.loads(row.called, where),
        deadline=_deadline(row, where),
        sla_at=row.sla_at,
        escalation_step=row.escalation_step,
        breached=row.breached,
        held=row.held,
        rejection=None if rejection is None else codec.REJECTION.loads(rejection, where),
        redeemed_jti=row.redeemed_jti,
        report_by=row.report_by,
        grants_revoked=row.grants_revoked,
        revoked_by=row.revoked_by,
        outcome=None if outcome is None else codec.OUTCOME.loads(outcome, where),
        joined=row.joined,
        emergency=None if emergency is None else codec.EMERGENCY.loads(emergency, where),
        shredded=None if row.shredded_at is None else Shredding(at=row.shredded_at, by=row.shredded_by or ""),
    )
    counted = (len(record.versions), len(record.votes), len(record.reassignments))
    if counted != (row.version, row.votes, row.reassignments):
        raise UnreadableRow(where, "a version, vote or reassignment is missing")
    return record


def _named(row: Row[Any]) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", row._asdict())


def _version(row: Mapping[str, Any], seal: Seal, where: str) -> Version:
    where = f"{where}, version {row['number']}"
    return Version(
        number=row["number"],
        payload=codec.OBJECT.loads(seal.open(row["payload"], place(versions, "payload", row), where), where),
        payload_sha256=row["payload_sha256"],
        policy_digest=row["policy_digest"],
        rule=row["rule"],
        created_at=row["created_at"],
        editor=row["editor"],
        comment=_words(versions, "comment", row, seal, where),
    )


def _vote(row: Mapping[str, Any], seal: Seal, where: str) -> Vote:
    return Vote(
        person=row["person"],
        choice=_member(Choice, row["choice"], where),
        version=row["version"],
        at=row["at"],
        comment=_words(votes, "comment", row, seal, where),
        on_behalf_of=row["on_behalf_of"],
    )


def _reassignment(row: Mapping[str, Any], seal: Seal, where: str) -> Reassignment:
    return Reassignment(
        by=row["by"],
        to=codec.NAMES.loads(row["to"], where),
        reason=_words(reassignments, "reason", row, seal, where) or "",
        at=row["at"],
    )


def _words(table: Table, column: str, row: Mapping[str, Any], seal: Seal, where: str) -> str | None:
    text = row[column]
    return None if text is None else seal.open(text, place(table, column, row), where)


def _deadline(row: Row[Any], where: str) -> Deadline | None:
    if row.deadline_kind is None:
        return None
    return Deadline(
        kind=_member(DeadlineKind, row.deadline_kind, where),
        due_at=row.deadline_due_at,
        seq=row.deadline_seq,
        step=row.deadline_step,
    )


def _member(kind: type[E], value: str, where: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise UnreadableRow(where, f"it holds an unknown {kind.__name__}") from None


def grouped(rows: Sequence[Row[Any]]) -> dict[str, list[Row[Any]]]:
    """Rows by their `action_id`, in the order given."""
    by_action: dict[str, list[Row[Any]]] = {}
    for row in rows:
        by_action.setdefault(row.action_id, []).append(row)
    return by_action
