"""A guarded function runs what was approved, once, or nothing at all; and says what came of it."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from gate.client import (
    ActionFailed,
    AsyncGate,
    ConstraintsUnhandled,
    Denied,
    Executor,
    Gate,
    GrantRefused,
    NoGrant,
    PayloadUnfit,
    Permit,
    Released,
    StillPending,
)
from gate.client.errors import GateError
from tests.integration.client.conftest import QUICK, Bench
from tests.integration.http.door import eventually, secret

REFUND: dict[str, Any] = {"topic": "pay.refund", "summary": "Refund ${amount} to order {order}"}


async def pending(bench: Bench) -> str:
    """The id of the one action that somebody waits for."""
    await eventually(lambda: bench.door.app_waits() == 1)
    (item,) = (await bench.door.get("/v1/actions?status=pending")).body["items"]
    return item["id"]


async def test_it_runs_with_the_payload_that_was_approved(bench: Bench):
    """INV-21: a reviewer has corrected the amount, and the agent's own copy is not what runs."""
    ran: list[tuple[str, int]] = []

    @bench.agent.guard(**REFUND)
    async def refund(order: str, amount: int) -> str:
        """Pays back."""
        ran.append((order, amount))
        return f"re_{amount}"

    assert (refund.__name__, refund.__doc__) == ("refund", "Pays back.")
    assert str(inspect.signature(refund)) == "(order: 'str', amount: 'int') -> 'str'"
    assert not hasattr(refund, "__wrapped__"), "a way around the guard"
    task = asyncio.create_task(refund("881", amount=1400))
    action = await pending(bench)
    record = await bench.door.world.load(action)
    assert record.proposal.summary == "Refund $1400 to order 881"
    await bench.door.world.edit(record, "ana", {"order": "881", "amount": 900}, approve=True)
    assert await task == "re_900"
    assert ran == [("881", 900)]
    assert await bench.outcome(action) == "succeeded"


async def test_what_is_refused_does_not_run(bench: Bench):
    @bench.agent.guard(topic="db.drop", summary="Drop {table}")
    async def drop(table: str) -> None:
        raise AssertionError("ran")

    with pytest.raises(Denied) as denied:
        await drop("orders")
    assert denied.value.remediations[0].replacement_topic == "db.archive"


async def test_what_nobody_decides_is_taken_back(bench: Bench):
    @bench.agent.guard(**REFUND, timeout=0)
    async def refund(order: str, amount: int) -> None:
        raise AssertionError("ran")

    with pytest.raises(StillPending) as caught:
        await refund("881", 1400)
    assert (await bench.agent.action(caught.value.document.id)).status == "cancelled"


