"""What an outside channel answers when a message is handed to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gate.usecases.ports.messages import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """The message arrived, or is needed no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryLater:
    """It did not arrive. `after_sec` None lets the worker back off; `counts` False (a rate limit, an outage of the
    whole channel) leaves the attempts as they are, so that an outage never makes dead letters."""

    error: str
    after_sec: float | None = None
    counts: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Undeliverable:
    """It can never arrive; make it a dead letter."""

    error: str


Delivery = Delivered | RetryLater | Undeliverable


class DeliveryChannel(Protocol):
    """One outside channel. `deliver` raises for the unexpected only; the worker takes that for RetryLater."""

    async def deliver(self, message: Message) -> Delivery: ...
