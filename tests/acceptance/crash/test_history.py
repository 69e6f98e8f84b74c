"""The checker that judges the crash campaigns sees each kind of broken promise, and nothing in a sound history."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from tests.acceptance.crash.history import Json, Log, Remains, problems


def _card(action: str, text: str, *, decided: bool) -> Json:
    blocks = [] if decided else [{"type": "actions", "elements": [{"action_id": "approve"}]}]
    metadata = {"event_type": "signoff_card", "event_payload": {"action_id": action}}
    return {"text": text, "blocks": blocks, "metadata": metadata}


def _record(kind: str, revision: int, action: str = "act_1", actor: str = "policy", **detail: object) -> Json:
    return {"kind": kind, "action": action, "actor": actor, "detail": {"revision": revision, **detail}}


def sound() -> tuple[Log, Remains]:
    log = Log(
        answers=[("k1", "act_1"), ("k1", "act_1"), ("k2", "act_2")],
        ends=[("act_1", "approved"), ("act_2", "expired")],
        votes=[("ana", "act_1", "approve")],
        redeemed=["act_1"],
    )
    remains = Remains(
        actions={"act_1": {"status": "approved"}, "act_2": {"status": "expired"}},
        records=[
            {"kind": "policy.loaded", "action": None, "actor": "policy", "detail": {}},
            _record("approval.requested", 1),
            _record("approval.granted", 2, actor="person:ana"),
            _record("grant.issued", 3),
            _record("grant.redeemed", 4),
            _record("approval.requested", 1, "act_2"),
            _record("approval.escalated", 2, "act_2", seq=1, late_ms=5),
            _record("approval.expired", 3, "act_2", seq=2, late_ms=1200),
        ],
        messages=[
            _card("act_1", "Approved by Ana after 2 s", decided=True),
            _card("act_2", "Expired: nobody decided", decided=True),
        ],
    )
    return log, remains


def test_a_sound_history_has_no_problems() -> None:
    assert problems(*sound()) == []


def _lost(log: Log, left: Remains) -> None:
    del left.actions["act_2"]


def _two_actions(log: Log, left: Remains) -> None:
    log.answers.append(("k1", "act_2"))


def _orphan(log: Log, left: Remains) -> None:
    log.answers = log.answers[:2]
    log.ends = log.ends[:1]


def _undone(log: Log, left: Remains) -> None:
    left.actions["act_1"]["status"] = "pending"


def _gap(log: Log, left: Remains) -> None:
    del left.records[2]


def _twice_recorded(log: Log, left: Remains) -> None:
    left.records.insert(2, copy.deepcopy(left.records[1]))


def _fired_twice(log: Log, left: Remains) -> None:
    left.records[-1]["detail"]["seq"] = 1


def _vote_lost(log: Log, left: Remains) -> None:
    left.records[2]["actor"] = "person:bo"


def _redeemed_twice(log: Log, left: Remains) -> None:
    left.records.append(_record("grant.redeemed", 5))


def _redemption_lost(log: Log, left: Remains) -> None:
    left.records[4]["kind"] = "grant.expired"


def _second_card(log: Log, left: Remains) -> None:
    left.messages.append(copy.deepcopy(left.messages[0]))


def _no_card(log: Log, left: Remains) -> None:
    left.messages.pop()


def _stale_card(log: Log, left: Remains) -> None:
    left.messages[1] = _card("act_2", "MEDIUM risk: tester asks", decided=False)


def _wrong_end(log: Log, left: Remains) -> None:
    left.messages[1]["text"] = "Approved by Bo after 3 s"


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (_lost, "was acknowledged and is lost"),
        (_two_actions, "made 2 actions"),
        (_orphan, "made by nobody's key"),
        (_undone, "was told to be approved and is pending"),
        (_gap, "revisions"),
        (_twice_recorded, "revisions"),
        (_fired_twice, "fired 2 times"),
        (_vote_lost, "was told that their approve"),
        (_redeemed_twice, "INV-19"),
        (_redemption_lost, "is not on record"),
        (_second_card, "has 2 cards"),
        (_no_card, "has 0 cards"),
        (_stale_card, "still has buttons"),
        (_wrong_end, "its card says"),
    ],
)
def test_a_broken_promise_is_found(break_it: Callable[[Log, Remains], None], says: str) -> None:
    log, remains = sound()
    break_it(log, remains)
    assert any(says in problem for problem in problems(log, remains))
