"""Knows how to keep the workspace's records in one SQLite file so that a killed process loses nothing;
leaves what the records mean to the state."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """A key-value file of JSON records by kind; without a path it forgets everything.

    Each write is its own commit. `synchronous=OFF` leaves flushing to the operating system: the file
    survives SIGKILL of this process, which is what a stand-in has to survive, and a write stays cheap.
    """

    def __init__(self, path: Path | None) -> None:
        self._db: sqlite3.Connection | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS record (kind TEXT, key TEXT, doc TEXT NOT NULL, "
                "PRIMARY KEY (kind, key)) WITHOUT ROWID"
            )

    def put(self, kind: str, key: str, doc: Any) -> None:
        """Keep `doc` under (kind, key), replacing what was there."""
        if self._db is not None:
            self._db.execute(
                "INSERT OR REPLACE INTO record VALUES (?, ?, ?)",
                (kind, key, json.dumps(doc, ensure_ascii=True)),
            )

    def drop(self, kind: str, key: str) -> None:
        """Forget (kind, key); nothing happens where it was not kept."""
        if self._db is not None:
            self._db.execute("DELETE FROM record WHERE kind = ? AND key = ?", (kind, key))

    def all(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Every kept record of a kind, by key."""
        if self._db is None:
            return
        rows = self._db.execute("SELECT key, doc FROM record WHERE kind = ? ORDER BY key", (kind,)).fetchall()
        for key, doc in rows:
            yield key, json.loads(doc)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
