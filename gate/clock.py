"""The clock of the process: anchored once, advanced by elapsed time, unmoved by steps of the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_DRIFT_SEC = 1.0
_DRIFT_PER_SEC = 0.001
"""What a disciplined clock may differ: a second, and twice the largest rate at which NTP slews (500 ppm)."""


_COUNTER: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Seconds since some fixed moment, counting the time the machine slept."""
    return time.clock_gettime(_COUNTER)


def wall() -> datetime:
    """What the machine says the time is."""
    return datetime.now(UTC)


class SteadyClock:
    """Implements `ports.Clock`: never goes back, and follows the wall clock's drift but not its steps.

    A machine whose clock is set an hour ahead would otherwise fire every deadline of that hour early (INV-31).
    `stepped_sec` says how far the wall clock stands from this one after a step; readiness tells the operator, and a
    restart accepts the machine's time. `anchor` takes readings of a better clock, such as the database's.
    """

    def __init__(self, wall: Callable[[], datetime] = wall, elapsed: Callable[[], float] = elapsed) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._base = wall()
        self._base_at = elapsed()
        self._last = self._base
        self._follows_wall = True
        self.stepped_sec = 0.0

    def now(self) -> datetime:
        """Aware, in UTC, never earlier than any answer before."""
        at = self._elapsed()
        since = at - self._base_at
        steady = self._follow(since, at) if self._follows_wall else self._base + timedelta(seconds=since)
        if steady > self._last:
            self._last = steady
        return self._last

    def anchor(self, reading: datetime) -> None:
        """From now on time is what this reading said, plus what has elapsed since; the wall clock counts no more.

        A reading that was taken a moment ago makes the clock late by that moment, never early. The first one may
        set the clock back, for it comes before anything is decided; later ones only hold it.
        """
        self._base, self._base_at = reading.astimezone(UTC), self._elapsed()
        if self._follows_wall:
            self._last = self._base
        self._follows_wall = False
        self.stepped_sec = 0.0

    def _follow(self, since: float, at: float) -> datetime:
        """The wall clock's time, unless it was set since the last look, `since` seconds ago."""
        wall = self._wall()
        ahead = (wall - self._base).total_seconds() - since
        if abs(ahead) > _DRIFT_SEC + _DRIFT_PER_SEC * since:
            self.stepped_sec = ahead
            return self._base + timedelta(seconds=since)
        self.stepped_sec = 0.0
        self._base, self._base_at = wall, at
        return wall
