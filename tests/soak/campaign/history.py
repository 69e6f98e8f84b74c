"""Judges what a campaign left: the exported audit bundle, the workspace, the clients' and the receiver's journals.

It shares no code with the gate: formats, hashes, signatures and rules are written here anew, from what is published.
`python -m tests.soak.campaign.history FOLDER` judges a folder again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Json = dict[str, Any]

BEGINS = {
    "action.allowed": "allowed",
    "action.denied": "denied",
    "action.throttled": "throttled",
    "approval.requested": "pending",
}
ENDS = {
    "approval.granted": "approved",
    "approval.timeout_allowed": "approved",
    "approval.break_glass": "approved",
    "approval.rejected": "rejected",
    "approval.expired": "expired",
    "action.cancelled": "cancelled",
}
OVER = frozenset({"allowed", "denied", "throttled", *ENDS.values()})
BY_TIMER = frozenset(
    {
        "approval.escalated",
        "approval.sla_breach",
        "approval.repaged",
        "approval.expired",
        "approval.timeout_allowed",
        "review.overdue",
    }
)
OWNER = "person:own"
QUORUM = {"work.pair": 2}
TICK_SEC = 1.0
"""Timestamps of callbacks are whole seconds."""


@dataclass
class Evidence:
    """Everything that is judged; `records` in the order of their numbers."""

    leaves: list[Json] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Checkpoints that somebody outside took while the campaign ran."""
    size: int = 0
    seen: list[Json] = field(default_factory=list)
    callbacks: list[Json] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    records: list[Json] = field(default_factory=list)

    def of_action(self) -> dict[str, list[Json]]:
        found: dict[str, list[Json]] = defaultdict(list)
        for record in self.records:
            if record["action"] is not None:
                found[record["action"]].append(record)
        return found


def gathered(folder: Path) -> Evidence:
    """What `folder` holds: bundle.jsonl, clients.jsonl, hooks.jsonl, slack.json, kept.txt."""
    evidence = Evidence()
    for line in _lines(folder / "bundle.jsonl"):
        if "bundle" in line:
            evidence.size = line["size"]
        elif "leaf" in line:
            evidence.leaves.append(line)
        elif "checkpoint" in line:
            evidence.notes.append(line["checkpoint"])
        elif "key" in line:
            evidence.keys.append(line["key"])
    evidence.records = [json.loads(leaf["canonical"]) for leaf in evidence.leaves]
    evidence.seen = list(_lines(folder / "clients.jsonl"))
    evidence.callbacks = list(_lines(folder / "hooks.jsonl"))
    evidence.messages = json.loads((folder / "slack.json").read_text(encoding="utf-8"))["messages"]
    kept = folder / "kept.txt"
    evidence.kept = [n for n in kept.read_text(encoding="utf-8").split("\0") if n] if kept.exists() else []
    return evidence


def _lines(path: Path) -> Iterator[Json]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def problems(evidence: Evidence) -> list[str]:
    """Every broken promise, as a sentence with its number."""
    stories = evidence.of_action()
    return [
        *_numbering(evidence),
        *_signatures(evidence),
        *_stories(stories),
        *_people(stories),
        *_grants(stories),
        *_timers(stories),
        *_answers(evidence, stories),
        *_votes(evidence, stories),
        *_redemptions(evidence, stories),
        *_callbacks(evidence, stories),
        *_cards(evidence, stories),
    ]


# -- the record as such -------------------------------------------------------------------------------------------


def _numbering(evidence: Evidence) -> Iterator[str]:
    positions = [leaf["leaf"] for leaf in evidence.leaves]
    if positions != list(range(evidence.size)):
        yield f"INV-47, INV-49: {len(positions)} numbers for {evidence.size} records, not each once and in order"
    twice = [record for record, n in Counter(leaf["record"] for leaf in evidence.leaves).items() if n > 1]
    if twice:
        yield f"INV-49: records {twice[:5]} were numbered twice"
    for leaf in evidence.leaves:
        if _leaf_hash(leaf["canonical"].encode()).hex() != leaf["hash"]:
            yield f"INV-48: leaf {leaf['leaf']} is not the hash of its record"


def _leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


