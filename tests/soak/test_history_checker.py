"""The judge of the fault campaign sees each kind of broken promise, and nothing in a sound history."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.soak.campaign.history import Evidence, Json, problems

SIGNER = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
ORIGIN = "signoff/test"
FIRST, EDITED = "a" * 64, "b" * 64


def record(kind: str, revision: int, status: str, actor: str = "policy", **detail: Any) -> Json:
    common = {"revision": revision, "status": status, "version": 1, "payload_sha256": FIRST}
    at = f"2026-11-28T08:00:{revision:02d}.000000Z"
    return {"kind": kind, "action": "act_1", "actor": actor, "at": at, "detail": common | detail, "v": 1}


def of(action: str, *records: Json) -> list[Json]:
    return [each | {"action": action} for each in records]


EDIT = {"version": 2, "payload_sha256": EDITED}
ASKED = of(
    "act_1",
    record("approval.requested", 1, "pending", risk="high", quorum=2),
    record("approval.vote", 2, "pending", "person:ana", counted=["ana"]),
    record("approval.edited", 3, "pending", "person:bo", **EDIT),
    record("approval.vote", 4, "pending", "person:bo", counted=["bo"], **EDIT),
    record("approval.granted", 5, "approved", "person:ana", counted=["bo", "ana"], **EDIT),
    record("grant.issued", 6, "approved", "agent:agt_1", jti="grt_1", expires_at=1795852900, **EDIT),
    record("grant.redeemed", 7, "approved", "agent:agt_1", jti="grt_1", **EDIT),
)
LATE = of(
    "act_2",
    record("approval.requested", 1, "pending", risk="medium", quorum=1),
    record("approval.escalated", 2, "pending", "timer", seq=1, late_ms=4),
    record("approval.expired", 3, "expired", "timer", seq=2, late_ms=900),
)
SEEN = [
    {"saw": "answer", "key": "k1", "action": "act_1", "sha256": FIRST, "first": FIRST, "topic": "work.pair"},
    {"saw": "answer", "key": "k2", "action": "act_2", "sha256": FIRST, "first": FIRST, "topic": "work.brief"},
    {"saw": "document", "action": "act_1", "status": "approved", "version": 2, "sha256": EDITED},
    {"saw": "vote", "person": "ana", "action": "act_1", "vote": "approve"},
    {"saw": "redeemed", "action": "act_1", "version": 2, "sha256": EDITED},
]


def callback(action: str, status: str, *, taken: bool = True, at: float = 100.0) -> Json:
    kind = f"io.signoff.action.{status}.v1"
    stamp = int(at)
    return {
        "id": f"msg_{action}",
        "type": kind,
        "action": action,
        "at": at,
        "timestamp": stamp,
        "taken": taken,
    }


def card(action: str, text: str) -> Json:
    metadata = {"event_type": "signoff_card", "event_payload": {"action_id": action}}
    return {"metadata": metadata, "text": text, "blocks": [{"type": "section"}]}


def root(leaves: list[bytes]) -> bytes:
    """RFC 9162, by its recursive definition."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:half]) + root(leaves[half:])).digest()


def signed(leaves: list[Json], size: int) -> str:
    top = base64.b64encode(root([bytes.fromhex(leaf["hash"]) for leaf in leaves[:size]])).decode()
    text = f"{ORIGIN}\n{size}\n{top}\n"
    packed = base64.b64encode(b"\0\0\0\0" + SIGNER.sign(text.encode())).decode()
    return f"{text}\n\u2014 {ORIGIN} {packed}\n"


