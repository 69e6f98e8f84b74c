"""Two at once: in one process on two connections, and in processes of their own; one wins, the other is told."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, text

from gate.domain.request import GrantState, Status
from gate.store import SqlStore
from tests.contract.conftest import blocking_engine
from tests.contract.records import NOW, action, approved, audited, grant
from tests.harness.processes import Processes

ROOT = Path(__file__).resolve().parents[2]


async def put_one(store: SqlStore) -> None:
    async with store.writing() as tx:
        assert await tx.actions.add(action(), idempotency_key=None, body_sha256="b")
        await tx.grants.add(grant(1))


async def test_two_deciders_on_two_connections_leave_one_decision(
    store: SqlStore, other_store: SqlStore
) -> None:
    """INV-03, INV-02: both read the same revision; one moves the row, the other moves none."""
    await put_one(store)
    both_have_read = asyncio.Barrier(2)

    async def decide(mine: SqlStore, name: str) -> bool:
        async with mine.reading() as tx:
            record = await tx.actions.get("act_0001")
        assert record is not None
        await both_have_read.wait()
        async with mine.writing() as tx:
            saved = await tx.actions.save(approved(record, name), expected_revision=record.revision)
            if saved:
                await tx.audit.append(audited("approval.granted", actor=f"person:{name}"))
        return saved

    for _ in range(5):
        results = await asyncio.gather(decide(store, "ana"), decide(other_store, "bo"))
        assert sorted(results) == [False, True]
        async with store.reading() as tx:
            record = await tx.actions.get("act_0001")
            assert record is not None
            assert len(await tx.audit.of_action("act_0001")) == len(record.votes)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_decider_waits_for_the_one_before_and_then_moves_no_row(
    store: SqlStore, other_store: SqlStore
) -> None:
    """INV-03: also where the first has updated the row and not committed yet."""
    await put_one(store)
    async with store.writing() as first:
        assert await first.actions.save(approved(action(), "ana"), expected_revision=1)

        async def second() -> bool:
            async with other_store.writing() as tx:
                return await tx.actions.save(approved(action(), "bo"), expected_revision=1)

        later = asyncio.create_task(second())
        await _until_somebody_waits_for_a_lock(store)
        assert not later.done()
    assert not await later


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("first_commits", [True, False], ids=["commits", "rolls back"])
async def test_a_duplicate_waits_for_its_open_twin(
    store: SqlStore, other_store: SqlStore, first_commits: bool
) -> None:
    """INV-42: where the twin commits nothing more is stored; where it rolls back this one takes its place."""

    async def second() -> bool:
        async with other_store.writing() as tx:
            return await tx.actions.add(action(2), idempotency_key="k", body_sha256="b")

    class GivenUpError(Exception):
        pass

    async def first() -> asyncio.Task[bool]:
        async with store.writing() as tx:
            assert await tx.actions.add(action(1), idempotency_key="k", body_sha256="b")
            later = asyncio.create_task(second())
            await _until_somebody_waits_for_a_lock(store)
            tasks.append(later)
            if not first_commits:
                raise GivenUpError
        return later

    tasks: list[asyncio.Task[bool]] = []
    if first_commits:
        await first()
    else:
        with pytest.raises(GivenUpError):
            await first()
    assert await tasks[0] is not first_commits
    async with store.reading() as tx:
        assert (await tx.actions.by_key("agt_bot", "k")) == (f"act_000{1 if first_commits else 2}", "b")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_record_read_while_somebody_votes_is_one_of_the_two_states(store: SqlStore) -> None:
    """A vote committed between two statements of one read belongs to the next revision, not to this record."""
    await put_one(store)
    first = replace(approved(action()), status=Status.PENDING, deadline=action().deadline)
    async with store.writing() as tx:
        assert await tx.actions.save(first, expected_revision=1)
    beside = blocking_engine(store)
    voted = []

    def vote_meanwhile(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM votes" in statement and not voted:
            voted.append(True)
            with beside.begin() as connection:
                connection.execute(text("UPDATE actions SET votes = 2, revision = 3"))
                connection.execute(
                    text(
                        "INSERT INTO votes (action_id, seq, version, person, choice, at) "
                        "SELECT action_id, 1, version, 'bo', choice, at FROM votes"
                    )
                )

    event.listen(store._engines[0].sync_engine, "before_cursor_execute", vote_meanwhile)
    async with store.writing() as tx:
        assert await tx.actions.get("act_0001") == first
        assert not await tx.actions.save(approved(first, "cho"), expected_revision=2)
        again = await tx.actions.get("act_0001")
    assert again is not None
    assert [vote.person for vote in again.votes] == ["ana", "bo"]
    beside.dispose()


async def _until_somebody_waits_for_a_lock(store: SqlStore) -> None:
    """Asks the server itself, again and again, so that the test never guesses how long that takes."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(60):
        while True:
            async with store._engines[1].connect() as connection:
                if (await connection.execute(query)).scalar_one():
                    return


