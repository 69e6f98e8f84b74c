"""Random bytes of the operating system, fetched in larger pieces: each call into it costs more than the bytes."""

from __future__ import annotations

import os
import threading

AT_ONCE = 4_096
"""Bytes fetched in one call."""


class _Kept:
    """Bytes fetched and not given out yet. Each is given out once, also where threads ask at the same time; a process
    that was forked off begins with none, or two would give out the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._at = 0
        os.register_at_fork(after_in_child=self._forget)

    def take(self, count: int) -> bytes:
        with self._lock:
            end = self._at + count
            if end > len(self._bytes):
                if count > AT_ONCE:
                    return os.urandom(count)
                self._bytes, self._at, end = os.urandom(AT_ONCE), 0, count
            taken = self._bytes[self._at : end]
            self._at = end
            return taken

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._bytes, self._at = b"", 0


random_bytes = _Kept().take
"""`random_bytes(16)`: 16 bytes of `os.urandom`, fit for keys and nonces; from any thread."""