async def test_a_decision_in_the_moment_of_giving_up_counts(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    ran: list[int] = []

    @bench.agent.guard(**REFUND, timeout=0)
    async def refund(order: str, amount: int) -> None:
        ran.append(amount)

    cancel = bench.agent.cancel

    async def after_the_approval(action_id: str, *, reason: str | None = None) -> Any:
        await bench.door.approve(action_id)
        return await cancel(action_id, reason=reason)

    monkeypatch.setattr(bench.agent, "cancel", after_the_approval)
    await refund("881", 1400)
    assert ran == [1400]


@pytest.mark.parametrize(
    ("error", "result"), [(ActionFailed("card closed"), "failed"), (OSError("sekret"), "unknown")], ids=str
)
async def test_a_crash_in_the_middle_is_reported(bench: Bench, error: Exception, result: str):
    """INV-22."""

    @bench.agent.guard(topic="crm.read", summary="Read {order}")
    async def read(order: str) -> None:
        raise error

    with pytest.raises(type(error)):
        await read("881")
    (item,) = (await bench.door.get("/v1/actions")).body["items"]
    assert item["outcome"]["result"] == result
    assert "sekret" not in str(item)


async def test_constraints_reach_the_function_or_nothing_runs(bench: Bench):
    seen: list[dict[str, Any]] = []

    @bench.agent.guard(topic="job.run", summary="Run {name}")
    async def heedless(name: str) -> None:
        raise AssertionError("ran")

    @bench.agent.guard(topic="job.run", summary="Run {name}", permit="permit")
    async def heeding(name: str, *, permit: Permit | None = None) -> None:
        assert permit is not None
        seen.append(permit.constraints)

    with pytest.raises(ConstraintsUnhandled):
        await heedless("nightly")
    assert bench.line.count("/redeem") == 0, "the grant is not used up"
    await heeding("nightly")
    assert seen == [{"max_runtime_sec": 60}]


async def test_an_edit_the_function_cannot_run_uses_nothing_up(bench: Bench):
    @bench.agent.guard(**REFUND)
    async def refund(order: str, amount: int, note: str = "none") -> None:
        raise AssertionError("ran")

    task = asyncio.create_task(refund("881", 1400))
    action = await pending(bench)
    await bench.door.world.edit(
        await bench.door.world.load(action), "ana", {"order": "881", "amount": 9}, approve=True
    )
    with pytest.raises(PayloadUnfit, match="note"):
        await task
    assert bench.line.count("/redeem") == 0
    released: Released = await bench.agent.wait(action)
    assert released.token


async def test_a_guard_without_an_executor_is_a_mistake_at_once(bench: Bench):
    alone = AsyncGate(bench.line.url, key=secret("bot"), patience=QUICK)
    with pytest.raises(TypeError, match="executor"):
        alone.guard(topic="a.b", summary="s")
    with pytest.raises(TypeError, match="executor"):
        Gate(bench.line.url, key=secret("bot")).guard(topic="a.b", summary="s")


async def test_without_asyncio_it_guards_alike(bench: Bench):
    """INV-19, INV-21: in threads, where the function runs in its caller's; one release, one run."""
    import threading

    ran: list[tuple[int, int]] = []

    def work() -> list[str]:
        executor = Executor(
            bench.line.url,
            key=secret("executor"),
            patience=QUICK,
            clock=lambda: bench.door.world.clock.now().timestamp(),
        )
        with executor, Gate(bench.line.url, key=secret("bot"), executor=executor, patience=QUICK) as gate:

            @gate.guard(topic="crm.read", summary="Read {order}", keep=["here"])
            def read(order: int, here: int) -> int:
                ran.append((order, threading.get_ident()))
                if order == 3:
                    raise ActionFailed("no such order")
                return order

            assert read(1, here=threading.get_ident()) == 1
            with pytest.raises(ActionFailed):
                read(3, here=0)
            with pytest.raises(TypeError, match="no payload"):
                read(object(), here=0)  # pyright: ignore[reportArgumentType]
            released = gate.ask(topic="crm.read", payload={"order": 4}, summary="Read")
            with executor.permit(released.token, released.payload) as permit:
                assert permit.payload == {"order": 4}
            with pytest.raises(GateError) as again, executor.permit(released.token, released.payload):
                raise AssertionError("ran")
            assert executor.recover() == {}
            assert executor.verify(released.token, released.payload).action == released.id
            executor.report(released.id, "succeeded", defect=True)
            assert {identity for _, identity in ran} == {threading.get_ident()}
            return [again.value.code]

    assert await asyncio.to_thread(work) == ["grant_redeemed"]
    outcomes = {
        item["payload"]["order"]: (item["outcome"]["result"], item["outcome"]["defect"])
        for item in (await bench.door.get("/v1/actions")).body["items"]
    }
    assert outcomes == {1: ("succeeded", False), 3: ("failed", False), 4: ("succeeded", True)}


async def test_of_equal_calls_at_once_people_are_asked_about_one_and_one_runs(bench: Bench):
    """INV-19: the second joins the first, and whoever is late to the one grant is told so."""
    ran: list[int] = []

    @bench.agent.guard(**REFUND)
    async def refund(order: str, amount: int) -> None:
        ran.append(amount)

    @bench.agent.guard(**REFUND, timeout=0)
    async def hasty(order: str, amount: int) -> None:
        raise AssertionError("ran")

    first = asyncio.create_task(refund("881", 1400))
    action = await pending(bench)
    second = asyncio.create_task(refund("881", 1400))
    await eventually(lambda: bench.door.app_waits() == 2)
    with pytest.raises(StillPending) as joined:
        await hasty("881", 1400)
    assert (joined.value.document.id, joined.value.joined) == (action, True)
    assert (await bench.agent.action(action)).status == "pending", "it is not theirs to take back"
    await bench.door.approve(action)
    told = await asyncio.gather(first, second, return_exceptions=True)
    assert ran == [1400]
    (late,) = (error for error in told if error is not None)
    assert isinstance(late, GrantRefused | NoGrant)


async def test_the_grant_is_for_the_executor_that_runs_it(bench: Bench):
    payments = bench.another("elsewhere", audience="payments")

    @bench.agent.guard(topic="crm.read", summary="Read {order}", executor=payments)
    async def read(order: str) -> str:
        return order

    assert await read("881") == "881"