async def test_concurrent_duplicates_create_one(store: SqlStore, other_store: SqlStore) -> None:
    """INV-42: twenty at once over two stores; one action, and everyone finds it."""

    async def one(number: int) -> tuple[bool, tuple[str, str] | None]:
        mine = store if number % 2 else other_store
        async with mine.writing() as tx:
            stored = await tx.actions.add(action(number), idempotency_key="k", body_sha256="b")
        async with mine.reading() as tx:
            return stored, await tx.actions.by_key("agt_bot", "k")

    answers = await asyncio.gather(*(one(number) for number in range(1, 21)))
    assert sorted(stored for stored, _ in answers) == [False] * 19 + [True]
    (found,) = {found for _, found in answers}
    assert found is not None
    async with store.reading() as tx:
        assert [r.id for r in await tx.actions.pending(limit=99)] == [found[0]]


async def test_concurrent_redeemers_redeem_once(store: SqlStore, other_store: SqlStore) -> None:
    """INV-19."""
    await put_one(store)

    async def one(number: int) -> bool:
        async with (store if number % 2 else other_store).writing() as tx:
            return await tx.grants.move("grt_0001", to=GrantState.REDEEMED, at=NOW, by=f"x{number}")

    assert sorted(await asyncio.gather(*map(one, range(10)))) == [False] * 9 + [True]


@pytest.mark.parametrize(
    ("verb", "names"),
    [("save", ("ana", "bo", "cho")), ("add", ("11", "12", "13")), ("redeem", ("x", "y", "z"))],
)
async def test_of_three_processes_one_wins(
    store: SqlStore, database_url: str, processes: Processes, verb: str, names: tuple[str, ...]
) -> None:
    """INV-03, INV-19, INV-42: real processes, started by one signal each, on one database."""
    await put_one(store)
    racers = [
        processes.module("tests.contract.contender", database_url, verb, name, cwd=ROOT) for name in names
    ]
    for racer in racers:
        await racer.aexpect("^ready$")
    for racer in racers:
        racer.send(signal.SIGUSR1)
    told = [(await racer.aexpect("^won (True|False)$")).group(1) for racer in racers]
    assert sorted(told) == ["False", "False", "True"]
    winner = names[told.index("True")]
    async with store.reading() as tx:
        record = await tx.actions.get("act_0001")
        assert record is not None
        if verb == "save":
            assert record.decided_by == winner
            assert [r.actor for r in await tx.audit.of_action("act_0001")] == [f"person:{winner}"]
        elif verb == "add":
            assert await tx.actions.by_key("agt_bot", "k") == (f"act_00{winner}", "b")
            assert len(await tx.actions.pending(limit=9)) == 2
        else:
            redeemed = await tx.grants.get("grt_0001")
            assert redeemed is not None
            assert redeemed.redeemed_by == winner


async def test_a_process_killed_inside_a_transaction_leaves_nothing_of_it(
    store: SqlStore, database_url: str, processes: Processes
) -> None:
    """INV-33, INV-53: neither half a transition nor a lock; the next one works at once."""
    dying = processes.module("tests.contract.contender", database_url, "hang", "31", cwd=ROOT)
    await dying.aexpect("^ready$")
    dying.send(signal.SIGUSR1)
    await dying.aexpect("^inside$")
    async with store.reading() as tx:
        assert await tx.actions.get("act_0031") is None
    dying.crash()
    async with store.writing() as tx:
        assert await tx.actions.get("act_0031") is None
        assert await tx.audit.of_action("act_0031") == ()
        assert await tx.actions.add(action(32), idempotency_key="k", body_sha256="b")


async def test_a_killed_process_leaves_what_it_committed_and_nothing_else(
    store: SqlStore, database_url: str, processes: Processes
) -> None:
    """INV-43: SIGKILL between two transactions of others; the next one works at once."""
    racer = processes.module("tests.contract.contender", database_url, "add", "21", cwd=ROOT)
    await racer.aexpect("^ready$")
    racer.send(signal.SIGUSR1)
    await racer.aexpect("^won True$")
    racer.crash()
    await store.check()
    async with store.reading() as tx:
        assert await tx.actions.get("act_0021") == action(21)
        assert len(await tx.audit.of_action("act_0021")) == 1
