"""Connects to the outside only where allowed: each socket is checked against the address it is about to reach."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence

import aiohttp
from aiohttp.abc import AbstractResolver

from gate.domain.callbacks import IpNetwork, address_problem

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
