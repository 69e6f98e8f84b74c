"""The contract of `ports.Deadlines` and `ports.Grants`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy.exc
from sqlalchemy import event, text

from gate.domain.request import GrantState
from gate.store import SqlStore, UnreadableRow
from gate.usecases.ports import Due
from tests.contract.conftest import blocking_engine
from tests.contract.records import action, grant, later


async def put(store: SqlStore, *records) -> None:
    async with store.writing() as tx:
        for record in records:
            assert await tx.actions.add(record, idempotency_key=None, body_sha256="b")


async def test_due_are_those_whose_time_has_come_the_earliest_first(store: SqlStore) -> None:
    """INV-31: not a microsecond early."""
    await put(store, *(action(n, due_at=later(40 - 10 * n)) for n in (1, 2, 3)))
    async with store.reading() as tx:
        assert await tx.deadlines.next_at() == later(10)
        assert await tx.deadlines.due(later(9.999999), limit=9) == ()
        assert [d.action_id for d in await tx.deadlines.due(later(20), limit=9)] == ["act_0003", "act_0002"]
        assert await tx.deadlines.due(later(99), limit=1) == (
            Due(action_id="act_0003", seq=1, due_at=later(10)),
        )


async def test_nothing_is_next_where_nothing_waits(store: SqlStore) -> None:
    async with store.reading() as tx:
        assert await tx.deadlines.next_at() is None


async def test_due_in_a_writing_transaction_gives_the_same(store: SqlStore) -> None:
    await put(store, action(1, due_at=later(5)))
    async with store.writing() as tx:
        assert [due.seq for due in await tx.deadlines.due(later(5), limit=9)] == [1]


async def test_a_deadline_that_passed_while_nobody_ran_is_due_on_return(store: SqlStore) -> None:
    """INV-25: it lies in the database, not in a timer of a process."""
    await put(store, action(1, due_at=later(5)))
    await store.close()
    await store.start()
    async with store.reading() as tx:
        assert len(await tx.deadlines.due(later(10**7), limit=9)) == 1


async def test_due_reads_only_what_is_due(store: SqlStore) -> None:
    """The plan is a search of the index by time, never a scan of the table."""
    await put(store, *(action(n, due_at=later(n)) for n in range(1, 40)))
    statements: list[str] = []
    reader = store._engines[1].sync_engine  # the statement as it is really sent
    event.listen(reader, "before_cursor_execute", lambda _c, _cur, sql, *_: statements.append(sql))
    async with store.reading() as tx:
        await tx.deadlines.due(later(3), limit=2)
    (sent,) = [sql for sql in statements if "deadlines" in sql]
    engine = blocking_engine(store)
    try:
        with engine.connect() as connection:
            if store.address.postgres:
                connection.execute(text("SET enable_seqscan = off"))  # forty rows would be scanned rightly
                for name, value in (("due_at_1", 9), ("param_1", 2)):
                    sent = sent.replace(f"%({name})s", str(value))
                plan = " ".join(connection.exec_driver_sql(f"EXPLAIN {sent}").scalars())
                assert "Index Cond: (due_at <=" in plan
                assert "Sort" not in plan
            else:
                plan = " ".join(
                    row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sent}", (9, 2, 0))
                )
                assert "SEARCH deadlines USING" in plan
                assert "ix_deadlines_due (due_at<?)" in plan
                assert "TEMP B-TREE" not in plan
    finally:
        engine.dispose()


async def test_a_grant_is_read_back_as_it_was_added(store: SqlStore) -> None:
    await put(store, action(1))
    used = grant(2, state=GrantState.REDEEMED, redeemed_at=later(3), redeemed_by="agt_exec")
    async with store.writing() as tx:
        await tx.grants.add(grant(1))
        await tx.grants.add(used)
        assert await tx.grants.get("grt_0001") == grant(1)
        assert await tx.grants.get("grt_0002") == used
        assert await tx.grants.get("grt_none") is None


async def test_the_latest_grant_of_a_version_is_the_one_issued_last(store: SqlStore) -> None:
    await put(store, action(1), action(2))
    async with store.writing() as tx:
        for number in (2, 1, 3):
            await tx.grants.add(grant(number))
        await tx.grants.add(grant(8, version=2))
        await tx.grants.add(grant(9, action="act_0002"))
        assert await tx.grants.latest("act_0001", 1) == grant(3)
        assert await tx.grants.latest("act_0001", 2) == grant(8, version=2)
        assert await tx.grants.latest("act_0001", 3) is None


@pytest.mark.parametrize("to", [GrantState.REDEEMED, GrantState.EXPIRED, GrantState.REVOKED])
async def test_a_grant_leaves_issued_once(store: SqlStore, to: GrantState) -> None:
    """INV-19: the second to move it moves no row; INV-20: nor does anybody after expiry or revocation."""
    await put(store, action(1))
    async with store.writing() as tx:
        await tx.grants.add(grant(1))
        assert await tx.grants.move("grt_0001", to=to, at=later(5), by="agt_exec")
        for again in (GrantState.REDEEMED, GrantState.EXPIRED, GrantState.REVOKED):
            assert not await tx.grants.move("grt_0001", to=again, at=later(6), by="agt_late")
        stored = await tx.grants.get("grt_0001")
    redeemed = {"redeemed_at": later(5), "redeemed_by": "agt_exec"} if to is GrantState.REDEEMED else {}
    assert stored == replace(grant(1), state=to, **redeemed)


async def test_of_all_grants_of_a_version_one_is_redeemed(store: SqlStore) -> None:
    """INV-19: a second grant of the same version stays unredeemed, whoever tries."""
    await put(store, action(1))
    async with store.writing() as tx:
        for number in (1, 2):
            await tx.grants.add(grant(number))
        await tx.grants.add(grant(3, version=2))
        assert await tx.grants.move("grt_0001", to=GrantState.REDEEMED, at=later(5), by="x")
        assert not await tx.grants.move("grt_0002", to=GrantState.REDEEMED, at=later(5), by="x")
        assert await tx.grants.move("grt_0002", to=GrantState.EXPIRED)
        assert await tx.grants.move("grt_0003", to=GrantState.REDEEMED, at=later(5), by="x")


async def test_the_database_itself_refuses_a_second_redeemed_grant(store: SqlStore) -> None:
    """INV-19: even where a statement forgot to ask."""
    await put(store, action(1))
    async with store.writing() as tx:
        await tx.grants.add(grant(1, state=GrantState.REDEEMED))
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        async with store.writing() as tx:
            await tx.grants.add(grant(2, state=GrantState.REDEEMED))


async def test_a_grant_of_an_unknown_state_is_named_not_guessed(store: SqlStore) -> None:
    await put(store, action(1))
    async with store.writing() as tx:
        await tx.grants.add(grant(1))
    engine = blocking_engine(store)
    with engine.begin() as connection:
        connection.execute(text("UPDATE grants SET state = 'lent'"))
    engine.dispose()
    with pytest.raises(UnreadableRow, match="Grant grt_0001"):
        async with store.reading() as tx:
            await tx.grants.get("grt_0001")
