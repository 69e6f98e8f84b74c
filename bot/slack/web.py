"""Knows how to make one call to a Slack Web API: address, proxy, time-out, pace, failures; it repeats nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import urllib.request
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.errors import SlackFailure, Trouble, trouble_of
from bot.slack.pacing import Pacer

log = structlog.get_logger(__name__)

SLACK_API = "https://slack.com/api/"
CALL_SEC = 10.0
"""Longest wait for one answer; a card that was not confirmed after this long is looked for, not posted again."""
CONNECT_SEC = 5.0
_MOST_PACING_WAIT = 4.0
_MOST_COMMON_WAIT = 2.0
"""What is not urgent begins no delivery that has to wait longer: so there is always a turn soon for what is."""


class _Outline(logging.Handler):
    """Passes on where the SDK or Bolt complained and the kind of error; their texts carry payloads and tokens."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log.warning("slack_sdk", where=f"{record.module}.{record.funcName}", error=error)


class Calls(Protocol):
    """What the bot needs of Slack: one method by name, answered or raised as `SlackFailure`."""

    async def call(
        self, method: str, *, paced: bool = False, within: float | None = None, **arguments: Any
    ) -> Mapping[str, Any]: ...

    async def turn(self, method: str, channel: str = "") -> None: ...

    def soon(self, method: str, channel: str = "", *, urgent: bool) -> None: ...


def quiet_logger() -> logging.Logger:
    """The logger to give to the SDK and to Bolt: from warnings on, and of those the outline only (INV-51)."""
    quiet = logging.getLogger("signoff.slack.sdk")
    quiet.setLevel(logging.WARNING)
    quiet.propagate = False
    if not quiet.handlers:
        quiet.addHandler(_Outline())
    return quiet


