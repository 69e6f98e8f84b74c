"""Sealing keys: made on the first start, read by their owner alone, turned over, or kept by another program."""

from __future__ import annotations

import base64
import json
import stat
import sys
from pathlib import Path

import pytest

from gate.keyring.folder import KeyringError
from gate.keyring.sealing import load_sealing_keys

KEEPER = """\
import base64, sys
given = base64.b64decode(sys.stdin.buffer.read())
mask = sys.argv[2].encode() * 4
sys.stdout.buffer.write(base64.b64encode(bytes(a ^ b for a, b in zip(given, mask))))
"""


@pytest.fixture
def command(tmp_path: Path) -> str:
    """A program that keeps keys, if badly."""
    path = tmp_path / "keeper.py"
    path.write_text(KEEPER)
    return f"{sys.executable} {path}"


def test_the_first_start_makes_a_key_that_the_next_one_finds(tmp_path: Path):
    keys = load_sealing_keys(tmp_path / "keys")
    key_id, key = keys.current
    assert len(key) == 32
    assert keys.plain
    assert load_sealing_keys(tmp_path / "keys").find(key_id) == key
    assert stat.S_IMODE((tmp_path / "keys" / "sealing-0001.key").stat().st_mode) == 0o600


def test_a_key_that_others_may_read_is_refused(tmp_path: Path):
    """Threat 29."""
    load_sealing_keys(tmp_path / "keys")
    (tmp_path / "keys" / "sealing-0001.key").chmod(0o640)
    with pytest.raises(KeyringError, match=r"mode 640.*chmod 600"):
        load_sealing_keys(tmp_path / "keys")


def test_a_new_key_is_current_and_the_old_one_still_opens(tmp_path: Path):
    keys = load_sealing_keys(tmp_path / "keys")
    running = load_sealing_keys(tmp_path / "keys")
    old_id, old = keys.current
    new_id = keys.rotate()
    assert keys.current[0] == new_id != old_id
    assert keys.find(old_id) == old
    again = load_sealing_keys(tmp_path / "keys")
    assert again.ids == (old_id, new_id)
    running._looked = 0.0
    assert running.find(new_id) == again.current[1], "a running gate reads under a key made since its start"


def test_that_nothing_plain_is_read_is_kept_in_the_folder(tmp_path: Path):
    keys = load_sealing_keys(tmp_path / "keys")
    keys.refuse_plain()
    assert not keys.plain
    assert not load_sealing_keys(tmp_path / "keys").plain


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"id": "a.b", "by": "file", "key": ""}', '{"id": "ab", "by": "file", "key": "AAAA"}'],
)
def test_a_damaged_key_file_is_named(tmp_path: Path, content: str):
    load_sealing_keys(tmp_path / "keys")
    (tmp_path / "keys" / "sealing-0001.key").write_text(content)
    with pytest.raises(KeyringError, match=r"sealing-0001\.key holds no sealing key"):
        load_sealing_keys(tmp_path / "keys")


def test_a_program_can_keep_the_key(tmp_path: Path, command: str):
    """What lies in the file is what the program made of the key, and worth nothing without it."""
    key_id, key = load_sealing_keys(tmp_path / "keys", command).current
    text = (tmp_path / "keys" / "sealing-0001.key").read_text()
    assert load_sealing_keys(tmp_path / "keys", command).find(key_id) == key
    with pytest.raises(KeyringError, match=r"kept by a command; set GATE_KEY_COMMAND"):
        load_sealing_keys(tmp_path / "keys")
    assert base64.b64decode(json.loads(text)["key"]) != key


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("/nonexistent/keeper", "cannot be run: FileNotFoundError"),
        ("", "cannot be run"),
        (f"{sys.executable} -c raise(SystemExit(3))", "ended with 3"),
        (f"{sys.executable} -c print(1234567)", "did not answer in base64"),
    ],
)
def test_a_program_that_fails_stops_the_start(tmp_path: Path, broken: str, why: str):
    with pytest.raises(KeyringError, match=why):
        load_sealing_keys(tmp_path / "keys", broken)
    assert not list((tmp_path / "keys").glob("sealing-*"))


def test_keys_from_before_there_was_a_program_are_read_beside_its_own(tmp_path: Path, command: str):
    old_id, old = load_sealing_keys(tmp_path / "keys").current
    both = load_sealing_keys(tmp_path / "keys", command)
    new_id = both.rotate()
    assert both.find(old_id) == old
    assert both.current[0] == new_id
    assert '"by": "command"' in (tmp_path / "keys" / "sealing-0002.key").read_text()
