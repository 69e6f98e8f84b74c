"""Connects to the outside only where allowed: each socket is checked against the address it is about to reach."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from gate.domain.callbacks import IpNetwork, address_problem, callback_target
from gate.usecases.ports import NotPublished

TIMEOUT = aiohttp.ClientTimeout(total=15, connect=8, sock_connect=5, sock_read=10)
LONGEST_ANSWER = 65_536
AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


class AddressRefused(OSError):
    """The name led to an address that callbacks may not reach."""


class GuardedSockets:
    """Makes the sockets for one request to one host, and remembers which addresses it refused.

    A socket is made for an address that has already been looked up and is connected to next, so there is no
    second look-up in between that could answer differently (DNS rebinding), and literal addresses,
    which are never looked up, pass here as well.
    """

    def __init__(self, host: str, *, allowed: Sequence[str], networks: Sequence[IpNetwork]) -> None:
        self._host = host
        self._allowed = allowed
        self._networks = networks
        self.refused: list[str] = []

    def __call__(self, info: AddressInfo) -> socket.socket:
        """A socket for this address. Raises AddressRefused, and then nothing was sent to it."""
        family, kind, protocol, _, address = info
        problem = address_problem(
            str(address[0]), host=self._host, allowed=self._allowed, networks=self._networks
        )
        if problem is not None:
            self.refused.append(problem)
            raise AddressRefused(problem)
        return socket.socket(family, kind, protocol)


def guarded_connector(
    sockets: GuardedSockets, *, tls: ssl.SSLContext, resolver: Callable[[], AbstractResolver]
) -> aiohttp.TCPConnector:
    """A connector for one request: nothing pooled, no look-up remembered, every socket guarded."""
    return aiohttp.TCPConnector(
        ssl=tls,
        resolver=resolver(),
        use_dns_cache=False,
        force_close=True,
        limit=1,
        socket_factory=sockets,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back; `body` is None where it was not asked for, or too long."""

    status: int
    retry_after: str | None
    body: bytes | None = None


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    sockets: GuardedSockets,
    *,
    tls: ssl.SSLContext,
    resolver: Callable[[], AbstractResolver],
    read: bool = False,
) -> Answer:
    """One POST: no redirects, proxies or cookies. Raises aiohttp.ClientError, OSError or TimeoutError."""
    async with (
        aiohttp.ClientSession(
            connector=guarded_connector(sockets, tls=tls, resolver=resolver),
            timeout=TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        ) as session,
        session.post(
            URL(url, encoded=True), data=body, headers=dict(headers), allow_redirects=False
        ) as response,
    ):
        found = await response.content.read(LONGEST_ANSWER + 1) if read else b""
        while read and len(found) <= LONGEST_ANSWER and (more := await response.content.read(LONGEST_ANSWER)):
            found += more
        return Answer(
            status=response.status,
            retry_after=response.headers.get("Retry-After"),
            body=found if read and len(found) <= LONGEST_ANSWER else None,
        )


class Caller:
    """Posts where the operator said, and nowhere else: the address a name leads to is checked as for callbacks, so
    a private one has to be in `networks`, and loopback has to be named as such."""

    def __init__(
        self,
        *,
        networks: Sequence[str] = (),
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        self._resolver = resolver
        self._tls = tls or ssl.create_default_context()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer. Raises NotPublished where none comes."""
        target = callback_target(url)
        if target is None:
            raise NotPublished("its address is none")
        host = f"[{target[0]}]" if ":" in target[0] else target[0]
        sockets = GuardedSockets(target[0], allowed=(host,), networks=self._networks)
        try:
            answer = await post(
                url, body, headers, sockets, tls=self._tls, resolver=self._resolver, read=True
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if sockets.refused:
                raise NotPublished(f"its address is refused: {sockets.refused[0]}") from None
            raise NotPublished(f"it cannot be reached ({type(error).__name__})") from None
        if answer.body is None:
            raise NotPublished("its answer is too long")
        return answer.status, answer.body
