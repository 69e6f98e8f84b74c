"""Numbers audit records into a Merkle tree and finds what proofs are made of; what a tree is, `domain.merkle` knows.

Kept are the leaves and every fourth level above them. Any other node is folded from at most eight kept ones, so a proof
reads a hundred short rows where it would read twenty, and the tree is a fifteenth larger than its leaves instead of
twice as large.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Integer, Row, and_, bindparam, exists, func, literal, or_, select, true, union_all

from gate.domain.merkle import HASH_BYTES, Frontier, Node, frontier, leaf_hash
from gate.domain.verification import KeptLeaf
from gate.store.bound import Bound
from gate.store.errors import UnreadableRow
from gate.store.questions import Question
from gate.store.tables import audit, checkpoints, leaves, subtrees, tree, unnumbered
from gate.usecases.ports import AloneOnly, Leaf, SealedCheckpoint

STRIDE = 4
"""Of the levels above the leaves every fourth is kept."""
PAUSED_SEC = 3
"""How long a transaction that numbers may stand still before PostgreSQL ends it, so that nobody waits for a process
that was stopped in the middle of it."""


class SqlTree:
    """Implements `ports.Tree`."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def unsealed(self) -> bool:
        return bool(await self._bound.ask(_UNSEALED))

    async def waiting(self) -> bool:
        return bool(await self._bound.scalar(select(exists(select(unnumbered.c.record)))))

    async def grow(self, *, limit: int) -> Frontier | None:
        """The tree's row is locked from its first read to the commit, so whoever numbers goes on from what was
        committed last, and only one does (INV-49). Raises `UnreadableRow` for a record that is gone or damaged."""
        bound = self._bound
        if bound.postgres:
            if not bound.alone:
                raise AloneOnly  # the row must not be waited for, nor be held while others are waited for
            await bound.connection.exec_driver_sql(
                f"SET LOCAL idle_in_transaction_session_timeout = '{PAUSED_SEC}s'"
            )
            heads = await bound.rows(bound.claiming(select(tree)))
        else:
            heads = await bound.ask(_HEAD)
        if not heads:
            return None
        before = _read(heads[0])
        rows = await bound.ask(_WAITING, limit=limit)
        if not rows:
            return before
        hashes = [_leaf(row) for row in rows]
        after, completed = before.extended(hashes)
        grown = {"size": after.size, "frontier": b"".join(after.roots)}
        if not await bound.change(tree, {"id": heads[0].id, "size": before.size}, grown):
            raise RuntimeError("the tree grew while it was held")
        await bound.put(
            leaves,
            *(
                {"position": before.size + place, "record": row.record, "hash": found}
                for place, (row, found) in enumerate(zip(rows, hashes, strict=True))
            ),
        )
        await bound.put(
            subtrees,
            *(
                {"level": level, "position": position, "hash": found}
                for (level, position), found in completed
                if level % STRIDE == 0
            ),
        )
        await bound.remove(unnumbered, "record", [row.record for row in rows])
        return after

    async def seal(self, checkpoint: SealedCheckpoint) -> None:
        self._bound.presume(_TO_BE_SEALED, size=checkpoint.size)
        await self._bound.put(
            checkpoints,
            {
                "size": checkpoint.size,
                "root": checkpoint.root,
                "note": checkpoint.note,
                "at": checkpoint.at,
            },
        )

    async def latest(self) -> SealedCheckpoint | None:
        found = await self._bound.ask(_LATEST)
        return _checkpoint(found[0] if found else None)

    async def sealed(self, size: int) -> SealedCheckpoint | None:
        enough = select(checkpoints).where(checkpoints.c.size >= size).order_by(checkpoints.c.size).limit(1)
        return _checkpoint(await self._bound.row(enough))

    async def size(self) -> int:
        return await self._bound.scalar(select(func.coalesce(func.max(tree.c.size), 0)))

    async def kept(self, *, after: int, limit: int) -> tuple[KeptLeaf, ...]:
        statement = (
            select(leaves, audit.c.canonical)
            .outerjoin(audit, audit.c.seq == leaves.c.record)
            .where(leaves.c.position > after)
            .order_by(leaves.c.position)
            .limit(limit)
        )
        return tuple(
            KeptLeaf(
                position=row.position,
                record=row.record,
                hash=bytes(row.hash),
                canonical=None if row.canonical is None else _bytes(row.canonical),
            )
            for row in await self._bound.rows(statement)
        )

    async def notes(self, *, at_most: int, after: int = 0, upto: int | None = None) -> tuple[str, ...]:
        within = and_(checkpoints.c.size > after, true() if upto is None else checkpoints.c.size <= upto)
        count = await self._bound.scalar(select(func.count()).select_from(checkpoints).where(within))
        number = func.row_number().over(order_by=checkpoints.c.size.desc()).label("number")
        numbered = select(checkpoints.c.note, checkpoints.c.size, number).where(within).subquery()
        every = -(-count // at_most) or 1
        chosen = select(numbered.c.note).where((numbered.c.number - 1) % every == 0).order_by(numbered.c.size)
        return tuple(row.note for row in await self._bound.rows(chosen))

    async def strays(self) -> tuple[int, ...]:
        found = (
            select(audit.c.seq)
            .where(~exists(select(leaves.c.record).where(leaves.c.record == audit.c.seq)))
            .where(~exists(select(unnumbered.c.record).where(unnumbered.c.record == audit.c.seq)))
            .order_by(audit.c.seq)
            .limit(10)
        )
        return tuple(row.seq for row in await self._bound.rows(found))

    async def leaf(self, wanted: int | bytes) -> Leaf | None:
        is_it = leaves.c.position == wanted if isinstance(wanted, int) else leaves.c.hash == wanted
        row = await self._bound.row(select(leaves).where(is_it).order_by(leaves.c.position).limit(1))
        return None if row is None else Leaf(position=row.position, hash=bytes(row.hash))

    async def covered(self, leaf: bytes) -> bool:
        signed = select(func.coalesce(func.max(checkpoints.c.size), 0)).scalar_subquery()
        under = select(leaves.c.position).where(leaves.c.hash == leaf, leaves.c.position < signed)
        return bool(await self._bound.scalar(select(exists(under))))

    async def positions(self, hashes: Collection[bytes]) -> Mapping[bytes, int]:
        if not hashes:
            return {}
        found = (
            select(leaves.c.hash, func.min(leaves.c.position).label("position"))
            .where(leaves.c.hash.in_(hashes))
            .group_by(leaves.c.hash)
        )
        return {bytes(row.hash): row.position for row in await self._bound.rows(found)}

    async def nodes(self, wanted: Collection[Node]) -> Mapping[Node, bytes]:
        spans = {node: _kept_below(node) for node in wanted}
        kept = await self._kept(spans.values())
        try:
            return {
                node: frontier(kept[level, position] for position in range(start, end)).root()
                for node, (level, start, end) in spans.items()
            }
        except KeyError as missing:
            raise LookupError(f"the tree has no node {missing}") from None

    async def _kept(self, spans: Iterable[tuple[int, int, int]]) -> dict[Node, bytes]:
        """The kept nodes of (level, from, up to); in one statement for the leaves and what is above them."""
        low = [leaves.c.position.between(start, end - 1) for level, start, end in spans if level == 0]
        high = [
            and_(subtrees.c.level == level, subtrees.c.position.between(start, end - 1))
            for level, start, end in spans
            if level > 0
        ]
        columns = (literal(0).label("level"), leaves.c.position, leaves.c.hash)
        below = select(*columns).where(or_(*low)) if low else None
        above = select(subtrees).where(or_(*high)) if high else None
        asked = union_all(below, above) if below is not None and above is not None else below
        asked = asked if asked is not None else above
        found = await self._bound.rows(asked) if asked is not None else ()
        return {(row.level, row.position): bytes(row.hash) for row in found}


_HEAD = Question(select(tree))
_LATEST = Question(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1))
_TO_BE_SEALED = Question(
    select(tree.c.id).where(
        tree.c.size == bindparam("size", type_=Integer),
        ~exists(select(checkpoints.c.size).where(checkpoints.c.size >= tree.c.size)),
    )
)
_UNSEALED = Question(
    select(tree.c.id)
    .where(
        or_(
            exists(select(unnumbered.c.record)),
            tree.c.size > func.coalesce(select(func.max(checkpoints.c.size)).scalar_subquery(), 0),
        )
    )
    .limit(1)
)
_WAITING = Question(
    select(unnumbered.c.record, audit.c.canonical, audit.c.sha256)
    .outerjoin(audit, audit.c.seq == unnumbered.c.record)
    .order_by(unnumbered.c.record)
    .limit(bindparam("limit", type_=Integer))
)


