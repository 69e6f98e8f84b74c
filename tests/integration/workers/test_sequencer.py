"""The sequencer on both engines: what was decided is numbered and signed, once, and nothing contradicts it later."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import text

from gate.domain.audit import canonical_bytes
from gate.domain.checkpoint import Checkpoint, opened
from gate.domain.merkle import frontier, leaf_hash
from gate.keyring.checkpoints import CheckpointSigner, is_signature, load_checkpoint_signer
from gate.metrics import Metrics
from gate.store import UnreadableRow, standing
from gate.store.address import parse_address
from gate.usecases.ports import CHECKPOINT, AuditFilter
from gate.workers.sequencer import Pace, Rewritten, Sequencer
from tests.fakes.world import World
from tests.integration.http.door import eventually


@pytest.fixture
def notary(tmp_path: Path) -> CheckpointSigner:
    return load_checkpoint_signer(tmp_path / "keys")


def sequencer(gate: World, notary: CheckpointSigner, metrics: Metrics, **pace: Any) -> Sequencer:
    deps = gate.deps
    return Sequencer(
        store=gate.store,
        clock=deps.clock,
        wakeups=deps.wakeups,
        notary=notary,
        metrics=metrics,
        pace=Pace(**pace),
    )


async def latest(gate: World, notary: CheckpointSigner) -> Checkpoint | None:
    async with gate.store.reading() as tx:
        sealed = await tx.tree.latest()
    if sealed is None:
        return None
    checkpoint = opened(sealed.note, notary.keys, is_signature)
    assert (checkpoint.size, checkpoint.root) == (sealed.size, sealed.root)
    return checkpoint


async def leaves(gate: World) -> list[bytes]:
    async with gate.store.reading() as tx:
        page = await tx.audit.page(AuditFilter(), cursor=None, limit=200)
    return [leaf_hash(canonical_bytes(record)) for record in page.items]


def tamper(gate: World, *statements: str) -> None:
    """Whoever may administrate the database may do anything to it."""
    engine = standing.engine_of(parse_address(gate.url))
    with engine.begin() as connection:
        if gate.store.address.postgres:
            for table in ("audit", "leaves", "checkpoints"):
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER {table}_keeps_rows"))
        else:
            names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name LIKE '%keeps%'")
            for name in names.scalars().all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(
                text(statement if gate.store.address.postgres else statement.replace("''", "X''"))
            )
    engine.dispose()


async def test_every_transition_gets_its_number_under_a_signed_checkpoint(
    gate: World, notary: CheckpointSigner, metrics: Metrics
):
    """INV-44, INV-47: one leaf for each record of a decision, in the order it happened."""
    worker = sequencer(gate, notary, metrics)
    assert not await worker.look()
    assert await latest(gate, notary) is None
    record = (await gate.propose()).record
    await gate.vote(record, "ana")
    assert await worker.look()
    found = await leaves(gate)
    assert len(found) == len(await gate.story(record.id))
    checkpoint = await latest(gate, notary)
    assert checkpoint == Checkpoint(origin=notary.origin, size=len(found), root=frontier(found).root())
    assert metrics.registry.get_sample_value("signoff_record_size") == len(found)


async def test_checkpoints_come_at_most_every_second_and_only_with_news(
    gate: World, notary: CheckpointSigner, metrics: Metrics
):
    worker = sequencer(gate, notary, metrics)
    await gate.propose()
    assert await worker.look()
    await gate.propose("crm.read")
    gate.clock.pass_(seconds=0.9)
    assert not await worker.look()
    gate.clock.pass_(seconds=0.1)
    assert await worker.look()
    gate.clock.pass_(seconds=60)
    assert not await worker.look(), "no news"


async def test_a_clock_set_back_does_not_stop_the_checkpoints(
    gate: World, notary: CheckpointSigner, metrics: Metrics
):
    worker = sequencer(gate, notary, metrics)
    await gate.propose()
    assert await worker.look()
    await gate.propose()
    gate.clock.pass_(hours=-1)
    assert await worker.look()


async def test_many_records_are_numbered_in_small_transactions(
    gate: World, notary: CheckpointSigner, metrics: Metrics
):
    for _ in range(7):
        await gate.propose("crm.read")
    assert await sequencer(gate, notary, metrics, batch=3).look()
    checkpoint = await latest(gate, notary)
    assert checkpoint is not None
    assert checkpoint.root == frontier(await leaves(gate)).root()


async def test_nobody_waits_for_a_signature(gate: World, notary: CheckpointSigner, metrics: Metrics):
    """INV-49: what is signed is stored already, and while it is signed others may write."""
    url = parse_address(gate.url)
    stored: list[int] = []

    class Curious:
        """Signs like the notary, and meanwhile writes to the database as another process would."""

        origin = notary.origin

        def sign(self, note: str) -> str:
            engine = standing.engine_of(url)
            with engine.begin() as connection:
                if not url.postgres:
                    stored.append(connection.execute(text("SELECT size FROM tree")).scalar_one())
                connection.execute(text("DELETE FROM outbox WHERE id = 'none'"))
            engine.dispose()
            return notary.sign(note)

    worker = sequencer(gate, cast("CheckpointSigner", Curious()), metrics, batch=2)
    for _ in range(5):
        await gate.propose("crm.read")
    async with asyncio.timeout(3):  # a writer in the way would be waited for longer
        assert await worker.look()
    checkpoint = await latest(gate, notary)
    assert checkpoint is not None
    assert checkpoint.root == frontier(await leaves(gate)).root()
    assert stored == ([] if url.postgres else [checkpoint.size])


async def test_news_are_signed_at_once_and_the_last_ones_before_it_stops(
    gate: World, notary: CheckpointSigner, metrics: Metrics
):
    """Nobody has to wait for a look at fixed times."""
    worker = sequencer(gate, notary, metrics, every_sec=3600, look_sec=3600)
    async with gate.deps.wakeups.subscription(CHECKPOINT) as signed:
        await worker.start()
        await gate.propose()
        assert await signed.wait(20)
        checkpoint = await latest(gate, notary)
        assert checkpoint is not None
        assert checkpoint.size == len(await leaves(gate))
        await gate.propose()
        await worker.stop()
    checkpoint = await latest(gate, notary)
    assert checkpoint is not None
    assert checkpoint.size == len(await leaves(gate))
    assert worker.problem is None


async def test_two_sequencers_sign_one_line_of_checkpoints(
    gate: World, notary: CheckpointSigner, metrics: Metrics
):
    """INV-49: at once and in turns, and none of them contradicts another."""
    workers = [sequencer(gate, notary, Metrics(), every_sec=0) for _ in range(2)]
    for _ in range(5):
        await gate.propose("crm.read")
        await asyncio.gather(*(worker.look() for worker in workers))
        gate.clock.pass_(seconds=1)
    found = await leaves(gate)
    engine = standing.engine_of(parse_address(gate.url))
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT size, note FROM checkpoints ORDER BY size")).all()
    engine.dispose()
    assert len(rows) == 5
    for size, note in rows:
        assert opened(note, notary.keys, is_signature).root == frontier(found[:size]).root()


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (
            ("DELETE FROM checkpoints", "DELETE FROM leaves", "UPDATE tree SET size = 0, frontier = ''"),
            "older copy",
        ),
        (("UPDATE tree SET size = 0, frontier = ''", "DELETE FROM leaves"), "shorter"),
        (("UPDATE tree SET frontier = ''",), "cannot be read"),
    ],
    ids=["restored", "cut", "damaged"],
)
async def test_nothing_is_signed_over_a_record_that_was_rewritten(
    gate: World, notary: CheckpointSigner, metrics: Metrics, statements: tuple[str, ...], says: str
):
    """INV-48: two checkpoints of this gate never contradict each other, whatever was done to the database."""
    worker = sequencer(gate, notary, metrics, every_sec=0)
    for _ in range(3):
        await gate.propose("crm.read")
    assert await worker.look()
    tamper(gate, *statements)
    await gate.propose("crm.deep.read")
    with pytest.raises((Rewritten, UnreadableRow), match=says):
        await worker.look()


async def test_what_keeps_it_from_signing_is_told(gate: World, notary: CheckpointSigner, metrics: Metrics):
    """For /readyz, until it signs again."""
    worker = sequencer(gate, notary, metrics, every_sec=0.02, look_sec=0.02)
    await gate.propose("crm.read")
    tamper(gate, "UPDATE tree SET size = 1")
    await worker.start()
    try:
        async with asyncio.timeout(60), gate.deps.wakeups.subscription(CHECKPOINT) as signed:
            await eventually(lambda: worker.problem is not None)
            assert "cannot be read" in str(worker.problem)
            tamper(gate, "UPDATE tree SET size = 0")
            await signed.wait(20)
            await eventually(lambda: worker.problem is None)
    finally:
        await worker.stop()


async def test_records_that_stay_unsigned_are_told(gate: World, notary: CheckpointSigner, metrics: Metrics):
    """Whatever the reason is: what waits for a checkpoint waits visibly."""
    worker = sequencer(gate, notary, metrics, every_sec=3600, behind_sec=0)
    await gate.propose("crm.read")
    assert await worker.look()
    assert worker.problem is None
    await gate.propose("crm.read")
    assert not await worker.look(), "the next one is not due"
    await eventually(lambda: worker.problem is not None)
    assert "not signed yet" in str(worker.problem)
    assert "critical" in str(worker.problem)
    assert await worker.look(at_once=True)
    assert worker.problem is None


async def test_another_past_of_the_same_length_is_not_signed_over(
    gate: World, notary: CheckpointSigner, metrics: Metrics
):
    """INV-48: also by a process that signed none of the earlier checkpoints."""
    await gate.propose("crm.read")
    assert await sequencer(gate, notary, metrics, every_sec=0).look()
    tamper(gate, "UPDATE checkpoints SET root = (SELECT hash FROM leaves WHERE position = 0)")
    await gate.propose("crm.read")
    with pytest.raises(Rewritten, match="does not begin"):
        await sequencer(gate, notary, metrics, every_sec=0).look()
