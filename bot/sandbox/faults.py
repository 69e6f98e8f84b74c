"""Knows which troubles are switched on and which of them the next call or delivery meets; leaves
acting them out to the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bot.sandbox.records import Json

DownMode = Literal["refused", "503"]


@dataclass
class _Counted:
    """A trouble for the next `left` calls of a method (`*` for any)."""

    method: str
    left: int
    retry_after: int = 0
    code: str = ""


class Faults:
    """The troubles on demand. Counted ones wear off; the others stay until `clear`."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.down_mode: DownMode | None = None
        self.slow_seconds = 0.0
        self._limited: list[_Counted] = []
        self._dropped: list[_Counted] = []
        self._errors: list[_Counted] = []
        self._duplicates = 0

    def down(self, mode: DownMode = "refused") -> None:
        """Nothing gets through: connections are cut before a byte is read (`refused`) or met with 503."""
        if mode not in ("refused", "503"):
            raise ValueError("mode is 'refused' or '503'")
        self.down_mode = mode
        self._changed()

    def slow(self, seconds: float) -> None:
        """Every Web API answer and every delivery takes this much longer."""
        self.slow_seconds = max(0.0, float(seconds))
        self._changed()

    def ratelimit(self, method: str = "*", retry_after: int = 1, count: int = 1) -> None:
        """The next `count` calls of `method` get 429 with this Retry-After."""
        self._limited.append(_Counted(method, count, retry_after=retry_after))
        self._changed()

    def drop_after_receipt(self, method: str = "*", count: int = 1) -> None:
        """The next `count` calls of `method` take effect, but the connection is cut without an answer."""
        self._dropped.append(_Counted(method, count))
        self._changed()

    def error(self, method: str, code: str, count: int = 1) -> None:
        """The next `count` calls of `method` are refused with `code` and change nothing."""
        self._errors.append(_Counted(method, count, code=code))
        self._changed()

    def duplicate_delivery(self, count: int = 1) -> None:
        """The next `count` envelopes or requests to the app are delivered twice."""
        self._duplicates += count
        self._changed()

    def clear(self) -> None:
        """Back to good weather."""
        self.down_mode = None
        self.slow_seconds = 0.0
        self._limited.clear()
        self._dropped.clear()
        self._errors.clear()
        self._duplicates = 0
        self._changed()

    def _take(self, among: list[_Counted], method: str) -> _Counted | None:
        for counted in among:
            if counted.method in ("*", method):
                counted.left -= 1
                if counted.left <= 0:
                    among.remove(counted)
                self._changed()
                return counted
        return None

    def take_ratelimit(self, method: str) -> int | None:
        counted = self._take(self._limited, method)
        return counted.retry_after if counted else None

    def take_drop(self, method: str) -> bool:
        return self._take(self._dropped, method) is not None

    def take_error(self, method: str) -> str | None:
        counted = self._take(self._errors, method)
        return counted.code if counted else None

    def take_duplicate(self) -> bool:
        if self._duplicates <= 0:
            return False
        self._duplicates -= 1
        self._changed()
        return True

    def doc(self) -> Json:
        """What is switched on, as the page and the control interface show it."""
        return {
            "down": self.down_mode,
            "slow": self.slow_seconds,
            "ratelimit": [
                {"method": one.method, "retry_after": one.retry_after, "count": one.left}
                for one in self._limited
            ],
            "drop_after_receipt": [{"method": one.method, "count": one.left} for one in self._dropped],
            "error": [{"method": one.method, "code": one.code, "count": one.left} for one in self._errors],
            "duplicate_delivery": self._duplicates,
        }
