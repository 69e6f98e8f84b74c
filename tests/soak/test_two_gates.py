"""Hypothesis plays against two gates on one PostgreSQL at once: after each step both show what a pure model foretold.

`GATE_TEST_SOAK_SEC` is how long it plays (60), `GATE_TEST_SOAK_SEED` draws the same games again (1).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.harness.processes import Processes
from tests.soak.two_gates.model import NEEDED, OWNER, REVIEWERS, TOPICS, Act, digest, proposed
from tests.soak.two_gates.town import Town, town

LASTS_SEC = float(os.environ.get("GATE_TEST_SOAK_SEC", "60"))
SEED = int(os.environ.get("GATE_TEST_SOAK_SEED", "1"))
GAMES = 5
"""Games between two looks at the clock."""
STEPS = 30

sides = st.integers(0, 1)
people = st.sampled_from((*REVIEWERS, *REVIEWERS, OWNER))
mostly = st.integers(0, 3).map(bool)


def some(**of: bool) -> Any:
    """There is an action of which these are true."""
    return precondition(lambda self: bool(self.such(**of)))


class TwoGates(RuleBasedStateMachine):
    """Some actions, and everything that agents, people and executors can do to them, at either gate."""

    town: ClassVar[Town]
    games: ClassVar[int] = 0
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.acts: list[Act] = []
        self.touched: list[Act] = []
        type(self).games += 1

    def such(self, **of: object) -> list[Act]:
        return [
            act for act in self.acts if all(bool(getattr(act, name)) is want for name, want in of.items())
        ]

    def pick(self, data: st.DataObject, **of: object) -> Act:
        act = data.draw(st.sampled_from(self.such(**of)), label="action")
        self.touched.append(act)
        return act

    # -- agents -----------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.acts) < 6)
    @rule(
        side=sides,
        topic=st.sampled_from((*TOPICS, *NEEDED)),
        keyed=st.booleans(),
        audience=st.sampled_from([None, None, "payments"]),
        at_once=st.booleans(),
    )
    def propose(self, side: int, topic: str, keyed: bool, audience: str | None, at_once: bool) -> None:
        """INV-42: with a key also at both gates in the same moment, and it is one action."""
        number = self.town.fresh()
        body = {
            "topic": topic,
            "payload": {"number": number, "order": 881},
            "summary": f"Refund order {number}",
        }
        if audience is not None:
            body["audience"] = audience
        key = f"key-{number}" if keyed else None
        headers = {} if key is None else {"Idempotency_Key": key}
        if keyed and at_once:
            answers = self.town.ask_both("agent", "POST", "/v1/actions", body, **headers)
        else:
            answers = [self.town.ask(side, "agent", "POST", "/v1/actions", body, **headers)]
        act = proposed(body, key, answers[0][1]["id"])
        for status, document in answers:
            assert status == (202 if act.pending else 200), document
            assert (document["id"], document["status"]) == (act.id, act.status)
        self.acts.append(act)
        self.touched.append(act)

    @some(key=True)
    @rule(data=st.data(), side=sides, same=mostly)
    def repeat(self, data: st.DataObject, side: int, same: bool) -> None:
        """INV-40, INV-41: the same key and body is the same action, another body is refused, at either gate."""
        act = self.pick(data, key=True)
        body = act.body if same else {**act.body, "summary": "Something else"}
        if same:
            act.collectable()
        wait = (
            {"Prefer": "wait=60"} if act.released else {}
        )  # of critical actions, until a checkpoint covers it
        status, document = self.town.ask(
            side, "agent", "POST", "/v1/actions", body, Idempotency_Key=act.key or "", **wait
        )
        if not same:
            assert (status, document["code"]) == (422, "idempotency_key_reused")
            return
        assert document["_headers"]["Idempotency-Replayed"] == "true"
        assert (document["id"], document["status"]) == (act.id, act.status)

    @some(pending=True)
    @rule(data=st.data(), side=sides)
    def twin(self, data: st.DataObject, side: int) -> None:
        """What equals a pending action joins it at either gate."""
        act = self.pick(data, pending=True)
        act.join()
        status, document = self.town.ask(side, "agent", "POST", "/v1/actions", act.body)
        assert (status, document["id"]) == (202, act.id)
        assert document["_headers"]["Signoff-Joined"] == "true"

    @precondition(lambda self: bool(self.acts))
    @rule(data=st.data(), side=sides)
    def take_back(self, data: st.DataObject, side: int) -> None:
        act = self.pick(data)
        status, document = self.town.ask(
            side, "agent", "POST", f"/v1/actions/{act.id}/cancel", {"reason": "no need"}
        )
        assert status == act.cancel(), document

    @precondition(lambda self: bool(self.acts))
    @rule(data=st.data(), side=sides, what=st.sampled_from(["", "/cancel", "/outcome"]))
    def meddle(self, data: st.DataObject, side: int, what: str) -> None:
        """Another agent's actions do not exist."""
        act = self.pick(data)
        body = {"/outcome": {"result": "succeeded"}, "/cancel": {}}.get(what)
        method = "POST" if what else "GET"
        status, document = self.town.ask(side, "other", method, f"/v1/actions/{act.id}{what}", body)
        assert (status, document["code"]) == (404, "unknown_action")

    @some(released=True)
    @rule(data=st.data())
    def collect(self, data: st.DataObject) -> None:
        """INV-18: at both gates at once there is one grant, where there is any; of critical ones once it is covered."""
        act = self.pick(data, released=True)
        wanted = act.collectable()
        answers = self.town.ask_both("agent", "GET", f"/v1/actions/{act.id}", Prefer="wait=60")
        tokens = {document["grant"] and document["grant"]["token"] for _, document in answers}
        assert len(tokens) == 1
        (token,) = tokens
        assert (token is not None) is wanted
        if token is not None:
            assert act.token in (None, token)
            act.token = token

    # -- people -----------------------------------------------------------------------------------------------

    @some(pending=True)
    @rule(data=st.data(), person=people)
    def approve(self, data: st.DataObject, person: str) -> None:
        act = self.pick(data, pending=True)
        version = act.version
        counts = act.approve(person)
        (told,) = self.town.approve(act.id, version, person)
        assert told.startswith(("Approved.", "Your approval counts.")) is counts, told

    @some(pending=True)
    @rule(data=st.data(), first=st.sampled_from(REVIEWERS), second=st.sampled_from(REVIEWERS))
    def approve_at_once(self, data: st.DataObject, first: str, second: str) -> None:
        """INV-03: of two clicks in one moment as many count as there is room for, and the other is told."""
        act = self.pick(data, pending=True)
        clicking = [first] if first == second else [first, second]
        told = self.town.approve(act.id, act.version, *clicking)
        counted = [
            person
            for person, words in zip(clicking, told, strict=True)
            if words.startswith(("Approved.", "Your approval counts."))
        ]
        if len(counted) == 2:  # who came first is nobody's business, and on record
            document = self.document(act)
            order = [vote["person"] for vote in document["approval"]["votes"]]
            counted.sort(key=order.index)
        room = NEEDED[act.topic] - len(act.votes)
        assert len(counted) == min(room, len([p for p in clicking if p not in act.votes])), told
        for person in counted:
            assert act.approve(person)

    @some(pending=True)
    @rule(data=st.data(), person=people)
    def reject(self, data: st.DataObject, person: str) -> None:
        act = self.pick(data, pending=True)
        version = act.version
        counts = act.reject(person)
        values = {"comment": {"comment": "not today"}, "category": {"category": "other"}}
        told = self.town.decide(act.id, version, person, "reject", values)
        assert told.startswith("Rejected.") is counts, told

    @some(pending=True)
    @rule(data=st.data(), person=people, order=st.integers(1, 880), approving=st.booleans())
    def edit(self, data: st.DataObject, person: str, order: int, approving: bool) -> None:
        """INV-10: a new version, and the votes before it are void."""
        act = self.pick(data, pending=True)
        order += 1_000 * act.version
        version = act.version
        act.edit(person, {**act.payload, "order": order}, approving=approving)
        then = "approve" if approving else "save"
        values = {"field:/order": {"value": str(order)}, "then": {"then": then}}
        self.town.decide(act.id, version, person, "edit", values)

    @some(released=True)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        """INV-20: by the owner, with `/gate revoke`; what was used already stays used."""
        act = self.pick(data, released=True)
        told = self.town.revoke(act.id, OWNER)
        assert (told == "Taken back") is act.revoke(), told

    # -- executors --------------------------------------------------------------------------------------------

    @some(token=True)
    @rule(
        data=st.data(),
        side=sides,
        right_audience=mostly,
        right_payload=mostly,
        whole=st.booleans(),
        at_once=st.booleans(),
    )
    def redeem(
        self,
        data: st.DataObject,
        side: int,
        right_audience: bool,
        right_payload: bool,
        whole: bool,
        at_once: bool,
    ) -> None:
        """INV-19, INV-20, INV-21: once over both gates, for its audience, with the payload that was released."""
        act = self.pick(data, token=True)
        others = {"executors": "payments", "payments": "executors"}
        executor = act.audience if right_audience else others[act.audience]
        payload = act.payload if right_payload else {**act.payload, "order": 1}
        said = {"payload": payload} if whole else {"payload_sha256": digest(payload)}
        body = {"token": act.token, **said}
        if at_once:
            answers = self.town.ask_both(executor, "POST", "/v1/grants/redeem", body)
        else:
            answers = [self.town.ask(side, executor, "POST", "/v1/grants/redeem", body)]
        wanted = sorted(act.redeem(executor, digest(payload)) for _ in answers)
        assert sorted(document.get("code", "") for _, document in answers) == wanted

    @precondition(lambda self: bool(self.such(redeemed=True)) or bool(self.acts))
    @rule(
        data=st.data(), side=sides, result=st.sampled_from(["succeeded", "failed", "unknown"]), really=mostly
    )
    def report(self, data: st.DataObject, side: int, result: str, really: bool) -> None:
        act = self.pick(data, redeemed=True) if really and self.such(redeemed=True) else self.pick(data)
        status, document = self.town.ask(
            side, "agent", "POST", f"/v1/actions/{act.id}/outcome", {"result": result}
        )
        wanted = act.report(result)
        assert document.get("code", "") == wanted, (status, document)

    def teardown(self) -> None:
        """Nothing stays waiting, so that later games have calm reviewers."""
        for act in self.such(pending=True):
            status, document = self.town.ask(0, "agent", "POST", f"/v1/actions/{act.id}/cancel", {})
            assert status == act.cancel(), document
            self.touched.append(act)
        self.both_gates_show_what_must_be()

    # -- what is true after each step -------------------------------------------------------------------------

    def document(self, act: Act) -> dict:
        """As both gates show it to a reader, which has to be the same."""
        (status, one), (_, other) = self.town.ask_both("reader", "GET", f"/v1/actions/{act.id}")
        one.pop("_headers")
        other.pop("_headers")
        assert status == 200
        assert one == other
        return one

    @invariant()
    def both_gates_show_what_must_be(self) -> None:
        """INV-01, INV-02, INV-04, INV-05, INV-08, INV-10, INV-12, INV-44: state, votes and record, none too many."""
        type(self).steps += 1
        while self.touched:
            act = self.touched.pop()
            document = self.document(act)
            assert document["status"] == act.status
            assert (document["version"], document["payload"]) == (act.version, act.payload)
            assert document["payload_sha256"] == digest(act.payload)
            assert document["proposed_payload_sha256"] == digest(act.body["payload"])
            votes = (document["approval"] or {"votes": []})["votes"]
            assert [
                v["person"] for v in votes if v["vote"] == "approve" and v["version"] == act.version
            ] == act.votes
            assert [v["person"] for v in votes if v["vote"] == "reject"] == [
                p for p in [act.rejected_by] if p
            ]
            assert (document["outcome"] or {"result": None})["result"] == act.result
            pages = self.town.ask_both("reader", "GET", f"/v1/audit/records?action={act.id}&limit=200")
            seen = [[(r["kind"], r["digest"]) for r in page["items"]] for _, page in pages]
            assert seen[0] == seen[1]
            assert [kind for kind, _ in seen[0]] == act.kinds


