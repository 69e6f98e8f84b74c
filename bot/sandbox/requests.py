"""Knows HTTP mode: signed POSTs to the app's request URL and how its answers are read; leaves what is
sent to whoever sends it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from urllib.parse import urlencode

import aiohttp

from bot.sandbox.clock import Clock
from bot.sandbox.faults import Faults
from bot.sandbox.outcome import ACK_SECONDS, Outcome
from bot.sandbox.records import Json


def signature(secret: str, timestamp: str, body: str) -> str:
    """Slack's v0 signature of a request body."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()


class RequestSender:
    """Delivers events, interactions and commands to one URL."""

    def __init__(self, *, url: str, secret: str, clock: Clock, faults: Faults) -> None:
        self.url = url
        self._secret = secret
        self._clock = clock
        self._faults = faults
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(trust_env=False)

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def verify(self, token: str) -> bool:
        """The url_verification handshake: the app must echo the challenge."""
        challenge = hashlib.sha256(f"{token}{self._clock.time()}".encode()).hexdigest()
        outcome = await self.send(
            "events_api",
            {"type": "url_verification", "token": token, "challenge": challenge},
            accepts=True,
            retry=0,
            why="",
        )
        return outcome.received and challenge in (
            outcome.payload.get("challenge"),
            outcome.payload.get("text"),
        )

    async def send(self, kind: str, payload: Json, *, accepts: bool, retry: int, why: str) -> Outcome:
        """One POST; waits at most three seconds for a 2xx."""
        if kind == "events_api":
            body, content_type = json.dumps(payload), "application/json"
        elif kind == "interactive":
            body, content_type = (
                urlencode({"payload": json.dumps(payload)}),
                "application/x-www-form-urlencoded",
            )
        else:
            body, content_type = urlencode(payload), "application/x-www-form-urlencoded"
        timestamp = str(int(self._clock.time()))
        headers = {
            "Content-Type": content_type,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self._secret, timestamp, body),
            "User-Agent": "Slackbot 1.0 (sandbox)",
        }
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": why or "http_timeout"}
        posts = [
            asyncio.ensure_future(self._post(body, headers, accepts))
            for _ in range(2 if self._faults.take_duplicate() else 1)
        ]
        late = asyncio.Event()
        lateness = asyncio.ensure_future(late.wait())
        timer = self._clock.call_later(ACK_SECONDS, late.set)
        try:
            await asyncio.wait([posts[0], lateness], return_when=asyncio.FIRST_COMPLETED)
            if not posts[0].done():
                return Outcome(received=False, reason="timeout")
            await asyncio.wait([*posts, lateness], return_when=asyncio.FIRST_COMPLETED)
            return posts[0].result()
        finally:
            timer.cancel()
            lateness.cancel()
            for post in posts:
                post.cancel()

    async def _post(self, body: str, headers: dict[str, str], accepts: bool) -> Outcome:
        if self._session is None:
            return Outcome(received=False, reason="no_connection")
        try:
            async with self._session.post(self.url, data=body.encode(), headers=headers) as response:
                text = await response.text()
        except (aiohttp.ClientError, OSError):
            return Outcome(received=False, reason="no_connection")
        if not 200 <= response.status < 300:
            return Outcome(received=False, reason="http_error")
        if not accepts or not text:
            return Outcome(received=True)
        if response.content_type == "application/json":
            try:
                answer = json.loads(text)
            except ValueError:
                return Outcome(received=False, reason="http_error")
            return Outcome(received=True, payload=answer if isinstance(answer, dict) else {})
        return Outcome(received=True, payload={"text": text})
