"""Speaks the gate's HTTP contract for the demo: propose, wait, redeem, report; patient when the gate restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

_WAIT_SEC = 30
_RETRIES_SEC = (0.5, 1, 2, 4, 8)


class GateRefused(Exception):
    """The gate answered with a problem document."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


class GateGone(Exception):
    """No gate answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """`agents` by their name in the script; an agent that is not there uses `other`."""

    agents: Mapping[str, str]
    executor: str
    other: str | None = None

    def of(self, agent: str) -> str:
        """The key an agent of the script proposes with."""
        return self.agents.get(agent) or self.other or next(iter(self.agents.values()))


class Wire:
    """A client of one gate. Use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Wire:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_WAIT_SEC + 30))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def greet(self) -> None:
        """Raises GateGone where no gate answers at the address."""
        await self._once("GET", "/healthz", None, None, {})

    async def propose(self, key: str, body: Mapping[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """The action document. Sent again with the same key after a lost connection, it is the same action."""
        return await self._ask("POST", "/v1/actions", key, body, {"Idempotency-Key": idempotency_key})

    async def decided(self, key: str, action: str) -> dict[str, Any]:
        """The document once the action is no longer pending, however long that takes."""
        while True:
            document = await self._ask(
                "GET", f"/v1/actions/{action}", key, None, {"Prefer": f"wait={_WAIT_SEC}"}
            )
            if document["status"] != "pending":
                return document

    async def collect(self, key: str, action: str) -> dict[str, Any]:
        """The document as it stands, with the live grant of a released action."""
        return await self._ask("GET", f"/v1/actions/{action}", key, None, {})

    async def pending(self, key: str) -> list[dict[str, Any]]:
        """This agent's pending actions, at most a hundred."""
        page = await self._ask("GET", "/v1/actions?status=pending&limit=100", key, None, {})
        return list(page["items"])

    async def redeem(self, key: str, token: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Use a grant for the payload that is about to be executed."""
        return await self._ask("POST", "/v1/grants/redeem", key, {"token": token, "payload": payload}, {})

    async def cancel(self, key: str, action: str, reason: str) -> None:
        """Take a pending action back."""
        await self._ask("POST", f"/v1/actions/{action}/cancel", key, {"reason": reason}, {})

    async def report(self, key: str, action: str, result: str, detail: str) -> None:
        """Say what came of it."""
        await self._ask(
            "POST", f"/v1/actions/{action}/outcome", key, {"result": result, "detail": detail}, {}
        )

    async def _ask(
        self, method: str, path: str, key: str, body: Mapping[str, Any] | None, headers: dict[str, str]
    ) -> dict[str, Any]:
        for pause in _RETRIES_SEC:
            try:
                return await self._once(method, path, key, body, headers)
            except GateGone:
                await asyncio.sleep(pause)
            except GateRefused as refused:
                if refused.status != 503:
                    raise
                await asyncio.sleep(pause)
        return await self._once(method, path, key, body, headers)

    async def _once(
        self,
        method: str,
        path: str,
        key: str | None,
        body: Mapping[str, Any] | None,
        headers: dict[str, str],
    ) -> dict[str, Any]:
        if self._session is None:
            raise RuntimeError("use Wire as an async context manager")
        if key is not None:
            headers = headers | {"Authorization": f"Bearer {key}"}
        try:
            async with self._session.request(
                method, self._url + path, json=body, headers=headers, allow_redirects=False
            ) as response:
                document = await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise GateGone(f"No gate answers at {self._url} ({type(error).__name__}).") from None
        if response.status >= 400:
            raise GateRefused(
                response.status,
                str(document.get("code")),
                str(document.get("detail") or document.get("title")),
            )
        return document
