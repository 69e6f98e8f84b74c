"""The folder of secret keys: made on the first start, read by its owner alone; it signs nothing."""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gate.whole_file import whole_file


class KeyringError(Exception):
    """The keys cannot be used; the message is one sentence that says what to do."""


def open_folder(folder: Path) -> Path:
    """The folder, made with mode 0700 where there is none.

    Raises KeyringError where others than its owner may read it, or where it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyringError(f"The keys folder {folder} cannot be made: {error.strerror}.") from None
    _refuse_if_open(folder, "700")
    return folder


def read_secret(path: Path) -> bytes:
    """The bytes of a secret file. Raises KeyringError where its group or the world may read it, or nobody can."""
    _refuse_if_open(path, "600")
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyringError(f"The key file {path} cannot be read: {error.strerror}.") from None


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """The secret in `path`, made and stored first where there is none.

    The file appears whole or not at all, with mode 0600; of two processes that start together both get
    the secret that was stored first.
    """
    if not path.exists():
        try:
            _store(path, make())
        except OSError as error:
            raise KeyringError(f"The key file {path} cannot be written: {error.strerror}.") from None
    return read_secret(path)


def _store(path: Path, content: bytes) -> None:
    with suppress(FileExistsError), whole_file(path, replace=False) as file:
        file.write(content)


def _refuse_if_open(path: Path, wanted: str) -> None:
    try:
        found = path.stat()
    except OSError as error:
        raise KeyringError(f"{path} cannot be read: {error.strerror}.") from None
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise KeyringError(
            f"{path} may be read by others than its owner (mode {stat.S_IMODE(found.st_mode):o}); "
            f"run: chmod {wanted} {path}"
        )
