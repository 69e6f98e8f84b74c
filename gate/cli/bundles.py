"""Audit bundles as files: written whole or not at all, private, on disk before anything rests on them; read again."""

from __future__ import annotations

import gzip
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path


async def write_bundle(file: Path, lines: AsyncIterator[str], *, anew: bool = False) -> int:
    """How many records were written. With `anew` an existing file is never replaced: FileExistsError."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    packed = file.suffix == ".gz"
    count = 0
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as raw:
            with gzip.GzipFile(fileobj=raw, mode="wb") if packed else os.fdopen(os.dup(handle), "wb") as out:
                async for line in lines:
                    out.write(line.encode())
                    count += line.startswith('{"leaf"')
            raw.flush()
            os.fsync(raw.fileno())
        if anew:
            os.link(draft, file)
        else:
            os.replace(draft, file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink(missing_ok=True)
    return count


@contextmanager
def opened_text(path: Path) -> Iterator[Iterator[str]]:
    """The lines of a bundle."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="\n") as text:
        yield iter(text)


def lines_of(path: Path) -> Iterator[str]:
    """The same, opened when the first is asked for."""
    with opened_text(path) as text:
        yield from text


def file_sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def discard(path: Path) -> None:
    path.unlink()
