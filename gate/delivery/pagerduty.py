"""The PagerDuty side of the outbox: an alert per action, opened by the ladder, resolved by the decision (Events v2)."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import orjson

from gate.delivery.brief import Link, brief
from gate.domain.audit import timestamp
from gate.domain.request import ActionRecord, Status
from gate.domain.risk import Risk
from gate.usecases.cards import card_view
from gate.usecases.ports import Delivered, Delivery, Deps, Message, RetryLater, Undeliverable
from gate.usecases.views import ActionView

GIVE_UP_ATTEMPTS = 20
"""Attempts that count before a page is a dead letter: more than an hour with the back-off."""
PAYLOAD_LIMIT = 2_000
"""Characters of the payload that travel along; PagerDuty takes 512 KB an event, and people read it on a telephone."""
SUMMARY_LIMIT = 1_024
"""PagerDuty's."""
SEVERITY = {Risk.CRITICAL: "critical", Risk.HIGH: "error", Risk.MEDIUM: "warning", Risk.LOW: "info"}
_LONGEST_WISH_SEC = 900.0
_PAUSE_SEC = 1.0
_LONGEST_PAUSE_SEC = 60.0
_TIMEOUT = aiohttp.ClientTimeout(total=15, connect=8, sock_connect=5, sock_read=10)


class PagerDutyChannel:
    """Implements `ports.DeliveryChannel` for the channel `pagerduty`, kinds `trigger` and `resolve`.

    The alert's key is the action's id: a trigger sent twice, or again by a later step, adds to the same alert, and
    a resolve for none is ignored. An emergency release has an alert of its own (`about: review` in the body), which
    its review resolves. A trigger is sent only while there is something to decide or to review. 202 is delivered; 400
    and 413 are dead letters; 429 waits as told; a PagerDuty that is away or refuses us keeps every event waiting
    without counting against it, and is the `problem`. Redirects are not followed, proxies not used.
    """

    def __init__(
        self, *, deps: Deps, routing_key: str, events_url: str, link: Link, tls: ssl.SSLContext | None = None
    ) -> None:
        self._deps = deps
        self._key = routing_key
        self._url = events_url
        self._link = link
        self._tls = tls or ssl.create_default_context()
        self._pause = _PAUSE_SEC
        self.problem: str | None = None
        """What keeps pages from leaving, as a sentence; None while they leave."""

    async def deliver(self, message: Message) -> Delivery:
        """One attempt."""
        reviewing = message.body.get("about") == "review"
        event: dict[str, Any] = {
            "routing_key": self._key,
            "event_action": message.kind,
            "dedup_key": f"{message.action_id}:review" if reviewing else message.action_id,
        }
        if message.kind == "trigger":
            view = await card_view(self._deps, message.action_id)
            async with self._deps.store.reading() as tx:
                record = await tx.actions.get(message.action_id)
            waits = record is not None and (
                record.in_review if reviewing else record.status is Status.PENDING
            )
            if view is None or record is None or not waits:
                return Delivered()
            event |= await self._alert(
                view, record, "waits for a review" if reviewing else "waits for a decision"
            )
        elif message.kind != "resolve":
            return Undeliverable(error="unknown_kind")
        try:
            return await self._post(orjson.dumps(event))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return self._away(
                f"connection_failed: {type(error).__name__}", "PagerDuty's events address cannot be reached."
            )

    async def _alert(self, view: ActionView, record: ActionRecord, waits: str) -> dict[str, Any]:
        told = brief(view, record, self._deps.rules.current.directory, payload_limit=PAYLOAD_LIMIT)
        link = await self._link(view.action_id)
        details = {"Time": told.time} | {part.title: "\n".join(part.lines) for part in told.parts}
        links = [{"href": link, "text": "Open the card in Slack"}] if link else []
        return {
            "payload": {
                "summary": f"{told.headline} {waits}"[:SUMMARY_LIMIT],
                "source": view.agent_name,
                "severity": SEVERITY[view.risk],
                "timestamp": timestamp(view.created_at),
                "component": view.topic,
                "group": view.agent_team,
                "class": view.rule,
                "custom_details": details | {"Request": view.action_id},
            },
            "client": "Signoff",
            "links": links,
        } | ({"client_url": link} if link else {})

    async def _post(self, body: bytes) -> Delivery:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls),
                timeout=_TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            ) as session,
            session.post(
                self._url,
                data=body,
                headers={"Content-Type": "application/json", "User-Agent": "signoff-pages/1"},
                allow_redirects=False,
            ) as response,
        ):
            return self._judge(response.status, response.headers.get("Retry-After"))

    def _judge(self, status: int, retry_after: str | None) -> Delivery:
        error = f"http_{status}"
        if 200 <= status < 300:
            self._pause, self.problem = _PAUSE_SEC, None
            return Delivered()
        if status == 429:
            told = retry_after is not None and retry_after.isascii() and retry_after.isdecimal()
            wait = min(float(retry_after or 0), _LONGEST_WISH_SEC) if told else self._next_pause()
            return RetryLater(error=error, after_sec=wait, counts=False)
        if status in (400, 413):
            # PagerDuty says 400 to an event it cannot read and to a key of the wrong form alike.
            self.problem = f"PagerDuty refused an event ({status}); PAGERDUTY_ROUTING_KEY may be wrong."
            return Undeliverable(error=error)
        if status >= 500:
            return RetryLater(error=error)
        return self._away(error, f"PagerDuty answers {status} at the address and key that are set.")

    def _away(self, error: str, sentence: str) -> RetryLater:
        self.problem = sentence
        return RetryLater(error=error, after_sec=self._next_pause(), counts=False)

    def _next_pause(self) -> float:
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE_SEC)
        return pause
