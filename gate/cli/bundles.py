"""Audit bundles as files: written whole or not at all, private, on disk before anything rests on them; read again."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from gate.whole_file import whole_file


async def write_bundle(file: Path, lines: AsyncIterator[str], *, anew: bool = False) -> int:
    """How many records were written. With `anew` an existing file is never replaced: FileExistsError."""
    count = 0
    with (
        whole_file(file, replace=not anew) as raw,
        gzip.GzipFile(fileobj=raw, mode="wb") if file.suffix == ".gz" else nullcontext(raw) as out,
    ):
        async for line in lines:
            out.write(line.encode())
            count += line.startswith('{"leaf"')
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
