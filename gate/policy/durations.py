"""Lengths of time as people write them, `1h30m`, to seconds and back; when they start is others' business."""

from __future__ import annotations

import re

_FORM = re.compile(r"(?:(\d{1,6})w)?(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
_UNITS = (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
LONGEST_SEC = 366 * 86_400


def parse_duration(text: object) -> int:
    """Seconds of `5s`, `30m`, `1h30m`, `2d`, `1w`. Raises `ValueError` for zero, another form or over a year."""
    if not isinstance(text, str) or not text:
        raise ValueError(f"write a length of time as in 30m or 1h30m, not {text!r}")
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a length of time; write 5s, 30m, 1h30m or 2d")
    seconds = sum(
        int(count) * unit
        for count, (_, unit) in zip(found.groups(), _UNITS, strict=True)
        if count is not None
    )
    if seconds <= 0:
        raise ValueError("a length of time must be more than zero")
    if seconds > LONGEST_SEC:
        raise ValueError(f"'{text}' is more than a year")
    return seconds


def say_duration(seconds: int) -> str:
    """`5400` as `1h30m`; `0` as `0s`."""
    parts: list[str] = []
    rest = seconds
    for letter, unit in _UNITS[1:]:
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{letter}")
    return "".join(parts) or "0s"
