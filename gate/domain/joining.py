"""Equal proposals: what two must have in common to be one request, and what the second one does to the first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, cast

from gate.domain.action import Json, Proposal
from gate.domain.request import ActionRecord, DeadlineKind
from gate.domain.transitions import CARD, Change, move


def twin_of(proposal: Proposal, payload_sha256: str) -> str:
    """SHA-256 over everything a proposal says, less the run that says it: an agent that starts over and wants the
    same again asks the same question. Payloads are equal where their digests are."""
    alike = replace(proposal, payload={}, context=replace(proposal.context, run_id=None))
    said = json.dumps([payload_sha256, _plain(alike)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


def out_of_time(record: ActionRecord, now: datetime) -> bool:
    """Whether the time of a pending request is up though no timer has said so yet: what asks now would get no time of
    its own by joining it."""
    deadline = record.deadline
    if deadline is None or deadline.kind is DeadlineKind.REPAGE:
        return False
    ends = deadline.due_at if deadline.kind is DeadlineKind.EXTENDED else record.sla_at
    return ends is not None and ends <= now


def join(record: ActionRecord, *, now: datetime) -> Change:
    """One more equal proposal of a pending request's agent. Nobody is asked again and no deadline moves; the card
    says how often it was asked."""
    joined = record.joined + 1
    return move(
        record,
        "approval.joined",
        actor=f"agent:{record.agent.id}",
        now=now,
        detail={"joined": joined},
        intents=(CARD,),
        joined=joined,
    )


def _plain(value: Any) -> Json:
    """As JSON in which equal values are written alike."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(held) for key, held in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, frozenset):
        return sorted(cast("frozenset[str]", value))
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in cast("list[Any]", value)]
    return value
