"""Knows what can become of one delivery to the app; leaves how it travels to sockets.py and requests.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bot.sandbox.records import Json

ACK_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Acknowledged with an answer (often empty), or not, and why."""

    received: bool
    payload: Json = field(default_factory=dict)
    reason: Literal["", "timeout", "no_connection", "disconnected", "http_error"] = ""
