"""The contract of `ports.Tree`: every committed record gets one number, whoever numbers, and proofs hold."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest
import sqlalchemy.exc
from sqlalchemy import select, text

from gate.domain.audit import canonical_bytes
from gate.domain.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency,
    frontier,
    inclusion,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from gate.store import SqlStore, UnreadableRow, migrate, standing, tables
from gate.store.sqlite import prepare_file
from gate.usecases.ports import Leaf, SealedCheckpoint
from tests.contract.conftest import blocking_engine
from tests.contract.records import NOW, audited, later
from tests.harness.processes import Processes

ROOT = Path(__file__).resolve().parents[2]


def record(number: int):
    return audited(action=f"act_{number:04d}", detail={"number": number})


def hashed(number: int) -> bytes:
    return leaf_hash(canonical_bytes(record(number)))


async def append(store: SqlStore, *numbers: int) -> None:
    async with store.writing() as tx:
        await tx.audit.append(*map(record, numbers))


async def grow(store: SqlStore, limit: int = 100) -> Frontier | None:
    async with store.writing() as tx:
        return await tx.tree.grow(limit=limit)


async def numbered(store: SqlStore) -> list[bytes]:
    """The leaf hashes by number, as the database has them; numbers without gaps from 0."""
    engine = blocking_engine(store)
    with engine.connect() as connection:
        rows = connection.execute(select(tables.leaves).order_by(tables.leaves.c.position)).all()
    engine.dispose()
    assert [row.position for row in rows] == list(range(len(rows)))
    assert len({row.record for row in rows}) == len(rows)
    return [bytes(row.hash) for row in rows]


async def test_committed_records_are_numbered_in_the_order_they_were_written(store: SqlStore) -> None:
    """INV-47."""
    assert await grow(store) == Frontier()
    async with store.reading() as tx:
        assert not await tx.tree.unsealed()
        assert not await tx.tree.waiting()
        assert await tx.tree.latest() is None
    await append(store, 1, 2, 3)
    await append(store, 4)
    async with store.reading() as tx:
        assert await tx.tree.unsealed()
        assert await tx.tree.waiting()
        assert await tx.tree.leaf(0) is None
    first = await grow(store, limit=3)
    assert first == frontier(map(hashed, (1, 2, 3)))
    async with store.reading() as tx:
        assert await tx.tree.waiting()
    assert await grow(store) == frontier(map(hashed, (1, 2, 3, 4)))
    assert await grow(store) == frontier(map(hashed, (1, 2, 3, 4)))
    assert await numbered(store) == [hashed(number) for number in (1, 2, 3, 4)]
    async with store.reading() as tx:
        assert not await tx.tree.waiting()
        assert await tx.tree.unsealed(), "no checkpoint covers them yet"
        assert await tx.tree.size() == 4
        assert await tx.tree.leaf(1) == Leaf(position=1, hash=hashed(2))
        assert await tx.tree.leaf(hashed(3)) == Leaf(position=2, hash=hashed(3))
        assert await tx.tree.leaf(hashed(9)) is None
        assert await tx.tree.leaf(4) is None
        assert await tx.tree.positions([hashed(4), hashed(1), hashed(9)]) == {hashed(1): 0, hashed(4): 3}
        assert await tx.tree.positions([]) == {}


async def test_what_is_rolled_back_leaves_no_gap_and_is_never_numbered(store: SqlStore) -> None:
    """INV-47: a sequence may skip, the numbers of the record do not."""
    await append(store, 1)

    class GivenUpError(Exception):
        pass

    async def written_and_given_up() -> None:
        async with store.writing() as tx:
            await tx.audit.append(record(2))
            raise GivenUpError

    async def numbered_and_given_up() -> None:
        async with store.writing() as tx:
            await tx.tree.grow(limit=100)
            raise GivenUpError

    for attempt in (written_and_given_up, numbered_and_given_up):
        with pytest.raises(GivenUpError):
            await attempt()
    await append(store, 3)
    await grow(store)
    assert await numbered(store) == [hashed(1), hashed(3)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_record_that_commits_late_is_numbered_late_and_never_passed_over(
    store: SqlStore, other_store: SqlStore
) -> None:
    """INV-47: it has the lower sequence number, and comes after what was committed before it."""
    async with store.writing() as slow:
        await slow.audit.append(record(1))
        await append(other_store, 2)
        await grow(other_store)
        assert await numbered(other_store) == [hashed(2)]
        await append(other_store, 3)
    await grow(other_store)
    assert await numbered(other_store) == [hashed(2), hashed(1), hashed(3)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_while_one_numbers_another_does_not(store: SqlStore, other_store: SqlStore) -> None:
    """INV-49: whoever comes second is told at once, and finds the work done afterwards."""
    await append(store, 1)
    async with store.writing() as tx:
        assert await tx.tree.grow(limit=100) == frontier([hashed(1)])
        assert await grow(other_store) is None
    assert await grow(other_store) == frontier([hashed(1)])


async def test_several_who_number_at_once_never_number_twice(store: SqlStore, other_store: SqlStore) -> None:
    """INV-49, INV-47: writers and two sequencers together; each record once, numbers without a gap."""
    total = 120

    async def write(mine: SqlStore, numbers: range) -> None:
        for number in numbers:
            await append(mine, number)

    async def number(mine: SqlStore) -> None:
        done = 0
        while done < total:
            grown = await grow(mine, limit=7)
            done = done if grown is None else grown.size

    await asyncio.gather(
        write(store, range(total // 2)),
        write(other_store, range(total // 2, total)),
        number(store),
        number(other_store),
    )
    leaves = await numbered(store)
    assert sorted(leaves) == sorted(map(hashed, range(total)))
    assert await grow(store) == frontier(leaves)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_sequencer_that_was_paused_and_returns_numbers_nothing_twice(
    store: SqlStore, processes: Processes
) -> None:
    """INV-49: stopped in the middle of numbering, overtaken, and woken again."""
    url = store.address.url.set(drivername="postgresql").render_as_string(hide_password=False)
    contender = processes.module("tests.contract.contender", url, "number", "x", cwd=ROOT)
    contender.expect("ready")
    await append(store, 1, 2)
    contender.send(signal.SIGUSR1)
    contender.expect("inside")
    contender.send(signal.SIGSTOP)
    assert await grow(store) is None, "the other one holds it"
    async with asyncio.timeout(60):
        while await grow(store) is None:  # until the server has ended the paused transaction
            await store.check()
    await append(store, 3)
    await grow(store)
    before = await numbered(store)
    contender.send(signal.SIGCONT)
    contender.send(signal.SIGUSR2)
    contender.wait(within=60)
    assert "won" not in contender.output
    assert await numbered(store) == before == [hashed(1), hashed(2), hashed(3)]


async def test_proofs_are_made_of_what_is_kept(store: SqlStore) -> None:
    """INV-48: for every leaf and size of a tree that grew in pieces of any length."""
    chance = random.Random(7)  # noqa: S311 - which sizes are tried
    total = 300
    leaves = [hashed(number) for number in range(total)]
    written = 0
    while written < total:
        more = min(chance.choice([1, 2, 5, 16, 33]), total - written)
        await append(store, *range(written, written + more))
        await grow(store)
        written += more
    roots = {size: frontier(leaves[:size]).root() for size in range(total + 1)}
    cases = [(chance.randrange(size), size) for size in (*range(1, 40), *range(40, total + 1, 13), total)]
    async with store.reading() as tx:
        for index, size in cases:
            proof = inclusion(index, size)
            path = proof.made((await tx.tree.nodes(proof.nodes)).__getitem__)
            told = {"leaf": leaves[index], "index": index, "size": size, "root": roots[size]}
            assert verify_inclusion(**told, proof=path)
            grown = consistency(index, size)
            path = grown.made((await tx.tree.nodes(grown.nodes)).__getitem__)
            assert verify_consistency(
                first=index, first_root=roots[index], second=size, second_root=roots[size], proof=path
            )
        with pytest.raises(LookupError):
            await tx.tree.nodes(inclusion(0, total + 20).nodes)


async def test_checkpoints_are_kept_and_found_by_what_they_cover(store: SqlStore) -> None:
    await append(store, 1, 2, 3, 4)
    await grow(store)
    two, four = (
        SealedCheckpoint(size=size, root=EMPTY_ROOT, note=f"note {size}", at=later(size)) for size in (2, 4)
    )
    async with store.writing() as tx:
        await tx.tree.seal(two)
        assert await tx.tree.unsealed()
        await tx.tree.seal(four)
        assert not await tx.tree.unsealed()
        assert await tx.tree.latest() == four
        assert [await tx.tree.sealed(size) for size in (0, 2, 3, 5)] == [two, two, four, None]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leaves SET position = 7",
        "DELETE FROM leaves",
        "UPDATE checkpoints SET note = 'x'",
        "DELETE FROM checkpoints",
    ],
)
async def test_the_database_refuses_to_change_what_was_numbered_and_sealed(
    store: SqlStore, statement: str
) -> None:
    """INV-48: the first fence only, as for the records themselves."""
    await append(store, 1)
    await grow(store)
    async with store.writing() as tx:
        await tx.tree.seal(SealedCheckpoint(size=1, root=EMPTY_ROOT, note="note", at=NOW))
    engine = blocking_engine(store)
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit SET canonical = '{}'", "do not have the digest"),
        ("DELETE FROM audit", "gone before it was numbered"),
    ],
)
async def test_what_was_touched_before_it_was_numbered_is_not_numbered(
    store: SqlStore, statement: str, says: str
) -> None:
    """INV-48: nothing is sealed over it; whoever runs the gate is told."""
    await append(store, 1)
    engine = blocking_engine(store)
    with engine.begin() as connection:
        if store.address.postgres:
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        else:
            for name in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER audit_keeps_{name}"))
        connection.execute(text(statement))
    engine.dispose()
    with pytest.raises(UnreadableRow, match=says):
        await grow(store)


async def test_without_its_place_in_the_line_no_record_is_written(store: SqlStore) -> None:
    """INV-45: what could not be numbered later is not committed."""
    engine = blocking_engine(store)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE unnumbered"))
    engine.dispose()
    with pytest.raises(sqlalchemy.exc.DBAPIError):
        await append(store, 1)
    async with store.reading() as tx:
        assert await tx.audit.of_action("act_0001") == ()


def test_records_from_before_the_tree_are_numbered_too(empty_url: str) -> None:
    """INV-54: an upgrade leaves no record outside the tree."""
    address = migrate.parse_address(empty_url)
    if address.path is not None:
        prepare_file(address.path)
    engine = standing.engine_of(address)
    with engine.begin() as connection:
        migrate.run(connection, to="0007")
        for number in (1, 2):
            connection.execute(
                tables.audit.insert().inline(),
                {
                    "kind": "action.allowed",
                    "actor": "policy",
                    "at": NOW,
                    "canonical": canonical_bytes(record(number)),
                    "sha256": "x",
                },
            )
    migrate.upgrade(empty_url)
    with engine.connect() as connection:
        assert connection.execute(select(tables.unnumbered.c.record)).scalars().all() == [1, 2]
    engine.dispose()