def _kept_below(node: Node) -> tuple[int, int, int]:
    """(level, from, up to) of the kept nodes that a node is folded from."""
    level, position = node
    above = level % STRIDE
    return level - above, position << above, (position + 1) << above


def _read(head: Row[Any]) -> Frontier:
    packed = bytes(head.frontier)
    roots: Sequence[bytes] = [
        packed[start : start + HASH_BYTES] for start in range(0, len(packed), HASH_BYTES)
    ]
    if len(packed) != HASH_BYTES * head.size.bit_count():
        raise UnreadableRow("The record's tree", "its size and its frontier disagree")
    return Frontier(size=head.size, roots=tuple(roots))


def _leaf(row: Row[Any]) -> bytes:
    where = f"Audit record {row.record}"
    if row.canonical is None:
        raise UnreadableRow(where, "it is gone before it was numbered")
    canonical = _bytes(row.canonical)
    if hashlib.sha256(canonical).hexdigest() != row.sha256:
        raise UnreadableRow(where, "its bytes do not have the digest stored with them")
    return leaf_hash(canonical)


def _bytes(found: bytes | str) -> bytes:
    """SQLite keeps whatever type it is given, so what somebody wrote there by hand may be text."""
    return found.encode() if isinstance(found, str) else bytes(found)


def _checkpoint(row: Row[Any] | None) -> SealedCheckpoint | None:
    if row is None:
        return None
    return SealedCheckpoint(size=row.size, root=bytes(row.root), note=row.note, at=row.at)
