"""Bundles as text: what is written is read back, and nothing else is a bundle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.bundle import Beginning, End, Key, NotABundle, Policy, Signed, read, written
from gate.domain.verification import KeptLeaf

texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = st.builds(
    KeptLeaf,
    position=st.integers(0, 10**12),
    record=st.integers(1, 10**12),
    hash=st.binary(min_size=32, max_size=32),
    canonical=st.one_of(st.none(), st.binary(max_size=50), texts.map(str.encode)),
)
BEGINNING = Beginning(origin="log", size=1, at="now")


@given(
    st.lists(
        st.one_of(
            leaves,
            st.builds(Key, text=texts),
            st.builds(Signed, note=texts),
            st.builds(
                Policy,
                digest=texts,
                version=texts,
                documents=st.lists(st.lists(texts, min_size=2, max_size=2)),
            ),
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read_back(lines: list):
    """Also bytes that are no text, and text with line separators of every kind."""
    whole = [BEGINNING, *lines, End(records=len(lines))]
    told = "".join(map(written, whole))
    assert told.count("\n") == len(whole)
    assert list(read(line + "\n" for line in told[:-1].split("\n"))) == whole


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"key": 1}',
        '{"leaf": 0, "record": 1, "hash": "zz", "canonical": ""}',
        '{"leaf": "0", "record": 1, "hash": "", "canonical": ""}',
        '{"leaf": 0, "record": 1, "hash": ""}',
        '{"bundle": "signoff audit bundle", "v": 2, "origin": "", "size": 0, "at": ""}',
        "[" * 100_000,
    ],
)
def test_anything_else_is_no_line_of_a_bundle(line: str):
    with pytest.raises(NotABundle, match="line 2 is no line"):
        list(read([written(BEGINNING), line, written(End(records=0))]))
