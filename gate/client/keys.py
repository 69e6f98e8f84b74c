"""The gate's public keys as an executor keeps them: for a bounded time, and fetched again for a key not seen yet."""

from __future__ import annotations

from gate.client.grants import Keys

MAX_AGE = 300.0
"""Seconds that fetched keys are used; as long as the gate says they may be kept."""
_STRANGERS = 10.0
"""Seconds between fetches for unknown keys, so that made-up tokens do not become a flood of requests."""


class KeyCache:
    """Keys and when they were fetched. `now` is any clock that only goes forward, in seconds."""

    def __init__(self, *, max_age: float = MAX_AGE) -> None:
        if not 0 < max_age <= 86_400:
            raise ValueError("Keys are kept for more than nothing and at most a day")
        self._max_age = max_age
        self._keys: Keys = {}
        self._fetched: float | None = None

    def wanting(self, kid: str, now: float) -> bool:
        """Whether the keys have to be fetched before a token of this key is judged."""
        if self._fetched is None or now - self._fetched >= self._max_age:
            return True
        return kid not in self._keys and now - self._fetched >= _STRANGERS

    def take(self, keys: Keys, now: float) -> None:
        """Keep what was fetched; keys that are no longer published are gone with it."""
        self._keys = keys
        self._fetched = now

    def current(self, now: float) -> Keys:
        """The keys, or none where they have become too old to be trusted."""
        if self._fetched is None or now - self._fetched >= self._max_age:
            return {}
        return self._keys
