"""The folder of secret keys: made on the first start, read by its owner alone; it signs nothing."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path


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
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike rename, link never replaces the key another process has just stored
        except FileExistsError:
            return
        _flush_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
