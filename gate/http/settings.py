"""What the HTTP side is told by wiring: bounds, and where keys, readiness and metrics come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prometheus_client import CollectorRegistry

from gate.domain.action import Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing a decision depends on. `down`: no decision can be made; `degraded`: it can, but somebody must
    look (a policy file that failed to load leaves the last good set in force)."""

    name: str
    state: Literal["ok", "degraded", "down"]
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpSettings:
    """Times are in seconds.

    `jwks` gives the public keys as a JWK set; `seal` the key id and HMAC of an audit record's bytes. `readiness` is
    asked by `/readyz`; without one, the store alone is checked. `wait_limit` bounds how many requests may wait for a
    decision at once: past it a wait is not honoured (the answer comes at once), and an event stream is refused.
    `checkpoint_wait` is how long whoever asks for no wait is kept for a grant that only a checkpoint is missing from.
    """

    jwks: Callable[[], Mapping[str, Json]]
    seal: Callable[[bytes], tuple[str, str]] | None = None
    readiness: Callable[[], Awaitable[Sequence[Check]]] | None = None
    registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=True))
    version: str = "0.1.0"
    max_body_bytes: int = 262_144
    body_timeout: float = 30.0
    heartbeat: float = 15.0
    wait_limit: int = 5_000
    checkpoint_wait: float = 2.0
    disconnect_poll: float = 0.5