class _Growing:
    """The roots of a Merkle tree (RFC 9162) at every size, while leaves are added."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        height, node = 0, leaf
        while self._peaks and self._peaks[-1][0] == height:
            node = hashlib.sha256(b"\1" + self._peaks.pop()[1] + node).digest()
            height += 1
        self._peaks.append((height, node))
        self.size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return hashlib.sha256(b"").digest()
        node = self._peaks[-1][1]
        for _, peak in reversed(self._peaks[:-1]):
            node = hashlib.sha256(b"\1" + peak + node).digest()
        return node


def _signatures(evidence: Evidence) -> Iterator[str]:
    """Each checkpoint is signed by the gate's key and says what the record's first `size` leaves hash to."""
    keys = [key.split("+", 2) for key in evidence.keys]
    signers = {
        name: Ed25519PublicKey.from_public_bytes(base64.b64decode(packed)[1:]) for name, _, packed in keys
    }
    wanted: dict[int, list[tuple[str, bytes]]] = defaultdict(list)
    for where, note in (
        *(("the record", note) for note in evidence.notes),
        *(("somebody outside", note) for note in evidence.kept),
    ):
        text, _, signed = note.partition("\n\n")
        lines = text.split("\n")
        if not _is_signed(f"{text}\n", signed, signers):
            yield f"INV-48: the checkpoint of size {lines[1]} kept by {where} has no good signature"
            continue
        wanted[int(lines[1])].append((where, base64.b64decode(lines[2])))
    tree = _Growing()
    for leaf in (None, *evidence.leaves):
        if leaf is not None:
            tree.add(bytes.fromhex(leaf["hash"]))
        for where, root in wanted.pop(tree.size, ()):
            if root != tree.root():
                yield f"INV-48: the checkpoint of size {tree.size} kept by {where} is of another record"
    for size in wanted:
        yield f"INV-48: there is a checkpoint of size {size}, and the record is shorter"


def _is_signed(text: str, signed: str, signers: dict[str, Ed25519PublicKey]) -> bool:
    for line in signed.splitlines():
        _, name, packed = line.split(" ")
        try:
            signers[name].verify(base64.b64decode(packed)[4:], text.encode())
        except (KeyError, InvalidSignature):
            continue
        return True
    return False


# -- stories of actions -------------------------------------------------------------------------------------------


def _stories(stories: dict[str, list[Json]]) -> Iterator[str]:
    for action, story in stories.items():
        details = [record["detail"] for record in story]
        revisions = [detail["revision"] for detail in details]
        if revisions != list(range(1, len(story) + 1)):
            yield f"INV-44: {action} has records of the revisions {revisions}"
        if story[0]["kind"] not in BEGINS:
            yield f"INV-45: {action} begins with {story[0]['kind']}"
            continue
        status, ended = BEGINS[story[0]["kind"]], 0
        version, digest = details[0]["version"], details[0]["payload_sha256"]
        for record in story[1:]:
            kind, detail = record["kind"], record["detail"]
            if kind in BEGINS:
                yield f"INV-42, INV-44: {action} begins twice"
            if status in OVER and (kind in ENDS or kind in ("approval.vote", "approval.edited")):
                yield f"INV-01, INV-12, INV-27: {action} was {status}, and then came {kind}"
            if kind in ENDS:
                status, ended = ENDS[kind], ended + 1
            if kind == "approval.edited":
                if detail["version"] != version + 1:
                    yield f"INV-10: the edit of {action} made version {detail['version']} of {version}"
                version, digest = detail["version"], detail["payload_sha256"]
            elif (detail["version"], detail["payload_sha256"]) != (version, digest):
                yield f"INV-11, INV-21: {kind} of {action} is about another version or payload"
            if detail["status"] != status:
                yield f"INV-44: after {kind} {action} says it is {detail['status']}, and it is {status}"
        if ended > 1:
            yield f"INV-02, INV-28: {action} was decided {ended} times"


def _people(stories: dict[str, list[Json]]) -> Iterator[str]:
    for action, story in stories.items():
        first = story[0]["detail"]
        voted: set[str] = set()
        for record in story:
            kind, actor = record["kind"], record["actor"]
            if actor == OWNER and kind in ("approval.vote", "approval.granted", "approval.edited"):
                yield f"INV-05: the agent's owner decided {action}"
            if kind == "approval.edited":
                voted.clear()
            if kind not in ("approval.vote", "approval.granted"):
                continue
            if actor in voted:
                yield f"INV-04: {actor} counts twice for {action}"
            voted.add(actor)
            counted = record["detail"]["counted"]
            if {f"person:{person}" for person in counted} != voted:
                yield f"INV-10: {action} counts {counted}, and {sorted(voted)} voted for this version"
            if kind == "approval.granted" and len(set(counted)) < first.get("quorum", 1):
                yield f"INV-08: {action} was approved by {counted}"
        if first.get("risk") in ("high", "critical"):
            timed = [record["kind"] for record in story if record["kind"] == "approval.timeout_allowed"]
            if timed:
                yield f"INV-09: a timer approved {action}, which is of {first['risk']} risk"


def _grants(stories: dict[str, list[Json]]) -> Iterator[str]:
    for action, story in stories.items():
        released, live, redeemed = False, {}, 0
        for record in story:
            kind, detail = record["kind"], record["detail"]
            released |= kind == "action.allowed" or ENDS.get(kind) == "approved"
            if kind == "grant.issued":
                if not released:
                    yield f"INV-23: a grant of {action} was issued before its release"
                if live or redeemed:
                    yield f"INV-18: a second grant of {action} was issued while one was live or used"
                live = {detail["jti"]: detail["expires_at"]}
            elif kind in ("grant.expired", "grant.revoked"):
                live.pop(detail.get("jti"), None)
            elif kind == "grant.redeemed":
                redeemed += 1
                until = live.pop(detail["jti"], None)
                if until is None:
                    yield f"INV-20: a grant of {action} was redeemed that was not live"
                elif _seconds(record["at"]) >= until:
                    yield f"INV-20: a grant of {action} was redeemed after its expiry"
        if redeemed > 1:
            yield f"INV-19: {action} was redeemed {redeemed} times"


def _timers(stories: dict[str, list[Json]]) -> Iterator[str]:
    for action, story in stories.items():
        fired: Counter[int] = Counter()
        for record in story:
            if record["kind"] not in BY_TIMER:
                continue
            detail = record["detail"]
            fired[detail["seq"]] += 1
            if not isinstance(detail.get("late_ms"), int):
                yield f"INV-26: {record['kind']} of {action} does not say how late it was"
            elif detail["late_ms"] < 0:
                yield f"INV-31: {record['kind']} of {action} fired {-detail['late_ms']} ms early"
        for seq, times in fired.items():
            if times > 1:
                yield f"INV-25: deadline {seq} of {action} fired {times} times"
        if story[-1]["detail"]["status"] == "pending" and not _held(story):
            yield f"INV-24, INV-52: {action} is pending still"


def _held(story: list[Json]) -> bool:
    return any(record["detail"].get("on_timeout") == "hold" for record in story)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


# -- what others were told ------------------------------------------------------------------------------------


def _answers(evidence: Evidence, stories: dict[str, list[Json]]) -> Iterator[str]:
    keys: dict[str, set[str]] = defaultdict(set)
    for seen in _of(evidence.seen, "answer"):
        keys[seen["key"]].add(seen["action"])
        if seen["action"] not in stories:
            yield f"INV-43, INV-45: {seen['action']} was acknowledged, and there is no record of it"
        elif (
            seen["first"] != seen["sha256"]
            or stories[seen["action"]][0]["detail"]["payload_sha256"] != seen["first"]
        ):
            yield f"INV-41, INV-43: {seen['action']} is stored with another payload than was proposed"
    for key, actions in keys.items():
        if len(actions) > 1:
            yield f"INV-40, INV-42: the key {key} made {len(actions)} actions"
    for action in stories.keys() - {action for actions in keys.values() for action in actions}:
        yield f"INV-42: {action} was made by nobody's key"
    for seen in _of(evidence.seen, "document"):
        story = stories.get(seen["action"], [])
        was = {(r["detail"]["status"], r["detail"]["version"], r["detail"]["payload_sha256"]) for r in story}
        if (seen["status"], seen["version"], seen["sha256"]) not in was:
            yield f"INV-23, INV-43: {seen['action']} was shown as {seen['status']}, and was never so on record"
        elif seen["status"] in OVER and story[-1]["detail"]["status"] != seen["status"]:
            yield f"INV-01: {seen['action']} was shown as {seen['status']}, and is {story[-1]['detail']['status']}"


def _votes(evidence: Evidence, stories: dict[str, list[Json]]) -> Iterator[str]:
    """An answer in Slack names no action: it is of one of those that the person had clicked there (`among`)."""
    counts = {"approve": ("approval.vote", "approval.granted"), "reject": ("approval.rejected",)}
    for seen in _of(evidence.seen, "vote"):
        found = [
            record
            for action in seen.get("among", [seen["action"]])
            for record in stories.get(action, ())
            if record["actor"] == f"person:{seen['person']}" and record["kind"] in counts[seen["vote"]]
        ]
        if not found:
            yield f"INV-43: {seen['person']} was told that a {seen['vote']} of {seen['action']} counts; no record"


def _redemptions(evidence: Evidence, stories: dict[str, list[Json]]) -> Iterator[str]:
    told = Counter(seen["action"] for seen in _of(evidence.seen, "redeemed"))
    for seen in _of(evidence.seen, "redeemed"):
        used = [r for r in stories.get(seen["action"], ()) if r["kind"] == "grant.redeemed"]
        if not used:
            yield f"INV-43: the redemption of {seen['action']} was acknowledged and is not on record"
        elif used[0]["detail"]["payload_sha256"] != seen["sha256"]:
            yield f"INV-21: {seen['action']} was executed with another payload than was released"
    for action, times in told.items():
        if times > 1:
            yield f"INV-19: {times} executors were told that they may execute {action}"


def _callbacks(evidence: Evidence, stories: dict[str, list[Json]]) -> Iterator[str]:
    by_event: dict[tuple[str, str], set[str]] = defaultdict(set)
    tries: dict[str, list[Json]] = defaultdict(list)
    for each in evidence.callbacks:
        by_event[each["action"], each["type"]].add(each["id"])
        tries[each["id"]].append(each)
        if each["action"] not in stories:
            yield f"INV-33: a callback tells of {each['action']}, which does not exist"
    ends = {f"io.signoff.action.{status}.v1": status for status in OVER}
    for (action, kind), ids in by_event.items():
        if kind in ends and len(ids) > 1:
            yield f"INV-39: {kind} of {action} came under {len(ids)} ids"
    for message, each in tries.items():
        stamps = [one["timestamp"] for one in each]
        if any(abs(one["timestamp"] - one["at"]) > 30 for one in each):
            yield f"INV-39: callback {message} carries the times {stamps}, not those of its tries"
    taken = {(one["action"], ends.get(one["type"])) for one in evidence.callbacks if one["taken"]}
    asked = {seen["action"] for seen in _of(evidence.seen, "answer") if seen["topic"] != "work.free"}
    for action in asked & stories.keys():
        status = stories[action][-1]["detail"]["status"]
        if status in OVER and (action, status) not in taken:
            yield f"INV-34: nobody was told by callback that {action} is {status}"


def _cards(evidence: Evidence, stories: dict[str, list[Json]]) -> Iterator[str]:
    cards: dict[str, list[Json]] = defaultdict(list)
    for message in evidence.messages:
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") == "signoff_card":
            cards[metadata["event_payload"]["action_id"]].append(message)
    for action in cards.keys() - stories.keys():
        yield f"INV-33: there is a card of {action}, which does not exist"
    for action, story in stories.items():
        wanted = 1 if story[0]["kind"] == "approval.requested" else 0
        if len(cards[action]) != wanted:
            yield f"INV-34, INV-37: {action} has {len(cards[action])} cards, not {wanted}"
        status = story[-1]["detail"]["status"]
        for card in cards[action]:
            has_buttons = any(block["type"] == "actions" for block in card["blocks"])
            if has_buttons is not (status == "pending"):
                yield f"INV-37: {action} is {status}, and its card has {'' if has_buttons else 'no '}buttons"
            elif status != "pending" and not card["text"].startswith(status.capitalize()):
                yield f"INV-37: {action} is {status}, and its card says {card['text'][:60]!r}"


def _of(seen: Iterable[Json], what: str) -> Iterator[Json]:
    return (each for each in seen if each["saw"] == what)


if __name__ == "__main__":
    found = problems(gathered(Path(sys.argv[1])))
    print("\n".join(found[:200]) or "no problems")
    sys.exit(bool(found))
