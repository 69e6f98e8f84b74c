"""The contract of `ports.Months`: the record goes on from month to month, each a stretch of its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
import sqlalchemy.exc
from sqlalchemy import select, text

from gate.domain.audit import canonical_bytes
from gate.domain.months import AHEAD, begins, block_of, month_of
from gate.store import SqlStore, migrate, open_store, standing, tables
from gate.store.months import partition_of
from gate.usecases.ports import StoreUnavailable
from gate.workers.months import MonthKeeper
from tests.contract.conftest import blocking_engine
from tests.contract.records import NOW, SetClock
from tests.contract.test_tree import append, grow, record

NOVEMBER = month_of(NOW)
DECEMBER = NOVEMBER + 1


async def begin(store: SqlStore, month: int) -> bool:
    async with store.writing() as tx:
        await tx.months.prepare(month)
    async with store.writing() as tx:
        return await tx.months.begin(month)


def rows(store: SqlStore, table: str = "audit") -> list[int]:
    engine = blocking_engine(store)
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT seq FROM {table} ORDER BY seq")).scalars().all()  # noqa: S608
    engine.dispose()
    return list(found)


async def test_a_record_is_written_in_the_month_that_has_begun(store: SqlStore) -> None:
    await append(store, 1)
    assert await begin(store, NOVEMBER)
    await append(store, 2, 3)
    assert not await begin(store, NOVEMBER), "a month begins once"
    assert await begin(store, DECEMBER)
    await append(store, 4)
    assert not await begin(store, NOVEMBER), "and none after a later one"
    await append(store, 5)
    assert [block_of(row) for row in rows(store)] == [0, NOVEMBER, NOVEMBER, DECEMBER, DECEMBER]
    assert await grow(store) is not None
    async with store.reading() as tx:
        assert await tx.months.current() == DECEMBER
        kept = await tx.tree.kept(after=-1, limit=10)
        assert [leaf.canonical for leaf in kept] == [canonical_bytes(record(n)) for n in range(1, 6)]
        assert await tx.tree.strays() == ()
    if store.address.postgres:
        assert [len(rows(store, partition_of(block))) for block in (0, NOVEMBER, DECEMBER)] == [1, 2, 2]


async def test_a_month_that_has_no_place_does_not_begin(store: SqlStore) -> None:
    async with store.writing() as tx:
        assert await tx.months.begin(NOVEMBER) is not store.address.postgres
    await append(store, 1)
    async with store.reading() as tx:
        assert not await tx.months.astray()


async def test_a_record_whose_partition_is_gone_is_stored_all_the_same(store: SqlStore) -> None:
    if not store.address.postgres:
        pytest.skip("SQLite has no partitions")
    assert await begin(store, NOVEMBER)
    engine = blocking_engine(store)
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {partition_of(NOVEMBER)}"))
    engine.dispose()
    await append(store, 1)
    async with store.reading() as tx:
        assert await tx.months.astray()
        assert len(await tx.audit.of_action("act_0001")) == 1
    clock = SetClock()
    keeper = MonthKeeper(store=store, clock=clock)
    await keeper.look()
    assert keeper.problem is not None
    assert "2026-11" in keeper.problem
    clock.at = clock.at.replace(month=12)
    await keeper.look()
    assert keeper.problem is not None
    assert "audit_rest" in keeper.problem, "told until somebody has looked"


@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET kind = 'x'", "TRUNCATE {}"])
async def test_a_partition_refuses_changes_by_its_own_name_too(store: SqlStore, statement: str) -> None:
    """INV-48."""
    if not store.address.postgres:
        pytest.skip("SQLite has no partitions")
    await append(store, 1)
    assert await begin(store, NOVEMBER)
    await append(store, 2)
    engine = blocking_engine(store)
    for name in ("audit", partition_of(0), partition_of(NOVEMBER)):
        with (
            engine.begin() as connection,
            pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"),
        ):
            connection.execute(text(statement.format(name)))
    engine.dispose()
    assert len(rows(store)) == 2


async def test_months_begin_while_everybody_writes(store: SqlStore, other_store: SqlStore) -> None:
    """INV-47: numbers stay contiguous and unique over the turn of a month, and each month is one stretch of them."""
    async with store.writing() as tx:
        for month in (NOVEMBER, DECEMBER):
            await tx.months.prepare(month)
    await append(store, 0)
    done = asyncio.Event()
    written = 0

    async def write(own: SqlStore, start: int) -> None:
        nonlocal written
        number = start
        while not done.is_set():
            await append(own, number, number + 1)
            number += 2
            written += 2

    async def turn(own: SqlStore, month: int) -> bool:
        while True:
            try:
                async with own.writing() as tx:
                    return await tx.months.begin(month)
            except StoreUnavailable:
                continue  # a writer was in the way; the keeper looks again, too

    writers = [asyncio.create_task(write(own, n * 10_000)) for n, own in enumerate((store, other_store), 1)]
    begun: list[bool] = []
    async with asyncio.timeout(60):
        for month in (NOVEMBER, DECEMBER):
            begun += await asyncio.gather(turn(store, month), turn(other_store, month))
            enough = written + 10
            while written < enough:  # each month gets some
                await grow(store, limit=7)
        done.set()
        await asyncio.gather(*writers)
        while (tree := await grow(store)) is None or tree.size < written + 1:
            pass
    assert sorted(begun) == [False, False, True, True]
    engine = blocking_engine(store)
    with engine.connect() as connection:
        leaves = connection.execute(select(tables.leaves).order_by(tables.leaves.c.position)).all()
    engine.dispose()
    assert [leaf.position for leaf in leaves] == list(range(len(rows(store))))
    assert sorted(leaf.record for leaf in leaves) == rows(store)
    blocks = [block_of(leaf.record) for leaf in leaves]
    assert blocks == sorted(blocks)
    assert set(blocks) == {0, NOVEMBER, DECEMBER}


async def test_a_month_does_not_hold_up_whoever_writes(store: SqlStore, other_store: SqlStore) -> None:
    """A writer that stands still keeps the month from beginning, and nobody else from writing."""
    if not store.address.postgres:
        pytest.skip("SQLite has one writer anyway")
    async with store.writing() as tx:
        await tx.months.prepare(NOVEMBER)
    async with other_store.writing() as standing:
        await standing.audit.append(record(1))
        with pytest.raises(StoreUnavailable):
            await begin(store, NOVEMBER)
        await append(store, 2)
    assert await begin(store, NOVEMBER)


async def test_the_keeper_prepares_ahead_and_begins_in_time(store: SqlStore, other_store: SqlStore) -> None:
    clock = SetClock()
    keepers = [MonthKeeper(store=each, clock=clock) for each in (store, other_store)]
    for _ in range(2):  # any number of times, by any number of replicas
        for keeper in keepers:
            await keeper.look()
    async with store.reading() as tx:
        ahead = range(NOVEMBER, NOVEMBER + AHEAD + 2)
        assert await tx.months.unprepared(ahead) == ((ahead[-1],) if store.address.postgres else ())
        assert await tx.months.current() == NOVEMBER
    await append(store, 1)
    clock.at = datetime(2027, 5, 1, tzinfo=UTC)  # nobody was there for months
    await keepers[0].look()
    await append(store, 2)
    clock.at = NOW  # and a clock that goes back takes no month back
    await keepers[1].look()
    await append(store, 3)
    assert [block_of(row) for row in rows(store)] == [NOVEMBER, NOVEMBER + 6, NOVEMBER + 6]
    assert [keeper.problem for keeper in keepers] == [None, None]


async def test_records_from_before_there_were_months_are_kept_where_they_are(postgres_url: str) -> None:
    """INV-54: an upgrade loses and moves nothing; numbers go on from the last."""
    engine = standing.engine_of(migrate.parse_address(postgres_url))
    with engine.connect() as connection:
        migrate.run(connection, to="0013")
        for number in (1, 2):
            row = {"kind": "action.allowed", "actor": "policy", "at": NOW, "sha256": "x"}
            canonical = canonical_bytes(record(number))
            connection.execute(tables.audit.insert().inline(), row | {"canonical": canonical})
        connection.commit()
        before = connection.execute(text("SELECT *, pg_relation_filenode('audit') FROM audit")).all()
    migrate.upgrade(postgres_url)
    with engine.connect() as connection:
        after = connection.execute(text("SELECT *, pg_relation_filenode('audit_first') FROM audit")).all()
    engine.dispose()
    assert [(*row[:5], bytes(row[5]), *row[6:]) for row in after] == [
        (*row[:5], bytes(row[5]), *row[6:]) for row in before
    ]
    async with open_store(postgres_url, clock=SetClock()) as store:
        await append(store, 3)
        assert rows(store) == [1, 2, 3]
        assert await begin(store, NOVEMBER)
        await append(store, 4)
        assert rows(store) == [1, 2, 3, begins(NOVEMBER)]
