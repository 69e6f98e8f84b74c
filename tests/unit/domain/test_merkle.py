"""The Merkle tree against a naive reading of RFC 9162, and against the published vectors of its predecessor."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    Proof,
    consistency,
    cover,
    frontier,
    inclusion,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(bytes.fromhex(data)) for data in INPUTS]


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word; D[n] are leaf hashes here."""
    n = len(leaves)
    if n == 0:
        return hashlib.sha256().digest()
    if n == 1:
        return leaves[0]
    k = 1
    while k * 2 < n:
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 9162, 2.1.3.1."""
    n = len(leaves)
    if n == 1:
        return []
    k = 1
    while k * 2 < n:
        k *= 2
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """RFC 9162, 2.1.4.1."""
    n = len(leaves)
    if m == n:
        return [] if whole else [mth(leaves)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def numbered(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def made(proof: Proof, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """The proof over a tree whose nodes are known from appending alone."""
    _, completed = Frontier().extended(leaves)
    known: dict[Node, bytes] = {(0, index): leaf for index, leaf in enumerate(leaves)} | dict(completed)
    return proof.made(known.__getitem__)


def test_the_published_roots():
    assert Frontier().root() == EMPTY_ROOT == hashlib.sha256().digest()
    for size, root in enumerate(ROOTS, 1):
        assert frontier(LEAVES[:size]).root().hex() == root
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert (
        node_hash(b"N123", b"N456").hex()
        == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    )


def test_the_published_inclusion_proof():
    proof = made(inclusion(5, 8), LEAVES)
    assert [part.hex() for part in proof] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        ROOTS[3],
    ]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                ROOTS[3],
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_the_published_consistency_proofs(first: int, second: int, expected: list[str]):
    assert [part.hex() for part in made(consistency(first, second), LEAVES[:second])] == expected


@given(st.data())
def test_appending_makes_the_tree_of_the_rfc(data: st.DataObject):
    """However the leaves come in, the root is the same, and memory is one hash for each bit of the size."""
    leaves = numbered(data.draw(st.integers(0, 70)))
    cut = data.draw(st.integers(0, len(leaves)))
    first, begun = Frontier().extended(leaves[:cut])
    second, ended = first.extended(leaves[cut:])
    assert (first.root(), second.root()) == (mth(leaves[:cut]), mth(leaves))
    assert (second.size, len(second.roots)) == (len(leaves), len(leaves).bit_count())
    for (level, position), found in (*begun, *ended):
        assert found == mth(leaves[position << level : (position + 1) << level])
    assert len({node for node, _ in (*begun, *ended)}) == len(begun) + len(ended)


@given(st.data())
def test_an_inclusion_proof_is_that_of_the_rfc_and_holds(data: st.DataObject):
    leaves = numbered(data.draw(st.integers(1, 70)))
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = made(inclusion(index, len(leaves)), leaves)
    assert list(proof) == path(index, leaves)
    told = {"leaf": leaves[index], "index": index, "size": len(leaves), "proof": proof, "root": mth(leaves)}
    assert verify_inclusion(**told)


@given(st.data())
def test_an_inclusion_proof_shows_nothing_else(data: st.DataObject):
    """INV-48: not another leaf, place or root, and not with a part changed, left out, added or moved."""
    leaves = numbered(data.draw(st.integers(1, 40)))
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = path(index, leaves)
    told = {"leaf": leaves[index], "index": index, "size": size, "proof": proof, "root": mth(leaves)}
    other = data.draw(st.integers(0, 80).filter(lambda number: number != index))
    assert not verify_inclusion(**told | {"index": other})
    assert not verify_inclusion(**told | {"index": -1})
    assert not verify_inclusion(**told | {"leaf": leaf_hash(b"another")})
    assert not verify_inclusion(**told | {"root": leaf_hash(b"another")})
    assert not verify_inclusion(**told | {"proof": [*proof, leaf_hash(b"more")]})
    assert not verify_inclusion(**told | {"proof": [b"short", *proof[1:]]})
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        assert not verify_inclusion(**told | {"proof": proof[:place] + proof[place + 1 :]})
        changed = [*proof]
        changed[place] = leaf_hash(b"another")
        assert not verify_inclusion(**told | {"proof": changed})
        if proof[::-1] != proof:
            assert not verify_inclusion(**told | {"proof": proof[::-1]})


@given(st.data())
def test_a_consistency_proof_is_that_of_the_rfc_and_holds(data: st.DataObject):
    leaves = numbered(data.draw(st.integers(0, 70)))
    second = len(leaves)
    first = data.draw(st.integers(0, second))
    proof = made(consistency(first, second), leaves)
    if 0 < first < second:
        assert list(proof) == subproof(first, leaves, True)
    else:
        assert proof == ()
    told = {
        "first": first,
        "first_root": mth(leaves[:first]),
        "second": second,
        "second_root": mth(leaves),
        "proof": proof,
    }
    assert verify_consistency(**told)


@given(st.data())
def test_a_consistency_proof_shows_nothing_else(data: st.DataObject):
    """INV-48: a fork cannot be passed off as growth, whatever is sent as the proof."""
    leaves = numbered(data.draw(st.integers(2, 40)))
    second = len(leaves)
    first = data.draw(st.integers(1, second - 1))
    proof = subproof(first, leaves, True)
    told = {
        "first": first,
        "first_root": mth(leaves[:first]),
        "second": second,
        "second_root": mth(leaves),
        "proof": proof,
    }
    place = data.draw(st.integers(0, first - 1))
    forked = [*leaves]
    forked[place] = leaf_hash(b"another")
    assert not verify_consistency(**told | {"first_root": mth(forked[:first])})
    assert not verify_consistency(**told | {"second_root": mth(forked)})
    assert not verify_consistency(
        **told | {"second_root": mth(forked), "proof": subproof(first, forked, True)}
    )
    assert not verify_consistency(**told | {"first": second, "second": first})
    assert not verify_consistency(**told | {"proof": [*proof, leaf_hash(b"more")]})
    assert not verify_consistency(**told | {"proof": proof[:-1]})
    assert not verify_consistency(**told | {"proof": [b"short", *proof[1:]]})
    assert not verify_consistency(**told | {"first": 0, "first_root": leaf_hash(b"")})


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_proof_needs_few_nodes(index: int, more: int):
    """Each part is folded from complete subtrees: O(log n) of them a part, and parts O(log n)."""
    size = index + more
    height = size.bit_length()
    assert len(inclusion(index, size).parts) <= height
    assert len(inclusion(index, size).nodes) <= 2 * height
    assert len(consistency(index, size).parts) <= height + 1
    assert len(consistency(index, size).nodes) <= 3 * height


@given(st.integers(0, 300))
def test_a_range_is_covered_without_gap_or_overlap(size: int):
    nodes = list(cover(0, size))
    assert [leaf for level, at in nodes for leaf in range(at << level, (at + 1) << level)] == list(
        range(size)
    )


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3), (4, 3)])
def test_there_is_no_proof_of_what_is_not_in_the_tree(index: int, size: int):
    with pytest.raises(ValueError, match="there is no leaf"):
        inclusion(index, size)


@pytest.mark.parametrize(("first", "second"), [(2, 1), (-1, 3)])
def test_a_tree_never_shrinks(first: int, second: int):
    with pytest.raises(ValueError, match="does not begin"):
        consistency(first, second)
