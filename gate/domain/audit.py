"""The audit record: one per transition, as canonical bytes with a digest; numbering it is the store's work."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring as _string
from typing import cast

from gate.domain.action import Json


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRecord:
    """What happened, to what, by whom, when.

    `kind` is one of `KINDS`. `actor` is `person:ID`, `agent:ID`, `timer`, `policy` or `operator:NAME`. `detail` holds
    codes, ids, digests, counts and times only: no payload, no free text, no personal data, no secret; integers,
    strings, booleans, None and lists or maps of them, never floats, so that its canonical form is unambiguous.
    """

    kind: str
    actor: str
    at: datetime
    action: str | None = None
    detail: Mapping[str, Json]
    _canonical: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def canonical(self) -> bytes:
        """The bytes that are digested: JSON with sorted keys and no white space, UTF-8. Made once.

        For values without floats and with ASCII keys, as demanded above, this equals RFC 8785.
        """
        made = self._canonical
        if made is None:
            made = _encoded(self)
            object.__setattr__(self, "_canonical", made)
        return made


KINDS: Mapping[str, str] = {
    "action.allowed": "Policy released a proposed action at once.",
    "action.denied": "Policy refused a proposed action.",
    "action.throttled": "Policy refused a proposed action for now.",
    "approval.requested": "A proposed action waits for people.",
    "approval.vote": "A person agreed; more people are needed.",
    "approval.joined": "An equal proposal joined the one that waits.",
    "approval.rebalanced": "Others were asked in place of somebody who needs a break.",
    "approval.granted": "Enough different people agreed.",
    "approval.rejected": "A person said no.",
    "approval.edited": "A person changed the payload; votes were voided.",
    "approval.reassigned": "A person asked others to decide.",
    "approval.escalated": "A ladder step asked its people.",
    "approval.sla_breach": "Nobody decided in time.",
    "approval.repaged": "A held request paged again.",
    "approval.expired": "The request ended undecided and is refused.",
    "approval.timeout_allowed": "A low-risk request was released because nobody objected in time.",
    "approval.break_glass": "A person released it in an emergency, without the people policy asks for.",
    "review.overdue": "Nobody looked at an emergency release in time.",
    "review.closed": "A supervisor looked at an emergency release.",
    "action.cancelled": "The proposing agent took the request back.",
    "action.unmasked": "A reviewer was shown what policy masks.",
    "action.shredded": "An operator destroyed the content of a finished action.",
    "grant.issued": "A grant was minted for a released version.",
    "grant.redeemed": "An executor used a grant.",
    "grant.expired": "A grant ran out unredeemed and was replaced.",
    "grant.revoked": "A person or an operator took back the release of a version.",
    "outcome.reported": "The executor said what came of it.",
    "outcome.overdue": "Nobody said in time what came of it: the outcome is unknown.",
    "policy.loaded": "A policy snapshot became the current one.",
    "record.pruned": "What was past its retention was taken out; a bundle has it.",
    "key.rotated": "The gate got a successor for one of its own keys.",
    "agent.added": "A key was made.",
    "agent.rotated": "A key was replaced.",
    "agent.revoked": "A key was revoked.",
    "delegation.granted": "A person lent their authority to another for a while.",
    "delegation.revoked": "One of the two ended a delegation before its time.",
    "person.pinned": "A person's immutable Slack identity was found and pinned.",
}
"""Every kind of audit record and what it says."""

NOTED: frozenset[str] = frozenset({"action.unmasked", "action.shredded"})
"""Kinds that are noted of an action and leave it as it is."""


@lru_cache(maxsize=64)
def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds, the one form used in records and answers. The same moment is mostly said
    several times: by the record, by the action and by the answer."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


canonical_bytes = AuditRecord.canonical


def _encoded(record: AuditRecord) -> bytes:
    return (
        f'{{"action":{_text(record.action)},"actor":{_string(record.actor)},"at":"{timestamp(record.at)}",'
        f'"detail":{_text(record.detail)},"kind":{_text(record.kind)},"v":1}}'
    ).encode()


def _text(value: Json) -> str:
    """JSON as the standard encoder writes it with sorted keys, in a quarter of its time: each transition pays for it.
    ValueError for a float, TypeError for what is no JSON."""
    if type(value) is str:
        return _string(value)
    if type(value) is int:
        return str(value)
    if isinstance(value, Mapping):
        held = sorted(cast("Mapping[str, Json]", value).items())
        texts = [f"{_string(key)}:{_string(v) if type(v) is str else _text(v)}" for key, v in held]
        return f"{{{','.join(texts)}}}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{','.join([_text(each) for each in cast('Sequence[Json]', value)])}]"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        raise ValueError("a record holds no floats")
    raise TypeError(f"{type(value).__name__} has no place in a record")


def digest(record: AuditRecord) -> str:
    """SHA-256 of the canonical bytes, lower-case hex."""
    return hashlib.sha256(canonical_bytes(record)).hexdigest()
