"""A file is there whole or not at all, and its name comes after its content."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from gate.whole_file import whole_file


def test_what_was_written_is_there_and_private(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    with whole_file(path) as file:
        file.write(b"all ")
        file.write(b"of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("replace", [True, False])
def test_an_error_on_the_way_leaves_everything_as_it_was(tmp_path: Path, replace: bool) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(b"before")
    with pytest.raises(TypeError), whole_file(path, replace=replace) as file:
        file.write(b"half" + os.fsencode(1))  # type: ignore[arg-type]
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_one_that_is_there_is_replaced_only_where_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(b"before")
    with pytest.raises(FileExistsError), whole_file(path, replace=False) as file:
        file.write(b"other")
    assert path.read_bytes() == b"before"
    with whole_file(path, mode=0o640) as file:
        file.write(b"after")
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "none" / "bundle"):
        raise AssertionError("nothing can be written there")


@pytest.mark.parametrize(("replace", "naming"), [(True, "replace"), (False, "link")])
def test_the_content_is_on_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool, naming: str
) -> None:
    calls: list[str] = []

    def watch(name: str) -> None:
        real = getattr(os, name)

        def watched(what: Any, *more: Any) -> Any:
            kind = "folder" if name == "fsync" and stat.S_ISDIR(os.fstat(what).st_mode) else ""
            calls.append(kind or name)
            return real(what, *more)

        monkeypatch.setattr(os, name, watched)

    for name in ("fsync", "replace", "link"):
        watch(name)
    with whole_file(tmp_path / "bundle", replace=replace) as file:
        file.write(b"content")
    assert calls == ["fsync", naming, "folder"]