def sealed(evidence: Evidence) -> Evidence:
    """Number the records as they are now, and sign them."""
    evidence.leaves = []
    for position, each in enumerate(evidence.records):
        canonical = json.dumps(each, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(b"\0" + canonical.encode()).hexdigest()
        evidence.leaves.append(
            {"leaf": position, "record": position + 1, "hash": digest, "canonical": canonical}
        )
    evidence.size = len(evidence.leaves)
    evidence.notes = [signed(evidence.leaves, evidence.size)]
    evidence.kept = [signed(evidence.leaves, size) for size in (1, 6)]
    return evidence


def sound() -> Evidence:
    public = base64.b64encode(b"\1" + SIGNER.public_key().public_bytes_raw()).decode()
    found = Evidence(
        keys=[f"{ORIGIN}+00000000+{public}"],
        records=copy.deepcopy(ASKED + LATE),
        seen=copy.deepcopy(SEEN),
        callbacks=[callback("act_1", "approved"), callback("act_2", "expired")],
        messages=[card("act_1", "Approved by Ana"), card("act_2", "Expired: nobody decided")],
    )
    return sealed(found)


def test_a_sound_history_has_no_problems() -> None:
    assert problems(sound()) == []


def _insert(index: int, kind: str, status: str, actor: str, **detail: Any) -> Callable[[Evidence], None]:
    """One record more, and the revisions after it counted on."""

    def change(left: Evidence) -> None:
        extra = record(kind, 0, status, actor, **detail) | {"action": left.records[index - 1]["action"]}
        left.records.insert(index, extra)
        _count(left)

    return change


def _count(left: Evidence) -> None:
    for action in {each["action"] for each in left.records}:
        story = [each for each in left.records if each["action"] == action]
        for number, each in enumerate(story, 1):
            each["detail"]["revision"] = number


def _detail(index: int, **detail: Any) -> Callable[[Evidence], None]:
    return lambda left: left.records[index]["detail"].update(detail)


def _drop(index: int) -> Callable[[Evidence], None]:
    def change(left: Evidence) -> None:
        del left.records[index]
        _count(left)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_insert(7, "action.cancelled", "cancelled", "agent:agt_1", **EDIT), "INV-01"),
        (_insert(7, "approval.rejected", "rejected", "person:bo", **EDIT), "INV-02"),
        (_insert(4, "approval.vote", "pending", "person:bo", counted=["bo"], **EDIT), "INV-04"),
        (lambda left: left.records[3].update(actor="person:own"), "INV-05"),
        (_detail(4, counted=["ana"]), "INV-08"),
        (_insert(1, "approval.timeout_allowed", "approved", "timer", seq=9, late_ms=0), "INV-09"),
        (_detail(3, counted=["ana", "bo"]), "INV-10"),
        (_detail(6, payload_sha256=FIRST), "INV-11"),
        (_insert(6, "grant.issued", "approved", "agent:agt_1", jti="x", expires_at=1, **EDIT), "INV-18"),
        (_insert(7, "grant.redeemed", "approved", "agent:agt_1", jti="grt_1", **EDIT), "INV-19"),
        (_detail(5, expires_at=1), "INV-20"),
        (_insert(1, "grant.issued", "pending", "agent:agt_1", jti="y", expires_at=1), "INV-23"),
        (_drop(9), "INV-24"),
        (_detail(9, seq=1), "INV-25"),
        (lambda left: left.records[8]["detail"].pop("late_ms"), "INV-26"),
        (_detail(8, late_ms=-1), "INV-31"),
        (_detail(2, revision=9), "INV-44"),
        (_drop(0), "INV-45"),
    ],
)
def test_a_broken_rule_is_found_in_the_record(change: Callable[[Evidence], None], says: str) -> None:
    left = sound()
    change(left)
    assert any(problem.startswith(says) or f", {says}" in problem for problem in problems(sealed(left)))


def _renumbered(left: Evidence) -> None:
    left.leaves[3]["leaf"] = 2


def _edited(left: Evidence) -> None:
    left.leaves[3]["canonical"] = left.leaves[3]["canonical"].replace("person:bo", "person:eve")


def _rewritten(left: Evidence) -> None:
    kept = left.kept
    left.records[0]["detail"]["risk"] = "low"
    sealed(left)
    left.kept = kept


def _cut(left: Evidence) -> None:
    kept = [*left.kept, *left.notes]
    left.records = left.records[:8]
    sealed(left)
    left.kept = kept


def _forged(left: Evidence) -> None:
    text, _, _ = left.notes[0].partition("\n\n")
    left.notes = [f"{text}\n\n\u2014 {ORIGIN} {base64.b64encode(bytes(68)).decode()}\n"]


def _second_action(left: Evidence) -> None:
    left.seen.append(left.seen[1] | {"key": "k1"})


def _second_id(left: Evidence) -> None:
    left.callbacks.append(left.callbacks[0] | {"id": "msg_other"})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_renumbered, "INV-47"),
        (_edited, "INV-48: leaf 3"),
        (_rewritten, "is of another record"),
        (_cut, "the record is shorter"),
        (_forged, "no good signature"),
        (_second_action, "INV-40"),
        (lambda left: left.seen.append(left.seen[0] | {"action": "act_9"}), "INV-43, INV-45"),
        (lambda left: left.seen.pop(1), "INV-42"),
        (lambda left: left.seen[0].update(sha256="c" * 64), "INV-41"),
        (lambda left: left.seen[2].update(status="rejected"), "INV-23, INV-43"),
        (lambda left: left.seen[2].update(status="pending", version=1, sha256=EDITED), "INV-23, INV-43"),
        (lambda left: left.seen[3].update(person="chi"), "INV-43: chi"),
        (lambda left: left.seen[4].update(sha256=FIRST), "INV-21"),
        (lambda left: left.seen.append(left.seen[4]), "INV-19: 2"),
        (lambda left: left.seen[4].update(action="act_2"), "INV-43: the redemption"),
        (_second_id, "INV-39"),
        (lambda left: left.callbacks[0].update(timestamp=1), "INV-39"),
        (lambda left: left.callbacks[1].update(taken=False), "INV-34: nobody was told"),
        (lambda left: left.callbacks.append(callback("act_9", "denied")), "INV-33"),
        (lambda left: left.messages.append(card("act_9", "Denied")), "INV-33"),
        (lambda left: left.messages.append(left.messages[0]), "2 cards"),
        (lambda left: left.messages.pop(), "0 cards"),
        (lambda left: left.messages[0].update(text="Rejected by Bo"), "its card says"),
        (lambda left: left.messages[0]["blocks"].append({"type": "actions"}), "its card has buttons"),
    ],
)
def test_what_the_outside_saw_is_held_against_the_record(
    change: Callable[[Evidence], None], says: str
) -> None:
    left = sound()
    change(left)
    assert any(says in problem for problem in problems(left)), problems(left)
