"""The outbox's answer for a channel this gate was not set up for: a visible dead letter, never a silent wait."""

from __future__ import annotations

from gate.usecases.ports import Delivery, Message, Undeliverable


class Nowhere:
    """Implements `ports.DeliveryChannel` where a setting is missing.

    Policies that use the channel are refused at load, so this meets only requests that were submitted before the
    setting was taken away; the end of a page that can no longer be sent is one of them.
    """

    def __init__(self, setting: str) -> None:
        self._setting = setting

    async def deliver(self, message: Message) -> Delivery:
        """Undeliverable, and why."""
        return Undeliverable(error=f"not_set_up: {self._setting} is not set")
