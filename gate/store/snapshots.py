"""Keeps every policy set that ever decided something, whole and unchanged."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select

from gate.store.bound import Bound
from gate.store.codec import TEXTS
from gate.store.tables import snapshots
from gate.usecases.ports import Snapshot


class SqlSnapshots:
    """Implements `ports.Snapshots`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def put(self, snapshot: Snapshot) -> bool:
        return await self._bound.put_new(
            snapshots,
            {
                "digest": snapshot.digest,
                "version": snapshot.version,
                "documents": TEXTS.dumps(snapshot.documents),
                "loaded_at": snapshot.loaded_at,
            },
        )

    async def get(self, digest: str) -> Snapshot | None:
        row = await self._bound.row(select(snapshots).where(snapshots.c.digest == digest))
        return None if row is None else _snapshot(row)

    async def all(self) -> tuple[Snapshot, ...]:
        """In the order they were first loaded."""
        statement = select(snapshots).order_by(snapshots.c.loaded_at, snapshots.c.digest)
        return tuple(_snapshot(row) for row in await self._bound.rows(statement))


def _snapshot(row: Row[Any]) -> Snapshot:
    return Snapshot(
        digest=row.digest,
        version=row.version,
        documents=TEXTS.loads(row.documents, f"Policy snapshot {row.digest}"),
        loaded_at=row.loaded_at,
    )
