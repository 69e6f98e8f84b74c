"""Action documents as a gate writes them, for tests without one."""

from __future__ import annotations

from typing import Any

from gate.contract.action import ActionDocument
from gate.contract.canonical import payload_sha256


def document(payload: dict[str, Any] | None = None, **changes: Any) -> ActionDocument:
    """An allowed action, changed."""
    what = {"order": "881"} if payload is None else payload
    digest = payload_sha256(what)
    whole: dict[str, Any] = {
        "id": "act_1",
        "status": "allowed",
        "decision": "allow",
        "reason": "Harmless",
        "rule": "free",
        "policy": {"version": "v1", "digest": "sha256:0"},
        "topic": "crm.read",
        "agent": "bot",
        "created_at": "2026-11-02T09:00:00.000000Z",
        "decided_at": None,
        "risk": "low",
        "risk_tags": [],
        "constraints": None,
        "remediations": [],
        "retry_after_sec": None,
        "version": 1,
        "payload": what,
        "payload_sha256": digest,
        "proposed_payload_sha256": digest,
        "edited": False,
        "approval": None,
        "grant": None,
        "outcome": None,
        "links": {"self": "/v1/actions/act_1", "audit": "/v1/audit/records?action=act_1"},
    }
    return ActionDocument.model_validate(whole | changes)
