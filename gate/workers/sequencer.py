"""Has committed records numbered and signs a checkpoint over them; how a tree grows is the store's and the domain's.

It works beside whoever writes records, not for them: nothing waits for it but grants that must be covered by a
checkpoint. Any number of replicas may run one: whichever holds the tree's row numbers, the others find the work done.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from gate.domain.checkpoint import Checkpoint
from gate.domain.merkle import Frontier, consistency, verify_consistency
from gate.metrics import Metrics
from gate.usecases.ports import (
    CHECKPOINT,
    RECORD,
    Clock,
    Crowded,
    Notary,
    Outrun,
    SealedCheckpoint,
    Store,
    StoreUnavailable,
    Transaction,
    Wakeups,
)
from gate.workers.ending import ended, stopped_within

log = structlog.get_logger(__name__)

TURN = "record"
"""Whose turn it is among the agents' commands, where numbering shares their commits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """`every_sec` lies at least between two checkpoints; without news it is looked every `look_sec`. One transaction
    numbers at most `batch` records, so that neither writers on SQLite nor the event loop wait long for it."""

    every_sec: float = 1.0
    look_sec: float = 1.0
    batch: int = 200
    behind_sec: float = 15.0
    """Records unsigned for longer are a problem to be told."""


class Rewritten(Exception):
    """What the database holds now does not begin with what was signed before; nothing is signed over it."""


class Sequencer:
    """Looks for unsealed records as soon as some were written here, and from time to time for those of others."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        wakeups: Wakeups,
        notary: Notary,
        metrics: Metrics,
        pace: Pace | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wakeups = wakeups
        self._notary = notary
        self._metrics = metrics
        self._pace = pace or Pace()
        self._signed: SealedCheckpoint | None = None
        self._problem: str | None = None
        self._behind_since: float | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        """Why records are not numbered or signed; None while they are."""
        told = self._problem
        if told is None and self._behind_since is not None:
            behind = asyncio.get_running_loop().time() - self._behind_since
            if behind > self._pace.behind_sec:
                told = f"Records of the last {behind:.0f} s are not signed yet."
        return told and f"{told} Grants for critical actions wait until it signs again."

    async def start(self) -> None:
        """Number and sign until `stop`."""
        self._task = asyncio.create_task(self._keep(), name="sequencer")

    async def stop(self, *, grace_sec: float = 2.0) -> None:
        """Sign once more over what was written last, unless that takes too long."""
        self._stop.set()
        self._wakeups.notify(RECORD)
        await ended(self._task, grace_sec=grace_sec)

    async def look(self, *, at_once: bool = False) -> bool:
        """Number what waits and sign a checkpoint over it, `at_once` also soon after the last; whether one was signed.

        Raises StoreUnavailable; the store's errors where a record is damaged; Rewritten.
        """
        tx = self._store.now
        if not await tx.tree.unsealed():
            self._behind_since = None
            return False
        if self._behind_since is None:
            self._behind_since = asyncio.get_running_loop().time()
        if not at_once and not self._is_due(await tx.tree.latest()):
            return False
        until = asyncio.get_running_loop().time() + self._pace.every_sec
        checkpoint = await self._beside_others(until) or await self._alone(until)
        if checkpoint is None:
            return False
        self._behind_since = None
        self._signed = checkpoint
        self._metrics.record_size.set(checkpoint.size)
        self._wakeups.notify(CHECKPOINT)
        log.debug("record.signed", size=checkpoint.size)
        return True

    async def _beside_others(self, until: float) -> SealedCheckpoint | None:
        """Number and sign in the commits that writers make anyway, so that nobody waits for it; None where the engine
        does not let that be, or somebody else was quicker. Signed is what was committed before: never a tree that
        might still not be stored."""
        before = 0
        try:
            while True:
                async with self._store.together(TURN) as tx:
                    tree = await tx.tree.grow(limit=self._pace.batch)
                if tree is None:
                    return None
                if tree.size - before < self._pace.batch or asyncio.get_running_loop().time() >= until:
                    break
                before = tree.size
            async with self._store.together(TURN, presuming=True) as tx:
                tree = await tx.tree.grow(limit=0)
                return None if tree is None else await self._sealed(tx, tree)
        except (Outrun, Crowded):
            return None

    async def _alone(self, until: float) -> SealedCheckpoint | None:
        """Number in transactions that hold the tree's row, and sign in the last of them."""
        while True:
            late = asyncio.get_running_loop().time() >= until
            async with self._store.writing() as tx:
                tree = await tx.tree.grow(limit=self._pace.batch)
                if tree is None:
                    return None  # another replica is about it
                if late or not await tx.tree.waiting():
                    return await self._sealed(tx, tree)

    def _is_due(self, latest: SealedCheckpoint | None) -> bool:
        if latest is None:
            return True
        since = self._clock.now() - latest.at
        return not timedelta(0) <= since < timedelta(seconds=self._pace.every_sec)

    async def _sealed(self, tx: Transaction, tree: Frontier) -> SealedCheckpoint | None:
        """Sign the tree, in a transaction that is committed only where this is the stored tree."""
        latest = await tx.tree.latest()
        await self._refuse_another_past(tx, latest, tree)
        if latest is not None and latest.size == tree.size:
            return None
        root = tree.root()
        text = Checkpoint(origin=self._notary.origin, size=tree.size, root=root).text()
        sealed = SealedCheckpoint(
            size=tree.size, root=root, note=self._notary.sign(text), at=self._clock.now()
        )
        await tx.tree.seal(sealed)
        return sealed

    async def _refuse_another_past(
        self, tx: Transaction, latest: SealedCheckpoint | None, tree: Frontier
    ) -> None:
        """Two checkpoints of one record that contradict each other would be worth less than none."""
        if self._signed is not None and (latest is None or latest.size < self._signed.size):
            raise Rewritten(
                "The last checkpoint is gone; an older copy of the database may have been restored."
            )
        if latest is None:
            return
        if tree.size < latest.size:
            raise Rewritten("The record is shorter than its last checkpoint says.")
        proof = consistency(latest.size, tree.size)
        made = proof.made((await tx.tree.nodes(proof.nodes)).__getitem__)
        grew = verify_consistency(
            first=latest.size,
            first_root=latest.root,
            second=tree.size,
            second_root=tree.root(),
            proof=made,
        )
        if not grew:
            raise Rewritten("The record does not begin with what its last checkpoint says.")

    async def _keep(self) -> None:
        async with self._wakeups.subscription(RECORD) as news:
            while not self._stop.is_set():
                signed = await self._look()
                # After a signature the next one is not due; what comes meanwhile is signed together.
                pause = self._pace.every_sec if signed or self._problem else 0.02
                if not await stopped_within(self._stop, pause) and not signed:
                    await news.wait(self._pace.look_sec)
        await self._look(at_once=True)

    async def _look(self, *, at_once: bool = False) -> bool:
        try:
            signed = await self.look(at_once=at_once)
        except StoreUnavailable:
            return False
        except Exception as error:
            known = isinstance(error, Rewritten) or type(error).__name__ == "UnreadableRow"
            problem = str(error) if known else type(error).__name__
            if problem != self._problem:
                log.error("record.not_signed", problem=problem)
            self._problem = problem
            return False
        if self._problem is not None:
            log.info("record.signed_again")
        self._problem = None
        return signed
