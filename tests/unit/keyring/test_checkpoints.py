"""The key of the record: made once, kept to itself, and its signatures are read by the rules of signed notes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gate.domain.checkpoint import Checkpoint, Malformed, opened, parse_note, signers
from gate.domain.merkle import EMPTY_ROOT
from gate.keyring.checkpoints import is_signature, load_checkpoint_signer, new_key
from gate.keyring.folder import KeyringError

# The private key of the example of Go's note package.
PETER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n"
QUOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
SIGNATURE = (
    "\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return path


def text_of(origin: str) -> str:
    return Checkpoint(origin=origin, size=3, root=EMPTY_ROOT).text()


def test_the_first_start_makes_a_key_and_the_next_finds_it(tmp_path: Path):
    folder = tmp_path / "keys"
    signer = load_checkpoint_signer(folder)
    assert stat.S_IMODE((folder / "checkpoint-0001.key").stat().st_mode) == 0o600
    again = load_checkpoint_signer(folder)
    assert again.keys == signer.keys
    checkpoint = opened(signer.sign(text_of(signer.origin)), again.keys, is_signature)
    assert (checkpoint.origin, checkpoint.size) == (signer.origin, 3)
    assert load_checkpoint_signer(tmp_path / "others").origin != signer.origin


def test_a_key_of_another_tool_signs_the_same(tmp_path: Path):
    put(tmp_path / "keys", "checkpoint-0001.key", PETER)
    assert load_checkpoint_signer(tmp_path / "keys").sign(QUOTE) == f"{QUOTE}\n{SIGNATURE}"


def test_a_successor_signs_beside_the_first_key_and_then_alone(tmp_path: Path):
    """Whoever knows only the first key verifies until it is retired; what it signed is verified for ever."""
    folder = tmp_path / "keys"
    first = load_checkpoint_signer(folder)
    old = first.sign(text_of(first.origin))
    put(folder, "checkpoint-0002.key", new_key(first.origin))
    signer = load_checkpoint_signer(folder)
    new = signer.sign(text_of(signer.origin))
    assert signers(parse_note(new), signer.keys, is_signature) == signer.keys[::-1]
    assert parse_note(new).signatures[0].key_id == signer.keys[1].id
    for note, known in ((old, signer.keys), (new, signer.keys), (new, first.keys), (new, signer.keys[1:])):
        assert opened(note, known, is_signature).size == 3
    (folder / "checkpoint-0001.key").unlink()
    put(folder, "checkpoint-0001.pub", first.keys[0].text() + "\n")
    alone = load_checkpoint_signer(folder)
    assert alone.keys == signer.keys
    last = alone.sign(text_of(alone.origin))
    assert signers(parse_note(last), alone.keys, is_signature) == signer.keys[1:]
    assert opened(old, alone.keys, is_signature).size == 3
    with pytest.raises(Malformed):
        opened(last, first.keys, is_signature)


def test_keys_of_two_records_are_not_mixed(tmp_path: Path):
    load_checkpoint_signer(tmp_path / "keys")
    put(tmp_path / "keys", "checkpoint-0002.key", new_key("another/record"))
    with pytest.raises(KeyringError, match="different names"):
        load_checkpoint_signer(tmp_path / "keys")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "PRIVATE+KEY+x\n",
        PETER.replace("PRIVATE", "PUBLIC"),
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("+AYEK", "+AoEK"),
        PETER.replace("XHKDFz", "XHKA=="),
        PETER.replace("PeterNeumann", "Peter Neumann"),
        b"\xff\xfe",
    ],
)
def test_a_damaged_key_stops_the_start(tmp_path: Path, content: str | bytes):
    put(tmp_path / "keys", "checkpoint-0001.key", content)
    with pytest.raises(KeyringError, match="holds no checkpoint key"):
        load_checkpoint_signer(tmp_path / "keys")


def test_a_key_that_others_may_read_is_refused(tmp_path: Path):
    """Threat 29."""
    put(tmp_path / "keys", "checkpoint-0001.key", PETER).chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        load_checkpoint_signer(tmp_path / "keys")


def test_what_is_no_signature_is_told_and_never_raises():
    assert not is_signature(b"short", b"x", b"m")
    assert not is_signature(b"k" * 32, b"x", b"m")