@pytest.mark.soak
@pytest.mark.timeout(LASTS_SEC + 900)
def test_two_gates_are_one(processes: Processes, tmp_path: Path, postgres_url: str) -> None:
    """INV-01 to INV-05, INV-08, INV-10, INV-12, INV-18 to INV-21, INV-40 to INV-42, INV-44, INV-47, INV-48, INV-53 over
    two processes. In the end the record is exported and verified offline."""
    began, number = time.monotonic(), 0
    with town(processes, tmp_path, postgres_url) as made:
        TwoGates.town = made
        while not number or time.monotonic() - began < LASTS_SEC:
            machine = type("TwoGates", (TwoGates,), {})
            seed(SEED * 10_007 + number)(machine)
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=GAMES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    phases=(Phase.generate,),
                    suppress_health_check=list(HealthCheck),
                ),
            )
            number += 1
            TwoGates.games += machine.games - TwoGates.games
            TwoGates.steps += machine.steps - TwoGates.steps
        (tmp_path / "kept.txt").write_text(made.note(), encoding="utf-8")
        made.verb("audit", "export", "record.jsonl")
        told = json.loads(made.verb("audit", "verify", "record.jsonl", "--checkpoint", "kept.txt", "--json"))
        print(
            f"\n  seed {SEED}: {TwoGates.games} games, {TwoGates.steps} steps, {made.calls} requests and "
            f"{made.acts} acts of people in {time.monotonic() - began:.0f} s; the record of {told['records']} entries "
            f"verifies; load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
        )
