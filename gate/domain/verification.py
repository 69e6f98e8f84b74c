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
from gate.domain.merkle import Frontier, leaf_hash
from gate.domain.replay import Replay

KINDS = {
    "edited": "A record is not what it was when it was numbered.",
    "removed": "A record that was numbered is gone.",
    "reordered": "Records stand at each other's places.",
    "gap": "A number is missing.",
    "truncated": "The end of the record is gone.",
    "older_copy": "The record ends before a checkpoint that was kept elsewhere.",
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


class Examination:
    """Takes what is kept, in the order of numbers, and at the end says what is wrong with it.

    `checkpoints` are the record's own, their signatures verified; `pinned` were kept elsewhere. `size` is how many
    records there should be as far as the record itself says.
    """

    def __init__(
        self, *, checkpoints: Iterable[Checkpoint], pinned: Iterable[Checkpoint], size: int = 0
    ) -> None:
        self._own = {checkpoint.size: checkpoint.root for checkpoint in checkpoints}
        self._pinned = {checkpoint.size: checkpoint.root for checkpoint in pinned}
        self._stops = sorted({*self._own, *self._pinned}, reverse=True)
        self._claimed = max([size, *self._own], default=0)
        self._tree = Frontier()
        self._stretch: list[KeptLeaf] = []
        self._next = 0
        self._good = 0
        self._rewritten = False
        self._broken = False
        self._misfits: dict[int, tuple[KeptLeaf, bytes]] = {}
        self._replay = Replay()
        self.found: list[Discrepancy] = []

    @property
    def size(self) -> int:
        """How many leaves were taken."""
        return self._tree.size + len(self._stretch)

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
            self.report("removed", f"leaf {leaf.position}", f"record {leaf.record} is gone")
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
        size = self._next
        if self._claimed > size:
            self.report(
                "truncated", f"leaf {size}", f"{size} records are there, {self._claimed} were numbered"
            )
        elif self._pinned and max(self._pinned) > size:
            self.report(
                "older_copy",
                f"leaf {size}",
                f"{size} records are there, a checkpoint kept elsewhere covers {max(self._pinned)}; they were cut off "
                "with all that told of them, or an older copy was restored",
            )
        return tuple(self.found)

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
            if not self._rewritten:
                self._good = size
        self._tree, self._stretch = after, self._stretch[rest:]

    def _explain_rewriting(self, stretch: Sequence[KeptLeaf], root: bytes) -> None:
        """Leaves were changed together with their hashes; the signed root tells that, and between which sizes."""
        where = f"leaves {self._good} to {self._good + len(stretch) - 1}"
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
            numbers and numbers[-1] - numbers[0] >= len(numbers) and self._claimed > self._good + len(stretch)
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
        problem = self._replay.take(body)
        if problem is not None:
            self.report("impossible", where, f"{body.get('action') or 'a record'}: {problem}")
