"""The contract of a presuming transaction: what it took for true is looked up in the commit, for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from gate.domain.action import Agent
from gate.store import SqlStore
from gate.store.history import _RETRY
from gate.store.raw_postgres import wanted_rows
from gate.usecases.ports import Outrun, StoredAgent
from tests.contract.conftest import blocking_engine
from tests.contract.records import NOW, action, later
from tests.contract.test_delegations import lent, put
from tests.contract.test_transactions import counts

SINCE = NOW - timedelta(hours=24)
HOLDER = Agent(id="agt_1", name="holder", team="t", owner="own", scopes=frozenset({"propose"}))
KEPT = StoredAgent(agent=HOLDER, key_sha256="k1", created_at=NOW)


def other(number: int) -> str:
    return f"{number:064x}"


async def propose(store: SqlStore, number: int, *, sha256: str = "", presuming: bool = True) -> int:
    """Propose like the use case does; the number of equal ones before it."""
    record = action(number, payload_sha256=sha256 or other(number))
    async with store.together("a", presuming=presuming) as tx:
        found = await tx.actions.retries(
            record.agent.id, record.proposal.topic, record.proposed.payload_sha256, SINCE
        )
        assert await tx.actions.add(record, idempotency_key=None, body_sha256="b")
    return found


async def propose_with_key(store: SqlStore, number: int, agent: Agent, key: str) -> bool:
    async with store.together(agent.id, presuming=True) as tx:
        good = await tx.agents.still(agent, key, NOW)
        if good:
            assert await tx.actions.add(action(number), idempotency_key=None, body_sha256="b")
    return good


async def test_a_retry_presumed_away_is_found_and_holds_up_nobody_else(store: SqlStore) -> None:
    assert await propose(store, 1, sha256=other(7_000)) == 0
    ends = await asyncio.gather(
        propose(store, 2),
        propose(store, 3, sha256=other(7_000)),
        *(propose(store, number) for number in range(4, 40)),
        return_exceptions=True,
    )
    assert isinstance(ends[1], Outrun)
    assert ends[:1] + ends[2:] == [0] * 37
    assert counts(store)["actions"] == 38
    assert await propose(store, 3, sha256=other(7_000), presuming=False) == 1


@pytest.mark.parametrize(
    "differs",
    [
        pytest.param({"topic": "pay.other"}, id="another topic"),
        pytest.param({"at": SINCE - timedelta(seconds=1)}, id="long ago"),
        pytest.param({"agent": replace(HOLDER, id="agt_2")}, id="another agent"),
    ],
)
async def test_what_is_no_retry_is_presumed_rightly(store: SqlStore, differs: dict[str, object]) -> None:
    async with store.writing() as tx:
        before = action(1, payload_sha256=other(7_000), **differs)  # type: ignore[arg-type]
        assert await tx.actions.add(before, idempotency_key=None, body_sha256="b")
    assert await propose(store, 2, sha256=other(7_000)) == 0


async def test_nothing_is_stored_for_a_key_that_was_revoked_meanwhile(store: SqlStore) -> None:
    """A key is remembered, and its revocation holds with the next commit all the same."""
    second = replace(KEPT, agent=replace(HOLDER, id="agt_2", name="second"), key_sha256="k2")
    async with store.writing() as tx:
        assert await tx.agents.add(KEPT)
        assert await tx.agents.add(second)
    holders = [await store.now.agents.by_key(key, NOW) for key in ("k1", "k2")]
    assert holders == [HOLDER, second.agent]
    assert store.now.agents.remembered("k1") is holders[0]
    assert await propose_with_key(store, 1, HOLDER, "k1")
    async with store.writing() as tx:
        await tx.agents.replace(replace(KEPT, revoked_at=NOW))
    remembered = store.now.agents.remembered("k1")
    assert remembered is not None
    ends = await asyncio.gather(
        propose_with_key(store, 2, remembered, "k1"),
        *(propose_with_key(store, number, second.agent, "k2") for number in range(3, 9)),
        return_exceptions=True,
    )
    assert isinstance(ends[0], Outrun)
    assert ends[1:] == [True] * 6
    assert counts(store)["actions"] == 7
    async with store.together("a") as tx:
        assert not await tx.agents.still(HOLDER, "k1", NOW)
    assert store.now.agents.remembered("k1") is None


async def test_an_agent_whose_rights_were_changed_is_no_longer_the_same(store: SqlStore) -> None:
    async with store.writing() as tx:
        assert await tx.agents.add(KEPT)
    holder = await store.now.agents.by_key("k1", NOW)
    assert holder is not None
    async with store.writing() as tx:
        await tx.agents.replace(replace(KEPT, agent=replace(HOLDER, scopes=frozenset({"read"}))))
    with pytest.raises(Outrun):
        await propose_with_key(store, 1, holder, "k1")
    assert counts(store)["actions"] == 0


async def test_a_key_that_was_rotated_out_is_looked_up_every_time(store: SqlStore) -> None:
    async with store.writing() as tx:
        rotated = replace(KEPT, key_sha256="k9", old_key_sha256="k1", old_until=NOW + timedelta(hours=1))
        assert await tx.agents.add(rotated)
    assert await store.now.agents.by_key("k1", NOW) == HOLDER
    assert store.now.agents.remembered("k1") is None
    async with store.together("a", presuming=True) as tx:
        assert await tx.agents.still(HOLDER, "k1", NOW)
        assert not await tx.agents.still(HOLDER, "k1", NOW + timedelta(hours=1))


async def test_what_is_presumed_not_to_be_there_is_looked_for_by_its_index(store: SqlStore) -> None:
    """Also on PostgreSQL before it has counted what is in the table."""
    await asyncio.gather(*(propose(store, number) for number in range(1, 400)))
    values = _RETRY.on(store.address.postgres).values(("agt_bot", other(1), "pay.refund", SINCE))
    if store.address.postgres:
        sql, given = wanted_rows(_RETRY.on(True), [(0, ("agt_bot", other(1), "pay.refund", SINCE))])
        sql, given = f"EXPLAIN {sql}", tuple(given)
    else:
        sql, given = f"EXPLAIN QUERY PLAN {_RETRY.on(False).listed(1)}", (0, *values)
    engine = blocking_engine(store)
    with engine.connect() as connection:
        plan = " / ".join(str(tuple(row)) for row in connection.exec_driver_sql(sql, given))
    engine.dispose()
    assert "ix_actions_retries" in plan, plan
    assert "Seq Scan" not in plan, plan


async def in_force_then(store: SqlStore, meanwhile: Callable[[], Awaitable[None]]) -> list[str]:
    """The delegations that a presuming transaction goes by, where it is committed after that."""
    async with store.together("a", presuming=True) as tx:
        found = await tx.delegations.in_force(later(9))
        await meanwhile()
        assert await tx.actions.add(action(1), idempotency_key=None, body_sha256="b")
    return [each.id for each in found]


@pytest.mark.parametrize("what", ["granted", "ended", "ended and another granted"])
async def test_delegations_are_presumed_to_stand_as_they_did(
    store: SqlStore, other_store: SqlStore, what: str
) -> None:
    """INV-07, INV-13: whatever another gate has done to them since the last look is found in the commit."""

    async def nothing() -> None:
        pass

    async def changed() -> None:
        if "ended" in what:
            async with other_store.writing() as tx:
                assert await tx.delegations.revoke("dlg_0001", at=NOW, by="ana")
        if "granted" in what:
            await put(other_store, lent(2))

    await put(store, lent())
    await store.now.delegations.in_force(later(9))
    with pytest.raises(Outrun):
        await in_force_then(store, changed)
    assert counts(store)["actions"] == 0
    after = [each.id for each in await store.now.delegations.in_force(later(9))]
    assert await in_force_then(store, nothing) == after
    assert after == {"granted": ["dlg_0001", "dlg_0002"], "ended": []}.get(what, ["dlg_0002"])
