"""Checks an audit record against its own hashes, its checkpoints and those kept elsewhere, and names what is wrong.

It is fed leaf by leaf, so that a record of any length takes little memory. What kind of thing was done to a record is
told by what still agrees: bytes with their leaf, leaves with the signed roots, the roots with a checkpoint that the
record's keeper could not reach.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, cast

from gate.domain.checkpoint import Checkpoint
from gate.domain.merkle import EMPTY, Frontier, leaf_hash, verify_consistency
from gate.domain.months import block_of
from gate.domain.replay import Replay

KINDS = {
    "edited": "A record is not what it was when it was numbered.",
    "removed": "A record that was numbered is gone.",
    "reordered": "Records stand at each other's places.",
    "gap": "A number is missing.",
    "truncated": "The end of the record is gone.",
    "older_copy": "The record ends before a checkpoint that was kept elsewhere.",
    "unproven": "A checkpoint kept elsewhere is of records before these, and no proof connects them.",
    "forked": "The record contradicts a checkpoint that was kept elsewhere.",
    "unsigned": "A checkpoint is not signed as it should be.",
    "stamp": "A time-stamp is not the pinned authority's over a checkpoint of this record.",
    "unnumbered": "A record was kept from being numbered.",
    "impossible": "A record tells a transition that the gate does not make.",
    "policy": "A policy set that decided something is missing or was changed.",
    "unreadable": "Something is not of the form it should have.",
}
"""Every kind of discrepancy and what it means."""

SEARCHED = 64
"""In a stretch of at most so many leaves an exchange of two is looked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Discrepancy:
    """One thing that is wrong: `kind` of `KINDS`, where, and what is known about it."""

    kind: str
    where: str
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptLeaf:
    """A numbered record as it is kept. `record` is the number of its row, `canonical` None where that is gone."""

    position: int
    record: int
    hash: bytes
    canonical: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Continuation:
    """A proof that the tree of `first` leaves is the beginning of the tree of `second` (RFC 9162)."""

    first: int
    second: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What a record says was taken out: leaves `first` to `last`, who did it, and the digest of the bundle they are in.

    Only the oldest that is there is ever pruned, so everything before `first` had been taken out before."""

    first: int
    last: int
    by: str
    at: str
    bundle_sha256: str


class Examination:
    """Takes what is kept, in the order of numbers, and at the end says what is wrong with it.

    `checkpoints` are the record's own, their signatures verified; `pinned` were kept elsewhere. `size` is how many
    records there should be as far as the record itself says. Where what is kept does not start at the first record,
    `start` is the tree before it; `proofs` connect it with checkpoints that are not of its own length.
    """

    def __init__(
        self,
        *,
        checkpoints: Iterable[Checkpoint],
        pinned: Iterable[Checkpoint],
        size: int = 0,
        start: Frontier = EMPTY,
        proofs: Iterable[Continuation] = (),
    ) -> None:
        self._own = {checkpoint.size: checkpoint.root for checkpoint in checkpoints}
        self._pinned = {checkpoint.size: checkpoint.root for checkpoint in pinned}
        self._proofs = tuple(proofs)
        self._ends = {end for proof in self._proofs for end in (proof.first, proof.second)}
        stops = {size for size in (*self._own, *self._pinned, *self._ends) if size >= start.size}
        self._stops = sorted(stops, reverse=True)
        self._claimed = max([size, *self._own], default=0)
        self._start = start.size
        self._tree = start
        self._stretch: list[KeptLeaf] = []
        self._next = start.size
        self._good = start.size
        self._roots: dict[int, bytes] = {}
        self._missing: list[tuple[int, int, int]] = []
        self._rewritten = False
        self._broken = False
        self._misfits: dict[int, tuple[KeptLeaf, bytes]] = {}
        self._replay = Replay()
        self._replay.partial = start.size > 0
        self.pruned: list[Pruned] = []
        """What the record says was taken out, in its order."""
        self.found: list[Discrepancy] = []

    @property
    def size(self) -> int:
        """How many leaves there are, those before the first that was taken included."""
        return self._tree.size + len(self._stretch)

    @property
    def taken(self) -> int:
        """How many leaves were taken."""
        return self.size - self._start

    @property
    def policies(self) -> frozenset[str]:
        """Digests of the policy sets that decided something."""
        return frozenset(self._replay.policies)

    def report(self, kind: str, where: str, what: str) -> None:
        """Note something that was found elsewhere."""
        self.found.append(Discrepancy(kind=kind, where=where, what=what))

    def take(self, leaf: KeptLeaf) -> None:
        """The next leaf."""
        if leaf.position != self._next:
            self._gap(leaf.position)
        self._next = leaf.position + 1
        if leaf.canonical is None:
            self._miss(leaf)
        else:
            actual = leaf_hash(leaf.canonical)
            if actual != leaf.hash:
                self._misfits[leaf.position] = (leaf, actual)
            self._replayed(leaf, leaf.canonical)
        self._stretch.append(leaf)
        if self._stops and self.size >= self._stops[-1]:
            self._compare()

    def finish(self) -> tuple[Discrepancy, ...]:
        """Everything that is wrong, nothing where all agrees."""
        while self._stops and self._stops[-1] <= self.size:
            self._compare()
        self._explain_misfits()
        self._explain_missing()
        size = self._next
        if self._claimed > size:
            self.report(
                "truncated", f"leaf {size}", f"{size} records are there, {self._claimed} were numbered"
            )
        for pinned in sorted(self._pinned, reverse=True):
            if pinned > size >= self._claimed and not self._connects(pinned):
                self.report(
                    "older_copy",
                    f"leaf {size}",
                    f"{size} records are there, a checkpoint kept elsewhere covers {pinned}; they were cut off with "
                    "all that told of them, or an older copy was restored; or it is a bundle of an earlier day, which "
                    "a proof connects with that checkpoint",
                )
                break
            if pinned < self._start and not self._connects(pinned):
                self.report("unproven", f"leaf {pinned}", f"these records start at leaf {self._start}")
                break
        return tuple(self.found)

    def _connects(self, pinned: int) -> bool:
        """Whether a proof connects these records with a checkpoint of another length; a wrong one is told."""
        for proof in self._proofs:
            roots = {**self._roots, pinned: self._pinned[pinned]}
            if pinned not in (proof.first, proof.second) or not {proof.first, proof.second} <= roots.keys():
                continue
            if not verify_consistency(
                first=proof.first,
                first_root=roots[proof.first],
                second=proof.second,
                second_root=roots[proof.second],
                proof=proof.path,
            ):
                self.report(
                    "forked",
                    f"leaves {self._start} to {self.size - 1}",
                    f"the proof does not connect them with the checkpoint over {pinned} that was kept elsewhere",
                )
            return True
        return False

    def _miss(self, leaf: KeptLeaf) -> None:
        """Whether somebody was right to take it out is told by a record that comes later."""
        self._replay.partial = True
        if self._missing:
            first, last, record = self._missing[-1]
            if leaf.position == last + 1 and leaf.record == record + leaf.position - first:
                self._missing[-1] = (first, leaf.position, record)
                return
        self._missing.append((leaf.position, leaf.position, leaf.record))

    def _explain_missing(self) -> None:
        """Rows that are gone and that no record of a pruning names."""
        named = max((pruned.last for pruned in self.pruned), default=-1)
        for first, last, record in self._missing:
            for position in range(max(first, named + 1), last + 1):
                self.report("removed", f"leaf {position}", f"record {record + position - first} is gone")

    def _gap(self, position: int) -> None:
        first, last = self._next, position - 1
        numbers = f"leaf {first}" if first == last else f"leaves {first} to {last}"
        if position < first:
            self.report("gap", f"leaf {position}", "a number stands twice")
        else:
            self.report("gap", numbers, "the numbers go on after it; what stood there was removed")
        self._broken = True  # no root can be computed from here on

    def _compare(self) -> None:
        """The tree at a size for which there is a checkpoint."""
        size = self._stops.pop()
        rest = size - self._tree.size
        stretch = self._stretch[:rest]
        after = self._tree.extended(leaf.hash for leaf in stretch)[0]
        if not self._broken and not self._rewritten:
            own, pinned = self._own.get(size), self._pinned.get(size)
            if size in self._ends:
                self._roots[size] = after.root()
            if own is not None and own != after.root():
                self._rewritten = True
                self._explain_rewriting(stretch, own)
            if pinned is not None and pinned != after.root():
                self.report(
                    "forked",
                    f"leaves {self._good} to {size - 1}",
                    f"the first {size} records are not those of the checkpoint that was kept elsewhere",
                )
                self._rewritten = True
            if not self._rewritten and (own is not None or pinned is not None):
                self._good = size
        self._tree, self._stretch = after, self._stretch[rest:]

    def _explain_rewriting(self, stretch: Sequence[KeptLeaf], root: bytes) -> None:
        """Leaves were changed together with their hashes; the signed root tells that, and between which sizes."""
        end = self._tree.size + len(stretch)
        where = f"leaves {self._good} to {end - 1}"
        hashes = [leaf.hash for leaf in stretch]
        for one, other in combinations(range(len(stretch) if len(stretch) <= SEARCHED else 0), 2):
            hashes[one], hashes[other] = hashes[other], hashes[one]
            if self._tree.extended(hashes)[0].root() == root:
                first, second = stretch[one].position, stretch[other].position
                self.report(
                    "reordered", f"leaves {first} and {second}", "they were exchanged with their hashes"
                )
                return
            hashes[one], hashes[other] = hashes[other], hashes[one]
        numbers = [leaf.record for leaf in stretch]
        if numbers != sorted(numbers):
            self.report("reordered", where, "the rows do not stand in the order they were written")
        elif (
            numbers
            and block_of(numbers[-1]) == block_of(numbers[0])
            and numbers[-1] - numbers[0] >= len(numbers)
            and self._claimed > end
        ):
            self.report("removed", where, "rows are missing, and the ones after them were given new numbers")
        else:
            self.report("edited", where, "records were changed together with their hashes")

    def _explain_misfits(self) -> None:
        """Bytes that are not those of their leaf: somebody else's, or changed."""
        own = {leaf.hash: position for position, (leaf, _) in self._misfits.items()}
        for position, (leaf, actual) in sorted(self._misfits.items()):
            other = own.get(actual)
            if other is None:
                self.report(
                    "edited",
                    f"leaf {position}",
                    f"the bytes of record {leaf.record} are not those that were numbered",
                )
            elif other > position or self._misfits[other][1] != leaf.hash:
                self.report("reordered", f"leaf {position}", f"here stands the record of leaf {other}")

    def _replayed(self, leaf: KeptLeaf, canonical: bytes) -> None:
        where = f"leaf {leaf.position}"
        try:
            found: Any = json.loads(canonical)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            self.report("unreadable", where, f"record {leaf.record} is no JSON object")
            return
        body = cast("Mapping[str, Any]", found)
        pruned = _pruned(body)
        if pruned is not None and pruned.last < leaf.position and leaf.position not in self._misfits:
            self.pruned.append(pruned)
        problem = self._replay.take(body)
        if problem is not None:
            self.report("impossible", where, f"{body.get('action') or 'a record'}: {problem}")


def _pruned(body: Mapping[str, Any]) -> Pruned | None:
    match body:
        case {
            "kind": "record.pruned",
            "actor": str(by),
            "at": str(at),
            "detail": {"first": int(first), "last": int(last), "bundle_sha256": str(digest)},
        }:
            return Pruned(first=first, last=last, by=by, at=at, bundle_sha256=digest)
        case _:
            return None
