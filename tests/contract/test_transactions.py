"""The contract of `ports.Store`: all or nothing, also under errors and cancellation; readers beside writers."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime

import pytest
import sqlalchemy.exc
from sqlalchemy import func, select, text

from gate.store import SqlStore, open_store, tables
from gate.store.remembered import Remembered
from gate.store.sealing import Sealer
from gate.store.transaction import SqlTransaction
from gate.usecases.ports import Card, Pin, StoreUnavailable, Transaction
from tests.contract.conftest import blocking_engine
from tests.contract.records import NOW, SetClock, action, approved, audited, message
from tests.fakes.sealing import KEYS


async def submit(tx: Transaction, number: int = 1) -> None:
    assert await tx.actions.add(action(number), idempotency_key=f"k{number}", body_sha256="b")
    await tx.audit.append(audited(action=f"act_{number:04d}"))
    await tx.outbox.add(message(number, action=f"act_{number:04d}"))


def counts(store: SqlStore) -> dict[str, int]:
    engine = blocking_engine(store)
    names = ("actions", "versions", "deadlines", "idempotency", "audit", "outbox")
    with engine.connect() as connection:
        found = {
            n: connection.scalar(select(func.count()).select_from(tables.metadata.tables[n])) for n in names
        }
    engine.dispose()
    return found


NOTHING = dict.fromkeys(("actions", "versions", "deadlines", "idempotency", "audit", "outbox"), 0)
ONE = dict.fromkeys(NOTHING, 1)


async def test_state_record_deadline_and_outbox_commit_together(store: SqlStore) -> None:
    """INV-33, INV-44: all of a transition or nothing of it."""
    async with store.writing() as tx:
        await submit(tx)
        async with store.reading() as other:
            assert await other.actions.get("act_0001") is None
            assert await other.audit.of_action("act_0001") == ()
            assert await other.outbox.depth() == (0, 0)
            assert await other.deadlines.next_at() is None
    assert counts(store) == ONE


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, asyncio.CancelledError])
async def test_any_way_out_but_the_clean_one_stores_nothing(store: SqlStore, error: type) -> None:
    """INV-33, INV-45."""

    async def interrupted() -> None:
        async with store.writing() as tx:
            await submit(tx)
            raise error

    with pytest.raises(error):
        await interrupted()
    assert counts(store) == NOTHING
    async with store.writing() as tx:
        await submit(tx)
    assert counts(store) == ONE


async def test_without_its_record_a_transition_is_not_stored(store: SqlStore) -> None:
    """INV-45: the append fails, so the state does not change."""
    async with store.writing() as tx:
        await submit(tx)

    async def approve_without_a_kind() -> None:
        async with store.writing() as tx:
            assert await tx.actions.save(approved(action()), expected_revision=1)
            await tx.outbox.add(message(2))
            await tx.audit.append(audited(kind=None))  # type: ignore[arg-type]

    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await approve_without_a_kind()
    async with store.reading() as tx:
        assert await tx.actions.get("act_0001") == action()
        assert await tx.outbox.depth() == (1, 0)


async def test_a_task_cancelled_while_it_waits_for_its_turn_leaves_nothing(store: SqlStore) -> None:
    """INV-46: and the next one gets its turn."""
    started = asyncio.Event()

    async def second() -> None:
        started.set()
        async with store.writing() as tx:
            await submit(tx, 2)

    async with store.writing() as tx:
        await submit(tx, 1)
        waiting = asyncio.create_task(second())
        await started.wait()
        waiting.cancel()
        if not store.address.postgres:  # there, nothing makes it wait
            with pytest.raises(asyncio.CancelledError):
                await waiting
    await asyncio.gather(waiting, return_exceptions=True)
    async with store.writing() as tx:
        await submit(tx, 3)
    assert counts(store)["actions"] == 2


async def test_a_cancellation_at_any_moment_stores_all_or_nothing(store: SqlStore) -> None:
    """INV-46: a client that goes away mid-way leaves no half transition, no open transaction and no lock."""
    loop = asyncio.get_running_loop()
    finished = 0
    for number in range(1, 121):

        async def one(number: int = number) -> None:
            async with store.writing() as tx:
                await submit(tx, number)

        task = asyncio.create_task(one())
        loop.call_later(number * 37 % 120 / 6_000, task.cancel)
        try:
            await task
            finished += 1
        except asyncio.CancelledError:
            pass
    found = counts(store)
    assert len(set(found.values())) == 1, found
    assert finished <= found["actions"] < 120  # a commit under way is finished, so a few more than returned
    async with store.writing() as tx:
        await submit(tx, 999)
    assert counts(store)["actions"] == found["actions"] + 1
    assert [pool.checkedout() for pool in _pools(store)] == [0] * len(_pools(store))


def _pools(store: SqlStore) -> list:
    return list({id(engine.pool): engine.pool for engine in store._engines}.values())


async def test_a_cancelled_reader_gives_its_connection_back(store: SqlStore) -> None:
    for delay in range(40):

        async def look() -> None:
            async with store.reading() as tx:
                for _ in range(50):
                    await tx.actions.get("act_0001")

        task = asyncio.create_task(look())
        asyncio.get_running_loop().call_later(delay / 4000, task.cancel)
        await asyncio.gather(task, return_exceptions=True)
    assert [pool.checkedout() for pool in _pools(store)] == [0] * len(_pools(store))


async def test_a_reader_sees_one_state_and_blocks_no_writer(store: SqlStore) -> None:
    async with store.writing() as tx:
        await submit(tx, 1)
    async with store.reading() as reader:
        assert await reader.actions.pending_count("agt_bot") == 1
        async with store.writing() as writer:
            await submit(writer, 2)
        assert await reader.actions.pending_count("agt_bot") == 1
        assert await reader.actions.get("act_0002") is None
    async with store.reading() as reader:
        assert await reader.actions.pending_count("agt_bot") == 2


async def test_a_reading_transaction_cannot_write(store: SqlStore) -> None:
    with pytest.raises((StoreUnavailable, sqlalchemy.exc.DBAPIError)):
        async with store.reading() as tx:
            await tx.cards.put(Card(action_id="act_1", channel="C1", ts=None, posting_since=NOW))
    async with store.reading() as tx:
        assert await tx.cards.get("act_1") is None


async def test_many_writers_at_once_all_commit(store: SqlStore) -> None:
    async def one(number: int) -> None:
        async with store.writing() as tx:
            await submit(tx, number)

    await asyncio.gather(*(one(number) for number in range(1, 41)))
    assert set(counts(store).values()) == {40}


async def test_a_write_a_transaction_made_is_seen_by_itself_only(
    store: SqlStore, other_store: SqlStore
) -> None:
    async with store.writing() as tx:
        await submit(tx, 1)
        assert await tx.actions.get("act_0001") == action()
        async with other_store.reading() as other:
            assert await other.actions.get("act_0001") is None


async def test_check_commits_and_can_be_repeated(store: SqlStore, clock: SetClock) -> None:
    await store.check()
    await store.check()
    engine = blocking_engine(store)
    with engine.connect() as connection:
        assert connection.execute(select(tables.heartbeat.c.at)).scalars().all() == [clock.at]
    engine.dispose()


async def test_a_check_answers_in_time_while_a_commit_hangs(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.store.store.CHECK_SEC", 0.05)
    async with store._bound(writable=True) as bound:
        await bound.put_over(tables.heartbeat, {"id": 1, "at": NOW})
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="in time"):
                await store.check()
    monkeypatch.undo()
    await store.check()


async def test_a_store_that_is_not_open_is_unavailable(database_url: str, clock: SetClock) -> None:
    store = open_store(database_url, clock=clock)
    with pytest.raises(StoreUnavailable):
        await store.check()
    await store.start()
    await store.check()
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        async with store.reading():
            pass


async def test_closing_lets_an_open_transaction_end(store: SqlStore, clock: SetClock) -> None:
    async with store.writing() as tx:
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        await submit(tx)
        assert not closing.done()
    await closing
    assert counts(store) == ONE


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_full_disk_is_unavailable(store: SqlStore) -> None:
    """A decision that could not be made durable is told as such, and nothing of it is stored."""
    async with store._engines[0].connect() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar()
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    async def fill() -> None:
        async with store.writing() as tx:
            for number in range(200):
                long = "p" * 4000 + str(number)
                await tx.pins.add(Pin(person=long, team_id="T", user_id=str(number), pinned_at=NOW))

    with pytest.raises(StoreUnavailable, match="full"):
        await fill()
    async with store.reading() as tx:
        assert await tx.pins.by_user("T", "0") is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_writer_of_another_process_is_waited_for(store: SqlStore, other_store: SqlStore) -> None:
    """A command-line verb beside the running gate: SQLite's own lock orders them."""
    async with other_store.writing() as tx:
        await submit(tx, 1)
        second = asyncio.create_task(store.check())
        async with store.reading() as reader:
            assert await reader.actions.get("act_0001") is None
        assert not second.done()
    await second
    assert counts(store) == ONE


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_server_that_takes_no_writes_is_unavailable(store: SqlStore, clock: SetClock) -> None:
    """A standby, or a server being switched over."""
    engine = blocking_engine(store)
    with engine.begin() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    engine.dispose()
    async with open_store(
        store.address.url.render_as_string(hide_password=False), clock=clock, keys=KEYS
    ) as replica:
        with pytest.raises(StoreUnavailable, match="read-only"):
            await replica.check()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_connection_that_was_lost_costs_one_answer(store: SqlStore) -> None:
    """The transaction is reported as not taken, and the next one works."""
    engine = blocking_engine(store)

    def end_the_others() -> None:
        with engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

    async def cut_off() -> None:
        async with store.writing() as tx:
            await submit(tx)
            end_the_others()
            await tx.audit.append(audited())

    with pytest.raises(StoreUnavailable):
        await cut_off()
    assert counts(store) == NOTHING
    end_the_others()  # while they lie idle in the pool: found out before they are used
    async with store.writing() as tx:
        await submit(tx)
    assert counts(store) == ONE
    engine.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_database_nobody_listens_for_is_unavailable(database_url: str, clock: SetClock) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    store = open_store(f"postgresql://gate:geheim@127.0.0.1:{port}/gate", clock=clock)
    with pytest.raises(StoreUnavailable) as told:
        await store.start()
    assert "geheim" not in str(told.value)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_waits_too_long_is_unavailable(store: SqlStore, other_store: SqlStore) -> None:
    """A row locked by a stuck transaction does not hang everybody else for ever."""
    async with store.writing() as tx:
        await submit(tx)

    async def impatient() -> None:
        async with other_store._bound(writable=True) as bound:
            await bound.connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
            await SqlTransaction(bound, SetClock(), Sealer(KEYS), Remembered()).actions.save(
                approved(action(), "bo"), expected_revision=1
            )

    async with store.writing() as tx:
        assert await tx.actions.save(approved(action()), expected_revision=1)
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await impatient()


async def test_the_databases_time_is_close_to_ours(store: SqlStore, clock: SetClock) -> None:
    told = await store.database_time()
    if store.address.postgres:
        assert abs((told - datetime.now(UTC)).total_seconds()) < 60
    else:
        assert told == clock.at
