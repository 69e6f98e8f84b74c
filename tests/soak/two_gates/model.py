"""What an action must look like after everything that was done to it: a pure model, made from the contract alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

NEEDED = {"work.lane": 1, "work.pair": 2, "work.critical": 2}
"""How many people each topic asks; of the others policy decides at once."""
TOPICS = (*NEEDED, "work.free", "work.never")
OWNER = "own"
REVIEWERS = ("ana", "bo", "chi")
"""Two who are asked, and one of the group that may decide anything."""
RELEASED = ("allowed", "approved")

POLICY = """
version: v1
fatigue_controls: {digest_above: 1000}
rules:
  - {id: lane, match: {topics: ["work.lane"]}, decision: require_approval, risk: medium, reason: Is looked at,
     approval: {groups: [reviewers], sla: 12h, channel: "#lane-0"}}
  - {id: pair, match: {topics: ["work.pair"]}, decision: require_approval, risk: high, reason: Two people agree,
     approval: {groups: [reviewers], quorum: 2, sla: 12h, channel: "#lane-1"}}
  - {id: critical, match: {topics: ["work.critical"]}, decision: require_approval, risk: critical, reason: Two of them,
     approval: {groups: [reviewers], sla: 12h, channel: "#lane-2"}}
  - {id: free, match: {topics: ["work.free"]}, decision: allow, reason: Harmless}
  - {id: never, match: {topics: ["work.never"]}, decision: deny, reason: Never}
"""


def digest(payload: Json) -> str:
    """SHA-256 over RFC 8785, for payloads of ASCII strings and small integers."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass
class Act:
    """One action. `kinds` is its record, in order; each method says what an act has to be answered."""

    id: str
    body: Json
    key: str | None
    status: str
    kinds: list[str]
    payload: Json
    version: int = 1
    votes: list[str] = field(default_factory=list)
    """Who approved the version that stands, in order."""
    rejected_by: str | None = None
    minted: bool = False
    token: str | None = None
    redeemed: bool = False
    revoked: bool = False
    result: str | None = None

    @property
    def topic(self) -> str:
        return self.body["topic"]

    @property
    def pending(self) -> bool:
        return self.status == "pending"

    @property
    def released(self) -> bool:
        return self.status in RELEASED

    @property
    def audience(self) -> str:
        return self.body.get("audience", "executors")

    def approve(self, person: str) -> bool:
        """Whether it counts."""
        if not self.pending or person == OWNER or person in self.votes:
            return False
        self.votes.append(person)
        if len(self.votes) < NEEDED[self.topic]:
            self.kinds.append("approval.vote")
        else:
            self.status = "approved"
            self.kinds.append("approval.granted")
        return True

    def reject(self, person: str) -> bool:
        if not self.pending or person == OWNER:
            return False
        self.status, self.rejected_by = "rejected", person
        self.kinds.append("approval.rejected")
        return True

    def edit(self, person: str, payload: Json, *, approving: bool) -> bool:
        if not self.pending or person == OWNER or payload == self.payload:
            return False
        self.version += 1
        self.payload = payload
        self.votes.clear()
        self.kinds.append("approval.edited")
        if approving:
            self.approve(person)
        return True

    def join(self) -> bool:
        if not self.pending:
            return False
        self.kinds.append("approval.joined")
        return True

    def cancel(self) -> int:
        """The status of the answer."""
        if not self.pending:
            return 409
        self.status = "cancelled"
        self.kinds.append("action.cancelled")
        return 200

    def collectable(self) -> bool:
        """Whether its agent is given a grant now; the first time one is minted."""
        if not self.released or self.redeemed or self.revoked:
            return False
        if not self.minted:
            self.minted = True
            self.kinds.append("grant.issued")
        return True

    def redeem(self, audience: str, sha256: str) -> str:
        """The code of the refusal, or nothing where it may be executed."""
        if audience != self.audience:
            return "audience_mismatch"
        if sha256 != digest(self.payload):
            return "payload_mismatch"
        if self.redeemed:
            return "grant_redeemed"
        if self.revoked:
            return "grant_revoked"
        self.redeemed = True
        self.kinds.append("grant.redeemed")
        return ""

    def report(self, result: str) -> str:
        """The code of the refusal, or nothing. The same again changes nothing; `unknown` may be settled."""
        if not self.redeemed:
            return "not_approved"
        if self.result == result:
            return ""
        if self.result not in (None, "unknown"):
            return "outcome_reported"
        self.result = result
        self.kinds.append("outcome.reported")
        return ""

    def revoke(self) -> bool:
        if not self.released or self.redeemed or self.revoked:
            return False
        self.revoked = True
        self.kinds.append("grant.revoked")
        return True


def proposed(body: Json, key: str | None, action_id: str) -> Act:
    """What a new proposal becomes."""
    topic = body["topic"]
    status, kinds = {
        "work.free": ("allowed", ["action.allowed", "grant.issued"]),
        "work.never": ("denied", ["action.denied"]),
    }.get(topic, ("pending", ["approval.requested"]))
    return Act(
        id=action_id,
        body=body,
        key=key,
        status=status,
        kinds=list(kinds),
        payload=dict(body["payload"]),
        minted=topic == "work.free",
    )
