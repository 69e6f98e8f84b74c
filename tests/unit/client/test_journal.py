"""What an executor began is known after any kind of end (INV-22)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.client.journal import Journal, JournalInUse


def test_what_was_begun_is_unknown_until_more_is_known(tmp_path: Path):
    path = tmp_path / "var" / "executor.journal"
    journal = Journal(path)
    for action in ("act_1", "act_2", "act_3"):
        journal.begin(action)
    journal.end("act_2", "succeeded")
    journal.forget("act_3")
    journal.close()
    again = Journal(path)
    assert again.left() == {"act_1": "unknown", "act_2": "succeeded"}
    again.forget("act_1")
    again.forget("act_2")
    assert path.read_bytes() == b"", "a journal that holds nothing starts over"
    again.begin("act_4")
    again.close()
    assert path.read_text() == "unknown act_4\n"
    assert path.stat().st_mode & 0o077 == 0


def test_each_begin_has_its_own_forget(tmp_path: Path):
    """A replay that is refused does not take away the note about the execution that goes on."""
    journal = Journal(tmp_path / "j")
    journal.begin("act_1")
    journal.begin("act_1")
    journal.forget("act_1")
    assert journal.left() == {"act_1": "unknown"}
    journal.forget("act_1")
    assert journal.left() == {}
    journal.close()


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (b"unknown act_1\nunknown act_2\nsucc", {"act_1": "unknown", "act_2": "unknown"}),
        (b"unknown act_1\ndone ac", {"act_1": "unknown"}),
        (b"unk", {}),
        (b"unknown act_1\n\xff\xff\nunknown act_2\n", {"act_1": "unknown", "act_2": "unknown"}),
        (b"", {}),
    ],
    ids=["torn result", "torn end", "torn beginning", "damaged line", "empty"],
)
def test_a_line_that_was_torn_by_the_crash_loses_nothing_begun(
    tmp_path: Path, written: bytes, left: dict[str, str]
):
    path = tmp_path / "j"
    path.write_bytes(written)
    journal = Journal(path)
    assert journal.left() == left
    journal.begin("act_9")
    journal.close()
    again = Journal(path)
    assert again.left() == left | {"act_9": "unknown"}
    again.close()


def test_two_processes_do_not_share_one(tmp_path: Path):
    journal = Journal(tmp_path / "j")
    with pytest.raises(JournalInUse):
        Journal(tmp_path / "j")
    journal.close()
    Journal(tmp_path / "j").close()


def test_an_id_cannot_write_a_second_line(tmp_path: Path):
    journal = Journal(tmp_path / "j")
    with pytest.raises(ValueError, match="one ASCII word"):
        journal.begin("act_1\ndone act_2")
    journal.close()
