"""The executor's side over real HTTP: what it runs was released, to it, once, and its outcome is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate.client import (
    ActionFailed,
    AsyncExecutor,
    GateRefused,
    GrantInvalid,
    GrantRefused,
    NoGrant,
    Patience,
    RedemptionUnclear,
    Released,
    Unreachable,
)
from gate.client.grants import seal
from gate.usecases.commands import RevokeGrants
from gate.usecases.revoke import revoke
from tests.integration.client.conftest import Bench
from tests.integration.http.door import eventually

PAYLOAD = {"amount": 1400, "order": "881"}


async def released(bench: Bench, topic: str = "crm.read", **more: Any) -> Released:
    return await bench.agent.ask(**({"topic": topic, "payload": PAYLOAD, "summary": "Do it"} | more))


async def run(executor: AsyncExecutor, found: Released, ran: list[Any], **payload: Any) -> None:
    async with executor.permit(found.token, payload or found.payload) as permit:
        ran.append(permit.payload)


async def test_it_runs_once_and_the_outcome_is_on_record(bench: Bench):
    found = await released(bench, "job.run")
    async with bench.executor.permit(found.token, found.payload) as permit:
        assert permit.payload == PAYLOAD
        assert permit.constraints == {"max_runtime_sec": 60}
        permit.note("re_3Nf")
    document = await bench.agent.action(found.id)
    assert document.outcome is not None
    assert (document.outcome.result, document.outcome.detail) == ("succeeded", "re_3Nf")


async def test_of_many_executors_at_once_one_runs_it(bench: Bench):
    """INV-19, threat 12: also of those who each believe the grant, which offline is as good as ever."""
    found = await released(bench)
    ran: list[Any] = []
    executors = [bench.another() for _ in range(4)]
    told = await asyncio.gather(
        *(run(executor, found, ran) for executor in executors for _ in range(2)), return_exceptions=True
    )
    refused = [error for error in told if error is not None]
    assert len(ran) == 1
    assert [type(error) for error in refused] == [GrantRefused] * 7
    assert {error.code for error in refused if isinstance(error, GrantRefused)} == {"grant_redeemed"}
    assert (await bench.executor.verify(found.token, found.payload)).action == found.id
    assert await bench.outcome(found.id) == "succeeded"


async def test_a_grant_of_another_audience_runs_nothing(bench: Bench):
    """INV-20, threat 12: seen offline; and an executor that claims to be somebody else is seen by the gate."""
    found = await released(bench, audience="payments")
    ran: list[Any] = []
    with pytest.raises(GrantInvalid) as offline:
        await run(bench.executor, found, ran)
    assert offline.value.code == "audience"
    assert bench.line.count("/redeem") == 0, "the gate need not be asked"
    with pytest.raises(GrantRefused) as online:
        await run(bench.another(audience="payments"), found, ran)
    assert online.value.code == "audience_mismatch"
    assert ran == []
    await run(bench.another("elsewhere", audience="payments"), found, ran)
    assert len(ran) == 1


async def test_an_edited_payload_runs_nothing_and_uses_nothing_up(bench: Bench):
    """INV-21, threat 11."""
    found = await released(bench)
    ran: list[Any] = []
    for changed in (
        PAYLOAD | {"amount": 14000},
        PAYLOAD | {"more": 1},
        {"amount": 1400},
        PAYLOAD | {"amount": "1400"},
    ):
        with pytest.raises(GrantInvalid) as caught:
            await run(bench.executor, found, ran, **changed)
        assert caught.value.code == "payload"
    assert (ran, bench.line.count("/redeem")) == ([], 0)
    await run(bench.executor, found, ran)
    assert ran == [PAYLOAD]


@pytest.mark.parametrize(
    "payload",
    [
        {"whole": 1400.0, "half": 0.5, "tiny": 5e-324, "minus": -0.0, "large": 9007199254740991},
        {"huge": 1e16, "larger": 1.7976931348623157e308, "exponent": 1e21},
        {"Ünïcode": "\u2028 \U0001f600 \x7f", "\U0001f600": 1, "\ufb33": 2, "": None},
        {"nested": [[], {}, [{"a": [True, False, None]}]]},
        {},
    ],
    ids=["numbers", "huge numbers", "texts", "nested", "empty"],
)
async def test_what_is_executed_has_exactly_the_digest_that_was_redeemed(
    bench: Bench, payload: dict[str, Any]
):
    """INV-21: agent, gate and executor mean the same by a digest, over everything that is on the way."""
    found = await released(bench, payload=payload)
    async with bench.executor.permit(found.token, found.payload) as permit:
        executed = permit.payload
    assert executed == payload
    assert seal(executed).sha256 == seal(payload).sha256 == found.document.payload_sha256
    assert await bench.outcome(found.id) == "succeeded"


async def test_what_is_executed_is_what_was_redeemed_whatever_happens_to_the_original(bench: Bench):
    """INV-21: the payload is sealed before it is verified, and opened after it was redeemed."""
    found = await released(bench)
    payload = dict(found.payload)
    async with bench.executor.permit(found.token, payload) as permit:
        payload["amount"] = 1_000_000
        permit.payload["amount"] = 2_000_000
        assert permit.payload == PAYLOAD
        assert seal(permit.payload).sha256 == permit.payload_sha256 == found.document.payload_sha256


async def test_an_expired_and_a_revoked_grant_run_nothing(bench: Bench):
    """INV-20."""
    found = await released(bench)
    ran: list[Any] = []
    await revoke(bench.door.world.deps, RevokeGrants(action_id=found.id, operator="root", reason="stop"))
    with pytest.raises(GrantRefused) as revoked:
        await run(bench.executor, found, ran)
    assert revoked.value.code == "grant_revoked"
    late = await released(bench)
    bench.door.world.clock.pass_(minutes=16)
    with pytest.raises(GrantInvalid) as expired:
        await run(bench.executor, late, ran)
    assert expired.value.code == "expired"
    bench.door.world.clock.pass_(minutes=-1)  # now at its very end, which the leeway still believes
    with pytest.raises(GrantRefused) as refused:
        await run(bench.executor, late, ran)
    assert refused.value.code == "grant_expired"
    assert ran == []


async def test_a_grant_for_another_release_is_not_mixed_up(bench: Bench):
    one, other = await released(bench), await released(bench)
    with pytest.raises(GrantInvalid) as caught:
        await bench.executor.begin(one.token, one.payload, expected=(other.id, other.version))
    assert caught.value.code == "action"
    assert bench.line.count("/redeem") == 0


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (ActionFailed("card closed"), "failed"),
        (ValueError("sekret"), "unknown"),
        (KeyboardInterrupt(), "unknown"),
    ],
    ids=["nothing was done", "nobody knows", "broken off"],
)
async def test_what_ends_the_work_is_its_outcome(bench: Bench, error: BaseException, result: str):
    """INV-22: unknown where nobody can know, and then nothing is issued again."""
    found = await released(bench)
    with pytest.raises(type(error)) as raised:
        async with bench.executor.permit(found.token, found.payload):
            raise error
    assert raised.value is error
    document = await bench.agent.action(found.id)
    assert document.outcome is not None
    assert document.outcome.result == result
    assert "sekret" not in (document.outcome.detail or "")
    with pytest.raises(NoGrant):
        _ = (await bench.agent.wait(found.id)).token


async def test_a_task_that_is_cancelled_while_it_runs_leaves_unknown(bench: Bench):
    """INV-22."""
    found = await released(bench)
    running = asyncio.Event()

    async def work() -> None:
        async with bench.executor.permit(found.token, found.payload):
            running.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.outcome(found.id) == "unknown"


async def test_when_the_answer_to_a_redemption_is_lost_nothing_runs(bench: Bench):
    """INV-19, INV-22: the next try is told `grant_redeemed`, and by whom is not known."""
    found = await released(bench)
    bench.line.befalls("/redeem", "lost after")
    ran: list[Any] = []
    with pytest.raises(RedemptionUnclear, match=found.id):
        await run(bench.executor, found, ran)
    assert ran == []
    assert await bench.outcome(found.id) == "unknown"
    with pytest.raises(NoGrant):
        _ = (await bench.agent.wait(found.id)).token


@pytest.mark.parametrize(
    "weather", ["lost before", (503, {"Retry-After": "0"}), (429, {"Retry-After": "0"})], ids=str
)
async def test_a_redemption_that_never_arrived_is_tried_again(bench: Bench, weather: Any):
    found = await released(bench)
    bench.line.befalls("/redeem", weather)
    ran: list[Any] = []
    await run(bench.executor, found, ran)
    assert ran == [PAYLOAD]
    assert await bench.outcome(found.id) == "succeeded"


async def test_no_answer_to_a_redemption_at_all_runs_nothing(bench: Bench, tmp_path: Path):
    hasty = bench.another(patience=Patience(total=0.02, first=0.001, longest=0.005), journal=tmp_path / "j")
    found = await released(bench)
    await hasty.verify(found.token, found.payload)
    bench.line.befalls("/redeem", *["lost before"] * 50)
    ran: list[Any] = []
    with pytest.raises(RedemptionUnclear):
        await run(hasty, found, ran)
    assert ran == []
    bench.line.befalls("/redeem")
    assert await hasty.recover() == {}, "nothing was redeemed, so there is nothing to tell"
    await run(bench.executor, found, ran)
    assert len(ran) == 1


async def test_without_the_gate_nothing_runs(bench: Bench):
    found = await released(bench)
    alone = bench.another(url="http://127.0.0.1:9", patience=Patience(total=0.02, first=0.001, longest=0.005))
    ran: list[Any] = []
    with pytest.raises(Unreachable):
        await run(alone, found, ran)
    assert ran == []


async def test_keys_are_fetched_once_and_kept(bench: Bench):
    for _ in range(3):
        await run(bench.executor, await released(bench), [])
    assert bench.line.count("/jwks.json") == 1


async def test_with_a_pin_the_published_keys_alone_are_not_believed(bench: Bench):
    found = await released(bench)
    (kid,) = (key["kid"] for key in bench.door.world.signer.jwks()["keys"])
    ran: list[Any] = []
    with pytest.raises(GrantInvalid) as caught:
        await run(bench.another(pinned=["another"]), found, ran)
    assert caught.value.code == "unknown_key"
    await run(bench.another(pinned=[kid]), found, ran)
    assert len(ran) == 1


async def test_after_a_crash_it_says_what_it_knows(bench: Bench, tmp_path: Path):
    """INV-22: `unknown` of what was begun, the result of what had ended, nothing of what was never redeemed."""
    path = tmp_path / "journal"
    crashing = bench.another(journal=path)
    begun, ended, refused = [await released(bench) for _ in range(3)]
    await crashing.begin(begun.token, begun.payload)
    bench.line.befalls("/outcome", (500, {}))
    await run(crashing, ended, [])
    await run(bench.executor, refused, [])
    with pytest.raises(GrantRefused):
        await run(crashing, refused, [])
    await crashing.aclose()  # all that the next one finds is the journal

    again = bench.another(journal=path)
    assert await again.recover() == {begun.id: "unknown", ended.id: "succeeded"}
    assert [await bench.outcome(one.id) for one in (begun, ended, refused)] == [
        "unknown",
        "succeeded",
        "succeeded",
    ]
    assert await again.recover() == {}
    with pytest.raises(NoGrant):
        _ = (await bench.agent.wait(begun.id)).token
    settled = await again.report(begun.id, "succeeded", detail="found in the ledger")
    assert settled.outcome is not None
    assert settled.outcome.result == "succeeded"


async def test_a_journal_is_kept_where_the_gate_cannot_be_told(bench: Bench, tmp_path: Path):
    path = tmp_path / "journal"
    executor = bench.another(journal=path)
    found = await released(bench)
    await executor.begin(found.token, found.payload)
    bench.line.befalls("/outcome", (403, {}))
    with pytest.raises(GateRefused):
        await executor.recover()
    assert path.read_text() == f"unknown {found.id}\n"
    assert await executor.recover() == {found.id: "unknown"}
    assert path.read_text() == ""


async def test_an_outcome_that_cannot_be_reported_does_not_undo_what_was_done(bench: Bench):
    found = await released(bench)
    bench.line.befalls("/outcome", (500, {}))
    ran: list[Any] = []
    await run(bench.executor, found, ran)
    assert len(ran) == 1
    assert await bench.outcome(found.id) is None


async def test_giving_up_while_the_grant_is_redeemed_leaves_unknown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """INV-22: nobody knows whether it was redeemed, so the gate is told that nobody knows."""
    found = await released(bench)
    await bench.executor.verify(found.token, found.payload)
    connection = bench.executor._connection
    exchange: Callable[..., Any] = connection.exchange
    sent = asyncio.Event()

    async def slow(request: Any, **options: Any) -> Any:
        answer = await exchange(request, **options)
        if request.path.endswith("/redeem"):
            sent.set()
            await asyncio.Event().wait()
        return answer

    monkeypatch.setattr(connection, "exchange", slow)
    task = asyncio.create_task(run(bench.executor, found, []))
    await eventually(sent.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.outcome(found.id) == "unknown"
