"""Judges what is left after crashes: agents' logs, the audit record, the actions and the workspace must agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.running import buttons, card_action

Json = dict[str, Any]

TERMINAL = frozenset({"allowed", "denied", "throttled", "approved", "rejected", "expired", "cancelled"})
_ENDS = {
    "action.allowed": "allowed",
    "action.denied": "denied",
    "action.throttled": "throttled",
    "approval.granted": "approved",
    "approval.timeout_allowed": "approved",
    "approval.rejected": "rejected",
    "approval.expired": "expired",
    "action.cancelled": "cancelled",
}
_CARD_SAYS = {status: status.capitalize() for status in ("approved", "rejected", "expired", "cancelled")}
_VOTES = {
    "approve": ("approval.vote", "approval.granted"),
    "reject": ("approval.rejected",),
}


@dataclass
class Log:
    """What the outside was told, and so may rely on."""

    answers: list[tuple[str, str]] = field(default_factory=list)
    """(idempotency key, action id) of every answered proposal."""
    ends: list[tuple[str, str]] = field(default_factory=list)
    """(action id, terminal status) of every document that an agent was shown."""
    votes: list[tuple[str, str, str]] = field(default_factory=list)
    """(person, action id, `approve` or `reject`) of every vote that its person was told counts."""
    redeemed: list[str] = field(default_factory=list)
    """The action of every redemption answered with 200."""


@dataclass(kw_only=True)
class Remains:
    """What is found once everything has settled. `records` are all audit records in order."""

    actions: dict[str, Json]
    records: list[Json]
    messages: list[Json]


def problems(log: Log, left: Remains) -> list[str]:
    """Every broken promise, as a sentence."""
    by_action: dict[str, list[Json]] = defaultdict(list)
    for record in left.records:
        if record["action"] is not None:
            by_action[record["action"]].append(record)
    return [
        *_answers(log, left, by_action),
        *_record(left, by_action),
        *_votes(log, by_action),
        *_grants(log, by_action),
        *_cards(left, by_action),
    ]


def _answers(log: Log, left: Remains, by_action: dict[str, list[Json]]) -> Iterator[str]:
    keys: dict[str, set[str]] = defaultdict(set)
    for key, action in log.answers:
        keys[key].add(action)
        if action not in left.actions or action not in by_action:
            yield f"INV-43: {action} was acknowledged and is lost"
    for key, actions in keys.items():
        if len(actions) > 1:
            yield f"INV-40, INV-42: the key {key} made {len(actions)} actions"
    known = {action for _, action in log.answers}
    for action in by_action.keys() - known:
        yield f"INV-42: {action} was made by nobody's key"
    for action, status in log.ends:
        now = left.actions.get(action, {}).get("status")
        if now != status:
            yield f"INV-01, INV-43: {action} was told to be {status} and is {now}"


def _record(left: Remains, by_action: dict[str, list[Json]]) -> Iterator[str]:
    for action, records in by_action.items():
        revisions = [record["detail"]["revision"] for record in records]
        if revisions != list(range(1, len(records) + 1)):
            yield f"INV-44: {action} has records of the revisions {revisions}"
        ends = [_ENDS[record["kind"]] for record in records if record["kind"] in _ENDS]
        status = left.actions.get(action, {}).get("status")
        if ends != ([status] if status in TERMINAL else []):
            yield f"INV-44: {action} is {status}, and its record says {ends}"
        timers = Counter(
            record["detail"]["seq"] for record in records if record["detail"].get("late_ms") is not None
        )
        for seq, times in timers.items():
            if times > 1:
                yield f"INV-25: deadline {seq} of {action} fired {times} times"


def _votes(log: Log, by_action: dict[str, list[Json]]) -> Iterator[str]:
    for person, action, choice in log.votes:
        found = [
            record
            for record in by_action.get(action, ())
            if record["actor"] == f"person:{person}" and record["kind"] in _VOTES[choice]
        ]
        if len(found) != 1:
            yield f"INV-43: {person} was told that their {choice} of {action} counts; {len(found)} records say so"


def _grants(log: Log, by_action: dict[str, list[Json]]) -> Iterator[str]:
    answered = Counter(log.redeemed)
    for action, records in by_action.items():
        redeemed = sum(record["kind"] == "grant.redeemed" for record in records)
        if redeemed > 1 or answered[action] > 1:
            yield f"INV-19: {action} was redeemed {redeemed} times, and answered so {answered[action]} times"
        if answered[action] > redeemed:
            yield f"INV-43: the redemption of {action} was acknowledged and is not on record"


def _cards(left: Remains, by_action: dict[str, list[Json]]) -> Iterator[str]:
    cards: dict[str, list[Json]] = defaultdict(list)
    for message in left.messages:
        action = card_action(message)
        if action is not None:
            cards[action].append(message)
    for action in cards.keys() - by_action.keys():
        yield f"INV-33: there is a card of {action}, which does not exist"
    for action, records in by_action.items():
        wanted = 1 if any(record["kind"] == "approval.requested" for record in records) else 0
        if len(cards[action]) != wanted:
            yield f"INV-34, INV-37: {action} has {len(cards[action])} cards, not {wanted}"
        status = left.actions.get(action, {}).get("status", "")
        for card in cards[action]:
            yield from _card(action, status, card)


def _card(action: str, status: str, card: Json) -> Iterator[str]:
    if status == "pending":
        if "approve" not in buttons(card):
            yield f"INV-37: {action} waits, and its card has no buttons"
        return
    if status not in _CARD_SAYS:
        return  # lost or never pending: said elsewhere
    if buttons(card):
        yield f"INV-37: {action} is {status}, and its card still has buttons"
    if not card["text"].startswith(_CARD_SAYS[status]):
        yield f"INV-37: {action} is {status}, and its card says {card['text'][:60]!r}"
