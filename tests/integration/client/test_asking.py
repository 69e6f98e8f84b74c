"""The agent's side over real HTTP: one call and an answer it can trust, on a good line and on a bad one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

import pytest

from gate.client import (
    AsyncGate,
    Denied,
    Executor,
    Gate,
    GateRefused,
    NoGrant,
    Patience,
    Rejected,
    Released,
    StillPending,
    Throttled,
    Unreachable,
)
from gate.client.journal import Journal
from gate.domain.request import Choice
from tests.integration.client.conftest import QUICK, Bench
from tests.integration.client.line import line_to
from tests.integration.http.door import eventually, open_door, secret

REFUND = {"amount": 1400, "order": "881"}
ASKED: dict[str, Any] = {"topic": "pay.refund", "payload": REFUND, "summary": "Refund $1,400.00"}
READ: dict[str, Any] = {"topic": "crm.read", "payload": {"order": "881"}, "summary": "Read an order"}


async def waiting(bench: Bench, **asked: Any) -> tuple[asyncio.Task[Released], str]:
    """An agent that waits for people, and the id of what it waits for."""
    task = asyncio.create_task(bench.agent.ask(**(ASKED | asked)))
    await eventually(lambda: bench.door.app_waits() == 1)
    (item,) = (await bench.door.get("/v1/actions?status=pending")).body["items"]
    return task, item["id"]


async def test_what_policy_allows_is_answered_at_once_with_its_grant(bench: Bench):
    released = await bench.agent.ask(**READ)
    assert (released.document.status, released.payload, released.edited) == (
        "allowed",
        READ["payload"],
        False,
    )
    assert released.token.count(".") == 2
    assert bench.line.seen == [("POST", "/v1/actions")]


async def test_what_people_decide_is_waited_for_in_the_same_call(bench: Bench):
    task, action = await waiting(
        bench, rationale="Charged twice", evidence=[{"label": "Order", "value": "881"}]
    )
    await bench.door.approve(action)
    released = await task
    assert (released.id, released.document.status) == (action, "approved")
    assert released.token
    assert bench.line.seen == [("POST", "/v1/actions")]


async def test_what_was_edited_comes_back_as_it_was_approved(bench: Bench):
    """INV-21."""
    task, action = await waiting(bench)
    record = await bench.door.world.load(action)
    await bench.door.world.edit(record, "ana", REFUND | {"amount": 900}, approve=True)
    released = await task
    assert (released.edited, released.version, released.payload["amount"]) == (True, 2, 900)


async def test_every_no_is_its_own_exception_with_what_to_do_instead(bench: Bench):
    with pytest.raises(Denied) as denied:
        await bench.agent.ask(topic="db.drop", payload={}, summary="Drop it")
    assert denied.value.reason == "Never"
    assert [way.replacement_topic for way in denied.value.remediations] == ["db.archive"]
    with pytest.raises(Throttled) as throttled:
        await bench.agent.ask(topic="mail.blast", payload={}, summary="Mail all")
    assert throttled.value.retry_after_sec == 90
    task, action = await waiting(bench)
    await bench.door.world.vote(await bench.door.world.load(action), "ana", Choice.REJECT)
    with pytest.raises(Rejected) as rejected:
        await task
    assert rejected.value.document.id == action
    assert rejected.value.category


async def test_a_deadline_of_one_s_own_leaves_the_action_waiting(bench: Bench):
    with pytest.raises(StillPending) as pending:
        await bench.agent.ask(**ASKED, timeout=0)
    action = pending.value.document.id
    assert (await bench.agent.action(action)).status == "pending"
    await bench.door.approve(action)
    assert (await bench.agent.wait(action)).token
    assert (await bench.agent.action(action)).grant is None, "documents for reading carry no grant"


async def test_an_action_is_proposed_followed_and_taken_back(bench: Bench):
    document = await bench.agent.propose(**ASKED)
    assert (document.status, document.grant) == ("pending", None)
    assert (await bench.agent.cancel(document.id, reason="The customer withdrew")).status == "cancelled"
    with pytest.raises(GateRefused) as late:
        await bench.agent.cancel(document.id)
    assert late.value.status == 409


async def test_a_release_that_was_executed_has_no_second_grant(bench: Bench):
    """INV-18."""
    released = await bench.agent.ask(**READ)
    async with bench.executor.permit(released.token, released.payload):
        pass
    again = await bench.agent.wait(released.id)
    with pytest.raises(NoGrant):
        _ = again.token


@pytest.mark.parametrize(
    "weather",
    [
        ["lost before"],
        ["lost after"],
        [(503, {}), (429, {"Retry-After": "0"}), "lost after", (502, {})],
    ],
    ids=["lost on the way there", "lost on the way back", "a bad day"],
)
async def test_a_call_is_one_action_however_often_it_is_sent(bench: Bench, weather: list[Any]):
    """INV-40, INV-42: the idempotency key is made once for a call and kept over its tries."""
    bench.line.befalls("/v1/actions", *weather)
    first = await bench.agent.ask(**READ)
    assert len(bench.line.keys) == len(weather) + 1
    assert len(set(bench.line.keys)) == 1
    second = await bench.agent.ask(**READ)
    assert bench.line.keys[-1] != bench.line.keys[0]
    listed = (await bench.door.get("/v1/actions")).body["items"]
    assert {item["id"] for item in listed} == {first.id, second.id}


async def test_a_wait_goes_on_over_a_lost_answer(bench: Bench):
    document = await bench.agent.propose(**ASKED)
    bench.line.befalls(f"/{document.id}", "lost before", (503, {}), "lost before")
    task = asyncio.create_task(bench.agent.wait(document.id))
    await eventually(lambda: bench.door.app_waits() == 1)
    await bench.door.approve(document.id)
    assert (await task).token


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500, 501])
async def test_a_refusal_is_not_argued_with(bench: Bench, status: int):
    bench.line.befalls("/v1/actions", (status, {}))
    with pytest.raises(GateRefused) as refused:
        await bench.agent.ask(**READ)
    assert refused.value.status == status
    assert bench.line.count("/v1/actions") == 1


async def test_a_proposal_the_gate_does_not_take_says_which_field(bench: Bench):
    with pytest.raises(GateRefused, match="/confidence") as refused:
        await bench.agent.ask(**READ, confidence=7)
    assert refused.value.code == "invalid_field"
    assert refused.value.errors[0].pointer == "/confidence"


async def test_retry_after_is_kept_to_and_too_long_a_one_is_not_waited_for(bench: Bench):
    bench.line.befalls("/v1/actions", (429, {"Retry-After": "600"}))
    with pytest.raises(GateRefused) as refused:
        await bench.agent.ask(**READ, timeout=30)
    assert refused.value.status == 429
    assert bench.line.count("/v1/actions") == 1


async def test_no_gate_at_all_is_said_in_time_and_without_the_key(bench: Bench):
    """INV-51."""
    async with AsyncGate(
        "http://127.0.0.1:9", key=secret("bot"), patience=Patience(total=0.05, first=0.001, longest=0.01)
    ) as lost:
        with pytest.raises(Unreachable) as caught:
            await lost.propose(**READ)
    assert not caught.value.maybe_arrived, "nothing was ever sent"
    assert secret("bot") not in f"{caught.value!r} {caught.value} {lost!r} {vars(caught.value)}"


async def test_a_key_is_sent_to_its_gate_only(bench: Bench):
    bench.line.befalls("/v1/actions", "redirect")
    with pytest.raises(GateRefused) as refused:
        await bench.agent.ask(**READ)
    assert refused.value.status == 307
    assert (await bench.door.get("/v1/actions")).body["items"] == []


@pytest.mark.parametrize("key", ["", "a b", "sekret\nX-Other: 1", "sekret€", "s" * 600])
def test_what_is_no_key_is_refused_without_being_repeated(key: str):
    """INV-51."""
    with pytest.raises(ValueError, match="not one that a gate gives out") as caught:
        AsyncGate("http://127.0.0.1:9", key=key)
    assert "sekret" not in str(caught.value)


async def test_a_gate_without_room_for_waits_is_not_run_down(tmp_path: Path):
    async with (
        open_door(f"sqlite:///{tmp_path / 'gate.db'}", tmp_path / "keys", wait_limit=0) as door,
        line_to(door.url) as line,
        AsyncGate(line.url, key=secret("bot"), patience=QUICK) as agent,
    ):
        with pytest.raises(StillPending):
            await agent.ask(**ASKED, timeout=1.2)
        assert line.count("") <= 3


async def test_nothing_secret_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture):
    """INV-51: neither keys, grants nor payloads, at any level, on a bad line too."""
    caplog.set_level(logging.DEBUG)
    bench.line.befalls("/v1/actions", "lost after", (503, {}))
    released = await bench.agent.ask(topic="crm.read", payload={"iban": "DE00 sekret"}, summary="Read")
    bench.line.befalls("/outcome", (500, {}))
    with contextlib.suppress(RuntimeError):
        async with bench.executor.permit(released.token, released.payload):
            raise RuntimeError("sekret")
    by_the_client = [r for r in caplog.records if r.name.split(".")[0] in ("signoff", "aiohttp", "asyncio")]
    text = "\n".join(record.getMessage() for record in by_the_client)
    assert "the outcome of" in text, "an outcome that was not reported is worth a line"
    for hidden in (secret("bot"), secret("executor"), released.token, "sekret"):
        assert hidden not in text


async def test_without_asyncio_it_is_the_same_gate(bench: Bench):
    """In a thread, where no loop runs, and again after it was closed."""

    def work() -> tuple[str, int]:
        gate = Gate(bench.line.url, key=secret("bot"), patience=QUICK)
        with gate:
            released = gate.ask(**READ)
            with pytest.raises(Denied):
                gate.ask(topic="db.drop", payload={}, summary="Drop it")
            pending = gate.propose(**ASKED)
            assert gate.cancel(pending.id).status == "cancelled"
        assert gate.action(released.id).status == "allowed"
        gate.close()
        assert secret("bot") not in repr(gate)
        return released.token, released.version

    token, version = await asyncio.to_thread(work)
    assert (token.count("."), version) == (2, 1)


async def test_a_gate_that_was_never_used_closes_next_to_a_running_loop(tmp_path: Path):
    executor = Executor("http://127.0.0.1:9", key=secret("executor"), journal=tmp_path / "journal")
    with Gate("http://127.0.0.1:9", key=secret("bot"), executor=executor):
        pass
    executor.close()
    Journal(tmp_path / "journal").close()


def test_after_a_fork_it_says_so_instead_of_sharing(monkeypatch: pytest.MonkeyPatch):
    gate = Gate("http://127.0.0.1:9", key=secret("bot"))
    monkeypatch.setattr("gate.client.sync.os.getpid", lambda: 1)
    with pytest.raises(RuntimeError, match="fork"):
        gate.propose(**READ)
    gate.close()
