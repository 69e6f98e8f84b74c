"""Sends the requests of `wire` with aiohttp, bounded in time and size, again where that may help; reads no meaning."""

from __future__ import annotations

import asyncio
import random
import re
import ssl
import time

import aiohttp

from gate.client import wire
from gate.client.errors import Unreachable, UnreadableAnswer
from gate.client.wire import Answer, Patience, Request

_KEY = re.compile(r"[A-Za-z0-9._~+/=-]{1,512}")
_LARGEST = 8 * 1024 * 1024
_NOBODY_THERE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""The connection was never made, so nothing was sent."""


class Connection:
    """A gate's address and one key. The key is in no text of this object, and in no exception."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
        plain_http: bool = False,
    ) -> None:
        self.url = wire.base_url(url, plain_http=plain_http)
        if _KEY.fullmatch(key) is None:
            raise ValueError("The key is not one that a gate gives out")
        self.patience = patience or Patience()
        self._key = key
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def exchange(self, request: Request, *, until: float | None = None) -> Answer:
        """The gate's answer, whatever its status; 429 and 502 to 504 only where there was no better one in time.

        Tries until the monotonic time `until` (by default for `patience.total`), at least once, and raises
        Unreachable where nothing answered.
        """
        end = time.monotonic() + self.patience.total if until is None else until
        unclear = False
        attempt = 0
        while True:
            attempt += 1
            answer: Answer | None = None
            trouble = ""
            try:
                answer = await self._once(request)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                trouble = type(error).__name__
                unclear = unclear or not isinstance(error, _NOBODY_THERE)
            if answer is not None and not wire.worth_retrying(answer):
                return _marked(answer, unclear)
            unclear = unclear or (answer is not None and wire.maybe_acted(answer))
            pause = wire.pause(attempt, answer, self.patience, random.random())  # noqa: S311 - spreads load
            if time.monotonic() + pause >= end:
                if answer is not None:
                    return _marked(answer, unclear)
                raise Unreachable(f"{self.url} did not answer ({trouble}).", maybe_arrived=unclear) from None
            await asyncio.sleep(pause)

    async def aclose(self) -> None:
        """Close the connections; the object may be used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _once(self, request: Request) -> Answer:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, raise_for_status=False
            )
        timeout = aiohttp.ClientTimeout(
            total=self.patience.connect + self.patience.answer + request.held,
            sock_connect=self.patience.connect,
        )
        async with self._session.request(
            request.method,
            self.url + request.path,
            data=request.body,
            headers={**request.headers, "Authorization": f"Bearer {self._key}"},
            timeout=timeout,
            allow_redirects=False,  # the key is for this host only
            ssl=True if self._tls is None else self._tls,
        ) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_chunked(65_536):
                body += chunk
                if len(body) > _LARGEST:
                    raise UnreadableAnswer(f"The answer ({answer.status}) is too large.")
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(status=answer.status, headers=headers, body=bytes(body))


def _marked(answer: Answer, unclear: bool) -> Answer:
    return Answer(status=answer.status, headers=answer.headers, body=answer.body, unclear=unclear)
