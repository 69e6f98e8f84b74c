"""The webhook side of the outbox: what became of an action, signed, told to the address its agent named alone."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver
from standardwebhooks import Webhook
from yarl import URL

from gate.delivery.guarded import GuardedSockets, post
from gate.domain.audit import timestamp
from gate.domain.callbacks import callback_problem, callback_target
from gate.domain.request import ActionRecord
from gate.usecases.document import to_document
from gate.usecases.ports import Clock, Delivered, Delivery, Message, RetryLater, Store, Undeliverable

GIVE_UP_SEC = 3 * 24 * 3600
"""Retries go on for three days; then the message is a dead letter."""
_LONGEST_WISH_SEC = 3_600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CallbackRules:
    """Which hosts callbacks may go to, and which networks off the public internet they may reach."""

    hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


class WebhookChannel:
    """Implements `ports.DeliveryChannel` for the channel `webhook`.

    A delivery is one POST: Standard Webhooks headers (`webhook-id` is the message's id and so the same over all
    retries, `webhook-timestamp` is now, INV-39) and a CloudEvents 1.0 JSON body with the action document without
    its grant. 2xx is delivered; 410 ends it; everything else is tried again. Redirects are not followed,
    proxies and cookies not used, and the answer's body is not read.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        secrets: Sequence[str],
        rules: CallbackRules,
        public_url: str = "",
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._signatures = [Webhook(secret) for secret in secrets]
        self._hosts: Sequence[str] = rules.hosts
        self._networks = tuple(ipaddress.ip_network(network) for network in rules.networks)
        self._public_url = public_url.rstrip("/")
        self._resolver = resolver
        self._tls = tls or ssl.create_default_context()

    async def deliver(self, message: Message) -> Delivery:
        """One attempt."""
        async with self._store.reading() as tx:
            record = await tx.actions.get(message.action_id)
        if record is None or record.proposal.callback_url is None:
            return Delivered()
        url = record.proposal.callback_url
        target = callback_target(url)
        if target is None or callback_problem(url, self._hosts) is not None or not _read_alike(url, target):
            return Undeliverable(error="callback_not_allowed")
        body = orjson.dumps(self._event(message, record))
        sockets = GuardedSockets(target[0], allowed=self._hosts, networks=self._networks)
        try:
            return await self._post(url, body, self._headers(message, body), sockets)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if sockets.refused:
                return RetryLater(error="address_refused")
            return RetryLater(error=f"connection_failed: {type(error).__name__}")

    async def _post(
        self, url: str, body: bytes, headers: dict[str, str], sockets: GuardedSockets
    ) -> Delivery:
        answer = await post(url, body, headers, sockets, tls=self._tls, resolver=self._resolver)
        return _judge(answer.status, answer.retry_after)

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        now = self._clock.now()
        return {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "User-Agent": "signoff-webhooks/1",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signed_with(self._signatures, message.id, now, body),
        }

    def _event(self, message: Message, record: ActionRecord) -> dict[str, Any]:
        """The CloudEvent. Its time is the transition's; the document is the action as it stands now.

        A terminal state is `io.signoff.action.STATUS.v1`; what happens on the way is `io.signoff.approval.….v1`.
        """
        event = str(message.body.get("status") or message.body.get("event"))
        return {
            "specversion": "1.0",
            "id": message.id,
            "source": self._public_url or "urn:signoff",
            "type": f"io.signoff.{event if event.startswith('approval.') else f'action.{event}'}.v1",
            "subject": record.id,
            "time": timestamp(message.created_at),
            "datacontenttype": "application/json",
            "data": to_document(record, base=self._public_url).model_dump(mode="json"),
        }


def signed_with(secrets: Sequence[Webhook], message_id: str, at: datetime, body: bytes) -> str:
    """The header `webhook-signature`: one signature of each secret, so that receivers may know any of them."""
    return " ".join(each.sign(message_id, at, body.decode()) for each in secrets)


def _read_alike(url: str, target: tuple[str, int]) -> bool:
    """Whether the HTTP client reads the same host and port out of the URL as the check did."""
    parsed = URL(url, encoded=True)
    return ((parsed.host or "").lower().removesuffix("."), parsed.port) == target


def _judge(status: int, retry_after: str | None) -> Delivery:
    if 200 <= status < 300:
        return Delivered()
    if status == 410:
        return Undeliverable(error="http_410")
    if 300 <= status < 400:
        return RetryLater(error=f"http_{status}: redirects are not followed")
    if retry_after is not None and retry_after.isascii() and retry_after.isdecimal():
        return RetryLater(error=f"http_{status}", after_sec=min(float(retry_after), _LONGEST_WISH_SEC))
    return RetryLater(error=f"http_{status}")
