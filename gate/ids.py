"""Makes ids that sort by time and never repeat; what they name is their prefix's business."""

from __future__ import annotations

from datetime import UTC, datetime

from gate.entropy import random_bytes
from gate.usecases.ports import Clock

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TAIL_BITS = 74
_HALF = (1 << (_TAIL_BITS - 1)) - 1


class TimeSortedIds:
    """Implements `ports.Ids`: a UUIDv7 (RFC 9562) in lower-case Crockford base32, 26 letters after the prefix.

    Within a process ids grow strictly, also when many are made in one millisecond or the clock goes back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._millis = 0
        self._tail = 0

    def new(self, prefix: str) -> str:
        """`{prefix}_` and the id."""
        millis = int(self._clock.now().timestamp() * 1000)
        if millis > self._millis:
            self._millis, self._tail = millis, _first_tail()
        else:
            self._tail += 1 + int.from_bytes(random_bytes(4))
            if self._tail >> _TAIL_BITS:
                self._millis, self._tail = self._millis + 1, _first_tail()
        return f"{prefix}_{_base32(_uuid7(self._millis, self._tail))}"


def _first_tail() -> int:
    """Half the room is for growing."""
    return int.from_bytes(random_bytes(10)) & _HALF


def _uuid7(millis: int, tail: int) -> int:
    """48 bits of time, version 7, 12 bits, variant 10, 62 bits."""
    return (millis << 80) | (7 << 76) | ((tail >> 62) << 64) | (0b10 << 62) | (tail & ((1 << 62) - 1))


def _base32(number: int) -> str:
    high, low = number >> 60, number & ((1 << 60) - 1)
    return (
        _PAIRS[high >> 60]
        + _PAIRS[(high >> 50) & 1023]
        + _PAIRS[(high >> 40) & 1023]
        + _PAIRS[(high >> 30) & 1023]
        + _PAIRS[(high >> 20) & 1023]
        + _PAIRS[(high >> 10) & 1023]
        + _PAIRS[high & 1023]
        + _PAIRS[low >> 50]
        + _PAIRS[(low >> 40) & 1023]
        + _PAIRS[(low >> 30) & 1023]
        + _PAIRS[(low >> 20) & 1023]
        + _PAIRS[(low >> 10) & 1023]
        + _PAIRS[low & 1023]
    )


def made_at(text: str) -> datetime | None:
    """When an id was made, as it says itself; None where it is none of these."""
    _, _, letters = text.rpartition("_")
    if len(letters) != 26 or any(letter not in _ALPHABET for letter in letters):
        return None
    number = 0
    for letter in letters:
        number = number << 5 | _ALPHABET.index(letter)
    if (number >> 76) & 15 != 7 or number >> 128:
        return None
    return datetime.fromtimestamp((number >> 80) / 1000, UTC)


_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
