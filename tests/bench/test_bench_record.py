"""What the tamper-evident record costs whoever writes, and how fast records are verified and proven."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gate.domain import bundle
from gate.domain.audit import canonical_bytes
from gate.domain.checkpoint import Checkpoint
from gate.domain.merkle import Frontier, inclusion, leaf_hash
from gate.domain.verification import KeptLeaf
from gate.keyring.checkpoints import CheckpointSigner, is_signature, load_checkpoint_signer
from gate.metrics import Metrics
from gate.store import SqlStore, open_store
from gate.usecases.auditing import examined_bundle
from gate.workers.sequencer import Sequencer
from gate.workers.wakeups import LocalWakeups
from tests.bench.test_bench_store import submit
from tests.contract.conftest import blocking_engine
from tests.contract.records import SetClock, audited

pytestmark = pytest.mark.bench

ROUNDS = 5
SECONDS = 3.0
CLIENTS = 16
VERIFIED = 100_000


class RunningClock(SetClock):
    """The time since the start, from a fixed instant."""

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()

    def now(self) -> datetime:
        return self.at + timedelta(seconds=time.monotonic() - self._started)


async def rate(store: SqlStore, numbers: itertools.count[int]) -> float:
    end = time.perf_counter() + SECONDS
    done = 0

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await submit(store, next(numbers))
            done += 1

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return done / (time.perf_counter() - start)


@asynccontextmanager
async def sequencing(store: SqlStore, notary: CheckpointSigner) -> AsyncIterator[None]:
    worker = Sequencer(
        store=store, clock=RunningClock(), wakeups=LocalWakeups(), notary=notary, metrics=Metrics()
    )
    await worker.start()
    yield
    await worker.stop(grace_sec=60)
    assert worker.problem is None
    async with store.reading() as tx:
        assert not await tx.tree.unsealed(), "it keeps pace"


def without_the_tree(store: SqlStore) -> None:
    """As it was before there was a tree: nothing lines up to be numbered."""
    engine = blocking_engine(store)
    on = " ON audit" if store.address.postgres else ""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TRIGGER audit_is_numbered{on}")
    engine.dispose()


async def test_submits_with_and_without_the_tree(tmp_path: Path, postgres_server: Any) -> None:
    """Rounds take turns, so that a noisy minute hits all of them."""
    notary = load_checkpoint_signer(tmp_path / "keys")
    figures: dict[tuple[str, str], list[float]] = {}
    for engine in ("sqlite", "postgresql"):
        urls = {}
        for name in ("without", "with"):
            if engine == "sqlite":
                urls[name] = f"sqlite:///{tmp_path / name / 'gate.db'}"
            else:
                urls[name] = postgres_server.url_of(postgres_server.create())
        async with (
            open_store(urls["without"], clock=SetClock()) as bare,
            open_store(urls["with"], clock=SetClock()) as whole,
        ):
            without_the_tree(bare)
            numbers = itertools.count(1)
            await rate(bare, numbers)
            await rate(whole, numbers)
            for _ in range(ROUNDS):
                figures.setdefault((engine, "without a tree"), []).append(await rate(bare, numbers))
                async with sequencing(whole, notary):
                    figures.setdefault((engine, "numbered and signed"), []).append(await rate(whole, numbers))
            async with whole.reading() as tx:
                size = await tx.tree.size()
                start = time.perf_counter()
                for index in range(0, size, max(size // 200, 1)):
                    await tx.tree.nodes(inclusion(index, size).nodes)
                each = (time.perf_counter() - start) / len(range(0, size, max(size // 200, 1)))
            print(f"\n{engine:>10}: a proof among {size:,} records in {each * 1000:.2f} ms")
    for (engine, what), speeds in figures.items():
        base = statistics.median(figures[engine, "without a tree"])
        middle = statistics.median(speeds)
        print(f"{engine:>10} {what:<20} {middle:>7,.0f}/s  x{middle / base:.3f}")


def test_verifying_a_bundle(tmp_path: Path) -> None:
    """On one core, from a file: every leaf, a thousand roots and signatures, every story."""
    notary = load_checkpoint_signer(tmp_path / "keys")
    detail = {"status": "allowed", "version": 1, "payload_sha256": "a" * 64, "revision": 1, "risk": "low"}
    tree, notes, lines = Frontier(), [], []
    for position in range(VERIFIED):
        record = audited("action.allowed", action=f"act_{position:020d}", detail=detail)
        canonical = canonical_bytes(record)
        leaf = KeptLeaf(
            position=position, record=position + 1, hash=leaf_hash(canonical), canonical=canonical
        )
        lines.append(bundle.written(leaf))
        tree = tree.extended([leaf.hash])[0]
        if tree.size % (VERIFIED // 1000) == 0:
            text = Checkpoint(origin=notary.origin, size=tree.size, root=tree.root()).text()
            notes.append(bundle.written(bundle.Signed(note=notary.sign(text))))
    whole = [
        bundle.written(bundle.Beginning(origin=notary.origin, size=VERIFIED, at="")),
        *notes,
        *lines,
        bundle.written(bundle.End(records=VERIFIED)),
    ]
    (tmp_path / "bundle").write_text("".join(whole), encoding="utf-8")

    def again() -> Iterator[str]:
        with (tmp_path / "bundle").open(encoding="utf-8") as file:
            yield from file

    start = time.process_time()
    report = examined_bundle(again, keys=notary.keys, pinned=[tree_of(notary, tree)], verify=is_signature)
    taken = time.process_time() - start
    assert report.found == ()
    print(f"\n{VERIFIED:,} records verified in {taken:.2f} s, a million in {taken / VERIFIED * 10**6:.0f} s")


def tree_of(notary: CheckpointSigner, tree: Frontier) -> Checkpoint:
    return Checkpoint(origin=notary.origin, size=tree.size, root=tree.root())
