"""What the use-cases need of the record: audit entries, the tree over them, and policy snapshots."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gate.domain.audit import AuditRecord
from gate.domain.merkle import Frontier, Node
from gate.domain.verification import KeptLeaf
from gate.usecases.ports.actions import Page


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Which audit records to list, in the order they were written; None means any.

    `kind` and `actor` are exact, or a prefix where they end in `*` (`approval.*`, `agent:*`).
    """

    action: str | None = None
    kind: str | None = None
    actor: str | None = None
    since: datetime | None = None


class Audit(Protocol):
    """The append-only record."""

    async def append(self, *records: AuditRecord) -> None:
        """In the order given."""
        ...

    async def of_action(self, action_id: str) -> tuple[AuditRecord, ...]: ...

    async def release_of(self, action_id: str) -> bytes | None:
        """The leaf hash of the record that released the action; None where none did."""
        ...

    async def page(self, which: AuditFilter, *, cursor: str | None, limit: int) -> Page[AuditRecord]:
        """The oldest first; the cursor of the last page is None. Raises `ValueError` for a cursor that is none."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedCheckpoint:
    """A signed checkpoint of the record: the first `size` records have this root. `note` is what was signed, whole."""

    size: int
    root: bytes
    note: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """A record with its number: `position` counts from 0."""

    position: int
    hash: bytes


class Tree(Protocol):
    """The Merkle tree over the audit record: which record has which number, and what proves it."""

    async def unsealed(self) -> bool:
        """Whether there are records that no checkpoint covers yet."""
        ...

    async def grow(self, *, limit: int) -> Frontier | None:
        """Number up to `limit` committed records, in the order they were written, and return the tree as it then is.

        None, and nothing is numbered, while somebody else is about it: until this transaction ends nobody else is, or
        it ends in `Outrun`."""
        ...

    async def waiting(self) -> bool:
        """Whether there are records without a number."""
        ...

    async def seal(self, checkpoint: SealedCheckpoint) -> None:
        """Keep a signed checkpoint of the tree as it is. A transaction that presumes ends in `Outrun` where the tree
        has grown or another checkpoint of it was quicker."""
        ...

    async def latest(self) -> SealedCheckpoint | None: ...

    async def sealed(self, size: int) -> SealedCheckpoint | None:
        """The smallest checkpoint of at least this size."""
        ...

    async def size(self) -> int:
        """How many records have a number."""
        ...

    async def kept(self, *, after: int, limit: int) -> tuple[KeptLeaf, ...]:
        """The leaves beyond number `after` as they are kept, damaged or not, for whoever verifies them."""
        ...

    async def notes(self, *, at_most: int, after: int = 0, upto: int | None = None) -> tuple[str, ...]:
        """Signed checkpoints of more than `after` records, and of no more than `upto`: spread evenly, the last one
        among them."""
        ...

    async def strays(self) -> tuple[int, ...]:
        """The rows of records that have no number and wait for none: the first few."""
        ...

    async def leaf(self, wanted: int | bytes) -> Leaf | None:
        """By number or by leaf hash; of equal records the first."""
        ...

    async def covered(self, leaf: bytes) -> bool:
        """Whether a signed checkpoint covers the record of this leaf hash."""
        ...

    async def positions(self, hashes: Collection[bytes]) -> Mapping[bytes, int]:
        """The numbers of those leaf hashes that have one."""
        ...

    async def nodes(self, wanted: Collection[Node]) -> Mapping[Node, bytes]:
        """Nodes of complete subtrees. Raises LookupError where one is not in the tree."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """How far a place outside the database got: the size of the last checkpoint there, and when it came.

    Nobody tries again `not_before`; until then a replica is about it, or it failed a moment ago."""

    place: str
    size: int
    at: datetime
    not_before: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """An authority's answer (RFC 3161) over the note of the checkpoint of this size."""

    size: int
    answer: bytes
    note: str


class Publications(Protocol):
    """Where checkpoints are kept outside the database, and the stamps that authorities gave them."""

    async def last(self, place: str) -> Publication | None: ...

    async def claim(self, place: str, *, now: datetime, until: datetime) -> bool:
        """Take a place for oneself until then; False where somebody else has it."""
        ...

    async def done(self, place: str, *, size: int, at: datetime) -> None:
        """It has the checkpoint of this size."""
        ...

    async def postpone(self, place: str, *, until: datetime) -> None:
        """It has not, and nobody tries again before."""
        ...

    async def stamp(self, size: int, answer: bytes, *, at: datetime) -> None:
        """Keep an authority's answer over the checkpoint of this size."""
        ...

    async def stamps(self, *, at_most: int) -> tuple[Stamp, ...]:
        """Spread evenly over the record, the last one among them."""
        ...


class NotPublished(Exception):
    """A checkpoint did not arrive at a place; the message says why, without addresses or secrets."""


class Place(Protocol):
    """Where checkpoints go. `name` is `KIND:…`, the same over restarts; `every_sec` is its pace."""

    name: str
    every_sec: float

    async def publish(self, checkpoint: SealedCheckpoint) -> None:
        """Raises NotPublished; doing it twice is harmless."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A policy set that was in force, whole. `documents` are (file name, text)."""

    digest: str
    version: str
    documents: tuple[tuple[str, str], ...]
    loaded_at: datetime


class Snapshots(Protocol):
    """Every policy set that ever decided something."""

    async def put(self, snapshot: Snapshot) -> bool:
        """False where this digest was stored before."""
        ...

    async def get(self, digest: str) -> Snapshot | None: ...

    async def all(self) -> tuple[Snapshot, ...]: ...
