"""Knows how fast each Slack method may be called and when it may be called again; leaves calling to web.py."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

LONGEST_AWAY_SEC = 20.0
"""Nobody is sent away for longer because of a line of others: some of them may turn out to need no turn."""
MOST_BUCKETS = 2_000
"""Buckets kept; the least recently used one is forgotten, which at worst allows one burst more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """`per_sec` calls a second in the long run, after at most `burst` at once."""

    per_sec: float
    burst: float
    per_channel: bool = False


PACES = {
    "chat.postMessage": Pace(per_sec=1.0, burst=3.0, per_channel=True),
    "chat.update": Pace(per_sec=0.9, burst=15.0),
    "chat.getPermalink": Pace(per_sec=5.0, burst=20.0),
    "conversations.history": Pace(per_sec=0.8, burst=10.0),
    "conversations.replies": Pace(per_sec=0.8, burst=10.0),
    "conversations.open": Pace(per_sec=0.8, burst=15.0),
    "conversations.members": Pace(per_sec=1.6, burst=20.0),
    "conversations.list": Pace(per_sec=0.3, burst=10.0),
    "users.lookupByEmail": Pace(per_sec=0.8, burst=20.0),
    "conversations.join": Pace(per_sec=0.8, burst=10.0),
}
"""Deliveries keep to these; answers to a waiting person are not held back (Slack's own limit still is)."""


class Pacer:
    """Token buckets on a monotonic clock. `reserve` takes a turn, or takes nothing and says how long to stay away."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._closed_until: dict[str, float] = {}
        self._sent_away: OrderedDict[tuple[str, str], float] = OrderedDict()

    def reserve(self, method: str, channel: str = "", *, most_wait: float) -> tuple[bool, float]:
        """(True, seconds to wait before calling): the turn is taken. (False, seconds): it is not, come back then."""
        now = self._monotonic()
        tokens, wait = self._wait(method, channel, now)
        if wait > most_wait:
            return False, wait
        if method in PACES:
            _keep(self._buckets, _key(method, channel), (tokens - 1.0, now))
        return True, wait

    def wait(self, method: str, channel: str = "") -> float:
        """Seconds until the next turn, which is not taken."""
        return self._wait(method, channel, self._monotonic())[1]

    def away(self, method: str, channel: str = "") -> float:
        """How long to stay away for somebody whose turn is too far off to wait for. Each is told a turn more than
        whoever was sent away before, so that those who wait do not all come back together."""
        now = self._monotonic()
        pace = PACES.get(method)
        wait = self._wait(method, channel, now)[1]
        if pace is None or wait >= LONGEST_AWAY_SEC:
            return wait
        key = _key(method, channel)
        after = self._sent_away.get(key, 0.0) + 1.0 / pace.per_sec
        at = min(max(now + wait, after), now + LONGEST_AWAY_SEC)
        _keep(self._sent_away, key, at)
        return at - now

    def _wait(self, method: str, channel: str, now: float) -> tuple[float, float]:
        """The tokens there are, and the seconds until there is a turn."""
        closed = max(0.0, self._closed_until.get(method, 0.0) - now)
        pace = PACES.get(method)
        if pace is None:
            return 0.0, closed
        tokens, seen = self._buckets.get(_key(method, channel), (pace.burst, now))
        tokens = min(pace.burst, tokens + (now - seen) * pace.per_sec)
        return tokens, max(closed, 0.0 if tokens >= 1.0 else (1.0 - tokens) / pace.per_sec)

    def close(self, method: str, seconds: float) -> None:
        """Slack said 429: nobody calls this method for so long; other methods go on."""
        until = self._monotonic() + seconds
        self._closed_until[method] = max(until, self._closed_until.get(method, 0.0))

    def closed_for(self, method: str) -> float:
        """Seconds until this method may be called again, 0 where it may now."""
        return max(0.0, self._closed_until.get(method, 0.0) - self._monotonic())


def _key(method: str, channel: str) -> tuple[str, str]:
    return method, channel if PACES[method].per_channel else ""


def _keep(kept: OrderedDict[tuple[str, str], T], key: tuple[str, str], value: T) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST_BUCKETS:
        kept.popitem(last=False)
