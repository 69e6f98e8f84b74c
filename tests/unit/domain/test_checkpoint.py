"""Checkpoints and signed notes: what is written is read back, and nothing of another form is ever read."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.checkpoint import (
    Checkpoint,
    Malformed,
    Note,
    NoteSignature,
    PublicKey,
    opened,
    parse_checkpoint,
    parse_note,
    parse_public_key,
    signers,
)
from gate.domain.merkle import EMPTY_ROOT
from gate.keyring.checkpoints import is_signature

# The example of Go's note package, after which C2SP signed-note was written.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
QUOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
SIGNED = (
    QUOTE
    + "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6K"
    "E6RyyBwJnAM=\n"
)
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
SEA = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"

lines = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1).filter(
    lambda line: "\n" not in line
)
names = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs", "Z", "C"]), min_size=1).filter(
    lambda name: "+" not in name and not any(map(str.isspace, name))
)
hashes = st.binary(min_size=32, max_size=32)
checkpoints = st.builds(
    Checkpoint,
    origin=lines,
    size=st.integers(0, 10**18 - 1),
    root=hashes,
    extensions=st.lists(lines, max_size=3).map(tuple),
)


def signature(name: str = "log", key_id: bytes = b"1234", data: bytes = b"signed") -> NoteSignature:
    return NoteSignature(name=name, key_id=key_id, signature=data)


def test_the_example_of_the_specification():
    checkpoint = parse_checkpoint(SEA)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root == base64.b64decode(ROOT)
    assert checkpoint.text() == SEA


def test_a_note_that_another_tool_signed_is_verified():
    key = parse_public_key(PETER)
    assert key.text() == PETER
    note = parse_note(SIGNED)
    assert note.text == QUOTE
    assert signers(note, [key], is_signature) == (key,)
    with pytest.raises(Malformed, match="not its own"):
        signers(parse_note(SIGNED.replace("answer", "answers")), [key], is_signature)
    with pytest.raises(Malformed, match="fewer than three lines"):
        opened(SIGNED, [key], is_signature)


@given(checkpoints)
def test_a_checkpoint_is_read_back_as_it_was_written(checkpoint: Checkpoint):
    assert parse_checkpoint(checkpoint.text()) == checkpoint


@given(st.one_of(st.text(), st.lists(st.sampled_from(["x", "1", ROOT, "", " ", "0"])).map("\n".join)))
def test_what_is_read_is_written_the_same(text: str):
    """Each checkpoint has one spelling only."""
    try:
        checkpoint = parse_checkpoint(text)
    except Malformed:
        return
    assert checkpoint.text() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        SEA[:-1],
        SEA + "\n",
        "x\n1\n",
        f"\n1\n{ROOT}\n",
        f"x\n01\n{ROOT}\n",
        f"x\n-1\n{ROOT}\n",
        f"x\n+1\n{ROOT}\n",
        f"x\n1 \n{ROOT}\n",
        f"x\n\u0661\n{ROOT}\n",
        f"x\n{10**18}\n{ROOT}\n",
        f"x\n1\n{ROOT[:-1]}\n",
        f"x\n1\n{ROOT}=\n",
        f"x\n1\n {ROOT}\n",
        f"x\n1\n{base64.b64encode(b'short').decode()}\n",
        f"x\n1\n{ROOT[:-2]}J=\n",
        f"x\n1\n{ROOT}\n\nmore\n",
        f"x\r\n1\n{ROOT}\n",
        f"x\t\n1\n{ROOT}\n",
        f"\ud800\n1\n{ROOT}\n",
    ],
)
def test_anything_else_is_no_checkpoint(text: str):
    with pytest.raises(Malformed):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": ""},
        {"origin": "x\n1"},
        {"size": -1},
        {"root": b"short"},
        {"extensions": ("",)},
        {"extensions": ("a\nb",)},
    ],
)
def test_a_checkpoint_that_could_not_be_read_back_is_not_written(changes: dict):
    good: dict = {"origin": "x", "size": 1, "root": EMPTY_ROOT}
    with pytest.raises(Malformed):
        Checkpoint(**good | changes).text()


@given(
    st.lists(lines, min_size=1).map(lambda told: "".join(f"{line}\n" for line in told)),
    st.lists(
        st.builds(
            NoteSignature,
            name=names,
            key_id=st.binary(min_size=4, max_size=4),
            signature=st.binary(min_size=1),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_a_note_is_read_back_as_it_was_written(text: str, signatures: list[NoteSignature]):
    note = Note(text=text, signatures=tuple(signatures))
    assert parse_note(note.whole()) == note


@pytest.mark.parametrize(
    "whole",
    [
        "",
        SEA,
        SEA + "\n",
        SIGNED[:-1],
        SIGNED + "\n",
        SIGNED + "more\n",
        SIGNED.replace("\u2014", "--"),
        SIGNED.replace("\u2014", "\u2013"),
        SIGNED.replace("\u2014 ", "\u2014  "),
        SIGNED.replace("PeterNeumann x0", "Peter+Neumann x0"),
        SIGNED.replace("M=\n", "M\n"),
        SIGNED.replace("M=\n", "N=\n"),
        SIGNED.replace("M=\n", "M= \n"),
        SIGNED.replace("then", "then\x07"),
        SIGNED.replace("then", "then\ud800"),
        f"{QUOTE}\n\u2014 PeterNeumann AAAAAA==\n",
        QUOTE + "\n" + signature().line() * 101,
        "x" * 1_000_001,
    ],
)
def test_anything_else_is_no_note(whole: str):
    with pytest.raises(Malformed):
        parse_note(whole)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb"])
def test_a_note_is_not_signed_under_a_name_that_could_not_be_read_back(name: str):
    with pytest.raises(Malformed):
        Note(text="x\n", signatures=(signature(name),)).whole()


@pytest.mark.parametrize(
    "text",
    [
        "",
        PETER[:-1],
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("+ARpc", "+Ahpc"),
        PETER.replace("PeterNeumann", "Peter Neumann"),
        PETER.replace("PeterNeumann", "Somebody"),
        "x+00000000+AQ==",
    ],
)
def test_anything_else_is_no_key(text: str):
    with pytest.raises(Malformed):
        parse_public_key(text)


def test_a_note_counts_by_the_keys_that_are_known():
    """Strangers' signatures beside it do no harm, and no good."""
    log, other = PublicKey(name="log", public=b"l" * 32), PublicKey(name="other", public=b"o" * 32)

    def verify(public: bytes, data: bytes, message: bytes) -> bool:
        return data == public + message

    def by(key: PublicKey, text: str, *, claimed: PublicKey | None = None) -> NoteSignature:
        named = claimed or key
        return signature(named.name, named.id, key.public + text.encode())

    text = Checkpoint(origin="log", size=1, root=EMPTY_ROOT).text()
    both = Note(text=text, signatures=(by(other, text), by(log, text))).whole()
    assert opened(both, [log], verify).size == 1
    assert opened(both, [other, log], verify).size == 1
    with pytest.raises(Malformed, match="none of its signers is"):
        opened(both, [other], verify)
    with pytest.raises(Malformed, match="none of the known keys"):
        opened(both, [], verify)
    forged = Note(text=text, signatures=(by(log, text), by(other, text, claimed=log))).whole()
    with pytest.raises(Malformed, match="not its own"):
        opened(forged, [log], verify)
