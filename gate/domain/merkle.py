"""The Merkle tree of RFC 9162 over audit records: roots, proofs and their verification; it stores and signs nothing.

A tree of `size` leaves is told by its complete subtrees. The node (level, position) is the root over the leaves
from `position * 2**level` to `(position + 1) * 2**level`; level 0 are the leaves themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = tuple[int, int]
"""(level, position)."""


def leaf_hash(data: bytes) -> bytes:
    """RFC 9162, 2.1.1: the prefix keeps a leaf from being taken for an inner node."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Frontier:
    """A tree to which leaves are appended: its size, and the roots of its complete subtrees, the largest first.

    There is one subtree for each bit that is set in `size`, so it stays small however large the tree is.
    """

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """The root of the whole tree."""
        return fold(self.roots)

    def extended(self, leaves: Iterable[bytes]) -> tuple[Frontier, list[tuple[Node, bytes]]]:
        """The tree with these leaf hashes appended, and every subtree above the leaves that they completed."""
        roots, size = list(self.roots), self.size
        completed: list[tuple[Node, bytes]] = []
        for leaf in leaves:
            roots.append(leaf)
            size += 1
            level, position = 0, size
            while position & 1 == 0:
                right = roots.pop()
                roots[-1] = node_hash(roots[-1], right)
                level, position = level + 1, position >> 1
                completed.append(((level, position - 1), roots[-1]))
        return Frontier(size=size, roots=tuple(roots)), completed


EMPTY = Frontier()
"""The tree without leaves."""


def frontier(leaves: Iterable[bytes]) -> Frontier:
    """The tree over these leaf hashes."""
    return Frontier().extended(leaves)[0]


def fold(roots: Sequence[bytes]) -> bytes:
    """The root over adjoining subtrees that get smaller from left to right."""
    if not roots:
        return EMPTY_ROOT
    whole = roots[-1]
    for left in reversed(roots[:-1]):
        whole = node_hash(left, whole)
    return whole


def cover(start: int, end: int) -> Iterator[Node]:
    """The complete subtrees that make up the leaves from `start` up to `end`, from left to right.

    `start` is a multiple of the size of the first one, as it is for every part of a proof.
    """
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """Which parts of the tree a proof consists of, in its order: for each the subtrees whose fold it is."""

    parts: tuple[tuple[Node, ...], ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node that has to be looked up."""
        return tuple(node for part in self.parts for node in part)

    def made(self, look_up: Callable[[Node], bytes]) -> tuple[bytes, ...]:
        """The proof itself."""
        return tuple(fold([look_up(node) for node in part]) for part in self.parts)


def inclusion(index: int, size: int) -> Proof:
    """What proves that leaf `index` is in the tree of `size` leaves (RFC 9162, 2.1.3.1).

    Raises ValueError where it is not.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    parts: list[tuple[Node, ...]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            parts.append(tuple(cover(middle, end)))
            end = middle
        else:
            parts.append(tuple(cover(start, middle)))
            start = middle
    return Proof(parts=tuple(reversed(parts)))


def consistency(first: int, second: int) -> Proof:
    """What proves that the tree of `first` leaves is the beginning of the tree of `second` (RFC 9162, 2.1.4.1).

    Nothing where one of them is empty or they are the same. Raises ValueError where `first` is the larger.
    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} does not begin with one of {first}")
    if first in (0, second):
        return Proof(parts=())
    parts: list[tuple[Node, ...]] = []
    start, end = 0, second
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            parts.append(tuple(cover(middle, end)))
            end = middle
        else:
            parts.append(tuple(cover(start, middle)))
            start = middle
    if start:  # else the verifier has this part: it is the first root itself
        parts.append(tuple(cover(start, end)))
    return Proof(parts=tuple(reversed(parts)))


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows that this leaf hash is leaf `index` under this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or not _all_hashes((leaf, root, *proof)):
        return False
    here, last, found = index, size - 1, leaf
    for other in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            found = node_hash(other, found)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            found = node_hash(found, other)
        here, last = here >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    *, first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows that the second tree begins with the first (RFC 9162, 2.1.4.2)."""
    if not 0 <= first <= second or not _all_hashes((first_root, second_root, *proof)):
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            old, new = node_hash(other, old), node_hash(other, new)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            new = node_hash(new, other)
        here, last = here >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _all_hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