def api_base(api_url: str | None) -> str:
    """The base address in the form the SDK wants, with one trailing slash.

    With no path it is taken for the root of a Slack-compatible server, whose methods live under `/api/`; with a path
    it is taken as it stands (`https://slack.example/api`, `https://gateway.example/slack/v1`).
    """
    if not api_url:
        return SLACK_API
    parts = urlsplit(api_url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("SLACK_API_URL must be an http or https address, such as https://slack.com/api/")
    path = parts.path.strip("/") or "api"
    return f"{parts.scheme}://{parts.netloc}/{path}/"


def proxy_for(base_url: str) -> str | None:
    """The proxy of the environment for this address; none for loopback and for hosts in NO_PROXY."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if _loopback(host) or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme) or None


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def sdk_client(token: str, base_url: str) -> AsyncWebClient:
    """An SDK client that never repeats a call (its default handler would post a card twice), with our proxy."""
    client = AsyncWebClient(
        token=token, base_url=base_url, timeout=int(CALL_SEC), retry_handlers=[], logger=quiet_logger()
    )
    client.proxy = proxy_for(base_url)  # the constructor reads HTTP_PROXY whatever it is given
    return client


class SlackWeb:
    """The Web API behind one bot token, over one connection pool that `start` opens and `stop` closes."""

    def __init__(self, *, token: str, base_url: str, pacer: Pacer | None = None) -> None:
        self.sdk = sdk_client(token, base_url)
        self.pacer = pacer or Pacer()
        self._session: aiohttp.ClientSession | None = None
        self.granted: frozenset[str] | None = None
        """The scopes of the bot token, as Slack said with the latest answer; None before it said so."""
        self.asked: set[str] = set()
        """Methods called so far: the sandbox's list of covered methods is held against it by a test."""

    async def start(self) -> None:
        """Open the connection pool; needs a running event loop."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=CALL_SEC, connect=CONNECT_SEC)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
            self.sdk.session = self._session

    async def stop(self) -> None:
        """Close the pool; calls still under way fail."""
        session, self._session = self._session, None
        self.sdk.session = None
        if session is not None:
            await session.close()

    async def call(
        self, method: str, *, paced: bool = False, within: float | None = None, **arguments: Any
    ) -> Mapping[str, Any]:
        """One call. `paced` waits for this method's and channel's turn; `within` shortens the time-out, in seconds.

        Raises `SlackFailure`; `RATE_LIMITED` also where the turn would come too late to wait for it here.
        """
        if self._session is None:
            raise SlackFailure(method, Trouble.OUTAGE, "unreachable", detail="the bot is not running")
        if paced:
            channel = arguments.get("channel")
            await self.turn(method, channel if isinstance(channel, str) else "")
        elif (closed := self.pacer.closed_for(method)) > 0:
            raise SlackFailure(method, Trouble.RATE_LIMITED, "ratelimited", retry_after=closed)
        self.asked.add(method)
        named = getattr(self.sdk, method.replace(".", "_"))
        try:
            async with asyncio.timeout(within):
                answer = await named(**arguments)
        except SlackApiError as error:
            raise self._refused(method, error) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise SlackFailure(method, Trouble.OUTAGE, "unreachable", detail=type(error).__name__) from None
        except TimeoutError:
            raise SlackFailure(method, Trouble.UNCERTAIN, "timed_out") from None
        except (aiohttp.ClientError, OSError) as error:
            raise SlackFailure(method, Trouble.UNCERTAIN, "no_answer", detail=type(error).__name__) from None
        if "app_token" not in arguments and (told := _header(answer.headers, "x-oauth-scopes")) is not None:
            self.granted = frozenset(each.strip() for each in told.split(",") if each.strip())
        return answer.data if isinstance(answer.data, dict) else {}

    async def turn(self, method: str, channel: str = "") -> None:
        """Wait for this method's and channel's turn. Raises `SlackFailure` (RATE_LIMITED, `retry_after`) where that
        is too far off to wait for it here; then no turn was taken."""
        taken, wait = self.pacer.reserve(method, channel, most_wait=_MOST_PACING_WAIT)
        if not taken:
            raise SlackFailure(method, Trouble.RATE_LIMITED, "paced", retry_after=wait)
        if wait > 0:
            await asyncio.sleep(wait)

    def soon(self, method: str, channel: str = "", *, urgent: bool) -> None:
        """To be asked before a delivery is prepared that ends in this call. Raises `SlackFailure` as `turn` does, with
        a `retry_after` that leaves room for whoever was sent away before; no turn is taken either way."""
        wait = self.pacer.wait(method, channel)
        if wait > (_MOST_PACING_WAIT if urgent else _MOST_COMMON_WAIT):
            away = wait if urgent else self.pacer.away(method, channel)
            raise SlackFailure(method, Trouble.RATE_LIMITED, "paced", retry_after=away)

    def _refused(self, method: str, error: SlackApiError) -> SlackFailure:
        response = error.response
        data = getattr(response, "data", None)
        status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 200)
        code = str(data.get("error") or "") if isinstance(data, dict) else ""
        if status != 200 and not code:
            code = f"http_{status}"
        trouble = trouble_of(code or "unreadable", status=status)
        if not code:
            trouble, code = Trouble.UNCERTAIN, "unreadable"  # 200 with a body that is no Slack answer
        retry_after: float | None = None
        if trouble is Trouble.RATE_LIMITED:
            retry_after = _seconds(getattr(response, "headers", {}).get("Retry-After"))
            self.pacer.close(method, retry_after)
        return SlackFailure(method, trouble, code, retry_after=retry_after, detail=_where(data))

    async def answer_url(self, url: str, body: Mapping[str, Any]) -> None:
        """Post to a `response_url`; raises `SlackFailure` where it was not taken."""
        if self._session is None:
            raise SlackFailure("response_url", Trouble.OUTAGE, "unreachable")
        self.asked.add("response_url")
        try:
            async with self._session.post(url, json=body, proxy=proxy_for(url)) as response:
                if response.status != 200:
                    raise SlackFailure(
                        "response_url", trouble_of("", status=response.status), f"http_{response.status}"
                    )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise SlackFailure(
                "response_url", Trouble.UNCERTAIN, "no_answer", detail=type(error).__name__
            ) from None


def _header(headers: Mapping[str, str], wanted: str) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == wanted), None)


def _seconds(header: str | None) -> float:
    try:
        return max(1.0, float(header or ""))
    except ValueError:
        return 30.0


def _where(data: Any) -> str:
    """Slack's pointer at the bad block: it names places, not contents, once quotes are cut off."""
    if not isinstance(data, dict):
        return ""
    messages = (data.get("response_metadata") or {}).get("messages") or ()
    return str(messages[0])[:200] if messages and isinstance(messages[0], str) else ""
