"""What an executor has begun and not yet reported, on disk: after a crash it says `unknown` of each (INV-22).

A line is written before a grant is redeemed, so there is no moment at which a redeemed grant is known to nobody.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

from gate.contract.fields import OutcomeResult

_RESULTS = frozenset({"succeeded", "failed", "unknown"})


class JournalInUse(RuntimeError):
    """Another process holds the journal; give each executor process its own."""


class Journal:
    """A file of one process. Holds action ids and results, never a payload or a token."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file: IO[bytes] = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise JournalInUse(f"{path} belongs to a running executor.") from None
        self._open = _read(self._file)
        self._holders = dict.fromkeys(self._open, 1)

    def left(self) -> Mapping[str, OutcomeResult]:
        """By action id: what is to be reported of it. `unknown` where it was begun and nothing more is known."""
        with self._lock:
            return dict(self._open)

    def begin(self, action_id: str) -> None:
        """Note durably that the action may be executed from here on. Each `begin` has its own `forget`: a replay of
        a grant that is refused does not take away the note about the execution that goes on."""
        with self._lock:
            if action_id not in self._open:
                self._write(action_id, "unknown")
            self._holders[action_id] = self._holders.get(action_id, 0) + 1

    def end(self, action_id: str, result: OutcomeResult) -> None:
        """Note durably what came of it, before the gate is told."""
        with self._lock:
            self._write(action_id, result)

    def forget(self, action_id: str) -> None:
        """The gate knows, or nothing was redeemed. An empty journal starts over, so that it does not grow."""
        with self._lock:
            self._holders[action_id] = self._holders.get(action_id, 1) - 1
            if self._holders[action_id] > 0:
                return
            del self._holders[action_id]
            self._open.pop(action_id, None)
            if self._open:
                self._append(f"done {action_id}\n")
            else:
                self._file.truncate(0)

    def close(self) -> None:
        self._file.close()

    def _write(self, action_id: str, result: OutcomeResult) -> None:
        if not action_id.isascii() or any(mark.isspace() for mark in action_id):
            raise ValueError("An action id is one ASCII word")
        self._open[action_id] = result
        self._append(f"{result} {action_id}\n")

    def _append(self, line: str) -> None:
        self._file.write(line.encode())
        self._file.flush()
        os.fsync(self._file.fileno())


def _read(file: IO[bytes]) -> dict[str, OutcomeResult]:
    """A torn last line names an action that was not redeemed yet, or repeats one that is still open."""
    file.seek(0)
    found: dict[str, OutcomeResult] = {}
    whole, _, torn = file.read().rpartition(b"\n")
    for line in whole.decode("ascii", "replace").splitlines():
        word, _, action_id = line.partition(" ")
        if word in _RESULTS:
            found[action_id] = cast("OutcomeResult", word)
        elif word == "done":
            found.pop(action_id, None)
    if torn:
        file.truncate(len(whole) + 1 if whole else 0)
    return found
