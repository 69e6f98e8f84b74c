"""Knows how many calls of each method Slack takes, and how long a caller must wait; leaves answering
429 to webapi.py."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from bot.sandbox.clock import Clock


class Tier(Enum):
    """Calls per minute and how many may come at once; Slack promises the first, tolerates the second."""

    ONE = (1.0, 60.0)  # Slack tolerates reconnecting clients well past its stated 1+ per minute
    TWO = (20.0, 20.0)
    THREE = (50.0, 50.0)
    FOUR = (100.0, 100.0)
    POSTING = (60.0, 5.0)  # about one a second in each channel, short bursts pass
    SPECIAL = (600.0, 600.0)


@dataclass(frozen=True, kw_only=True)
class RateLimits:
    """Which limits apply: `scale` multiplies every allowance; `enabled=False` lets everything through."""

    enabled: bool = True
    scale: float = 1.0


@dataclass
class _Bucket:
    tokens: float
    at: float


@dataclass
class Meter:
    """Counts calls by method, and by channel where Slack counts by channel."""

    clock: Clock
    limits: RateLimits
    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)

    def seconds_to_wait(self, method: str, tier: Tier, channel: str = "") -> int:
        """0 where the call may pass (it is then counted), otherwise whole seconds for Retry-After."""
        if not self.limits.enabled:
            return 0
        per_minute, burst = tier.value
        rate = per_minute * self.limits.scale / 60.0
        capacity = max(1.0, burst * self.limits.scale)
        now = self.clock.time()
        bucket = self._buckets.setdefault((method, channel), _Bucket(capacity, now))
        bucket.tokens = min(capacity, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0
        return max(1, math.ceil((1.0 - bucket.tokens) / rate))
