"""From a stored action to the document every endpoint and callback shows; who may see it is decided before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from gate.contract.action import ActionDocument
from gate.domain.action import Json
from gate.domain.audit import timestamp
from gate.domain.request import ActionRecord, Grant
from gate.domain.second_review import veiled
from gate.domain.verdict import ApprovalPlan


def to_document(record: ActionRecord, *, grant: Grant | None = None, base: str = "") -> ActionDocument:
    """The document of API.md. `grant` is the live one where the reader is the proposing agent, else None;
    `base` (no trailing slash) makes the links absolute for readers outside this server. A blind second review does
    not show in it until it is decided."""
    return ActionDocument.model_validate(_fields(record, grant, base))


def written(record: ActionRecord, *, grant: Grant | None = None) -> bytes:
    """The same document as JSON, without looking over once more what was put into it: every answer to a proposal is
    one."""
    try:
        return orjson.dumps(_fields(record, grant, ""), default=_plain)
    except TypeError:  # what the fast encoder refuses, such as integers of more than 64 bits
        return to_document(record, grant=grant).model_dump_json().encode()


def link_to(record: ActionRecord, *, base: str = "") -> str:
    """Where the action is read."""
    return f"{base}/v1/actions/{record.id}"


def _fields(record: ActionRecord, grant: Grant | None, base: str) -> dict[str, Json]:
    record = veiled(record)
    verdict = record.verdict
    effective = verdict.effective
    version = record.version
    return {
        "id": record.id,
        "status": record.status.value,
        "decision": verdict.decision.value,
        "reason": verdict.reason,
        "rule": verdict.rule,
        "policy": {"version": verdict.policy_version, "digest": verdict.policy_digest},
        "topic": record.proposal.topic,
        "agent": record.agent.name,
        "created_at": timestamp(record.created_at),
        "decided_at": None if record.decided_at is None else timestamp(record.decided_at),
        "risk": effective.risk.value,
        "risk_tags": sorted(effective.risk_tags),
        "constraints": dict(verdict.constraints) or None,
        "remediations": [
            {"id": item.id, "title": item.title, "replacement_topic": item.replacement_topic}
            for item in verdict.remediations
        ],
        "retry_after_sec": verdict.retry_after_sec,
        "version": version.number,
        "payload": dict(version.payload) if record.shredded is None else None,
        "payload_sha256": version.payload_sha256,
        "proposed_payload_sha256": record.proposed.payload_sha256,
        "edited": record.edited,
        "approval": None if record.plan is None else _approval(record, record.plan),
        "grant": None if grant is None else {"token": grant.token, "expires_at": timestamp(grant.expires_at)},
        "outcome": _outcome(record),
        "shredded": _shredded(record),
        "links": {
            "self": link_to(record, base=base),
            "audit": f"{base}/v1/audit/records?action={record.id}",
        },
    }


def _plain(value: Any) -> Json:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Json]", value))
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _approval(record: ActionRecord, plan: ApprovalPlan) -> dict[str, Json]:
    rejection = record.rejection
    return {
        "required": plan.quorum,
        "deadline": None if record.sla_at is None else timestamp(record.sla_at),
        "escalation_step": record.escalation_step,
        "held": record.held,
        "votes": [
            {
                "person": vote.person,
                "vote": vote.choice.value,
                "version": vote.version,
                "at": timestamp(vote.at),
                "on_behalf_of": vote.on_behalf_of,
                "comment": vote.comment,
            }
            for vote in record.votes
        ],
        "reject": None
        if rejection is None
        else {"category": rejection.category, "comment": rejection.comment},
        "break_glass": _break_glass(record),
    }


def _break_glass(record: ActionRecord) -> dict[str, Json] | None:
    emergency = record.emergency
    if emergency is None:
        return None
    return {
        "person": emergency.person,
        "reason": emergency.reason,
        "until": timestamp(emergency.until),
        "review": emergency.state,
    }


def _shredded(record: ActionRecord) -> dict[str, Json] | None:
    gone = record.shredded
    return None if gone is None else {"at": timestamp(gone.at), "by": gone.by}


def _outcome(record: ActionRecord) -> dict[str, Json] | None:
    outcome = record.outcome
    if outcome is None:
        return None
    return {
        "result": outcome.result.value,
        "detail": outcome.detail,
        "defect": outcome.defect,
        "incident": outcome.incident,
        "at": timestamp(outcome.at),
        "reporter": outcome.reporter,
    }
