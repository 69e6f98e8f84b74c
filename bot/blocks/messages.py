"""Knows the shapes in which messages are handed to whoever posts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class CardMessage:
    """A card: what `chat.postMessage` and `chat.update` are given, with `parts.POST_OPTIONS` when posting."""

    text: str
    blocks: list[Json]
    metadata: Json


class Line(NamedTuple):
    """Any other message. `text` is a whole sentence: notifications and screen readers get nothing else."""

    text: str
    blocks: list[Json]
