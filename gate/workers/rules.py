"""Takes a loaded policy set into force once it is on record, and not before; loading it is `reload.py`'s."""

from __future__ import annotations

import asyncio

import structlog

from gate.domain.audit import AuditRecord
from gate.metrics import Metrics
from gate.usecases.ports import Clock, Rules, Snapshot, Store
from gate.workers.ending import stopped_within
from gate.workers.reload import Loaded, PolicyHolder

log = structlog.get_logger(__name__)

RETRY_SEC = 1.0


class RulesInForce:
    """Implements `ports.RulesSource`: what the holder loaded last and the store has recorded.

    Every decision names the digest of its policy set, so a set decides nothing before its whole text is stored.
    """

    def __init__(self, holder: PolicyHolder, *, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._holder = holder
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._adopted: Loaded | None = None
        self._current: Rules | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def current(self) -> Rules:
        """The rules in force. RuntimeError before `start`."""
        if self._current is None:
            raise RuntimeError("no policy set is in force yet")
        return self._current

    @property
    def problem(self) -> str | None:
        """Why the files on disk are not what is in force; None where they are."""
        if self._holder.problem is not None:
            return self._holder.problem
        return None if self._holder.current is self._adopted else "a new policy set could not be recorded yet"

    async def start(self) -> None:
        """Put the loaded set in force and watch the files. Raises StoreUnavailable."""
        await self._adopt()
        self._task = asyncio.create_task(self._watch(), name="policy watch")

    async def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                await self._holder.watch(self._stop, self._on_change)
            except Exception as error:
                log.error("policy.watch_failed", error=type(error).__name__)
                await stopped_within(self._stop, RETRY_SEC)

    async def _on_change(self, holder: PolicyHolder) -> None:
        if holder.problem is not None:
            self._metrics.policy_loads.labels(result="refused").inc()
            log.error("policy.refused", problem=holder.problem)
            return
        while holder.current is not self._adopted and not self._stop.is_set():
            try:
                await self._adopt()
            except Exception as error:
                log.error("policy.not_recorded", error=type(error).__name__)
                await stopped_within(self._stop, RETRY_SEC)

    async def _adopt(self) -> None:
        loaded = self._holder.current
        policy, now = loaded.policy, self._clock.now()
        snapshot = Snapshot(
            digest=policy.digest,
            version=policy.version,
            documents=tuple((document.name, document.text) for document in policy.documents),
            loaded_at=now,
        )
        record = AuditRecord(
            kind="policy.loaded",
            actor="policy",
            at=now,
            detail={
                "digest": policy.digest,
                "documents": len(policy.documents),
                "people": len(loaded.directory.people),
                "version": policy.version,
            },
        )
        async with self._store.writing() as tx:
            await tx.snapshots.put(snapshot)
            await tx.audit.append(record)
        self._current = Rules(policy=policy, directory=loaded.directory)
        self._adopted = loaded
        self._metrics.policy_loads.labels(result="loaded").inc()
        log.info("policy.loaded", digest=policy.digest, documents=len(policy.documents))
