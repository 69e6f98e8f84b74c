"""Addresses as settings write them: text to value, and a sentence for a person where it is none."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator
from pydantic_settings import NoDecode


class Address(tuple[str, int]):
    """Where to listen: (host, port); port 0 lets the system choose."""

    __slots__ = ()

    @property
    def host(self) -> str:
        return self[0]

    @property
    def port(self) -> int:
        return self[1]

    @property
    def url(self) -> str:
        """How a browser on this machine reaches it; the wildcard addresses are reached by loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @classmethod
    def parse(cls, text: object) -> Address:
        """`HOST:PORT` or `[IPV6]:PORT`; ValueError with a sentence for anything else."""
        if isinstance(text, cls):
            return text
        host, colon, port = str(text).rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not colon or not bare or (":" in bare) != host.startswith("["):
            raise ValueError("write HOST:PORT, for example 127.0.0.1:8080 or [::1]:8080")
        if not port.isascii() or not port.isdecimal() or int(port) > 65_535:
            raise ValueError("the port is a number from 0 to 65535")
        return cls((bare, int(port)))


def _listed(value: object) -> object:
    """A comma-separated list; blanks around and between commas do not count."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _network(value: object) -> object:
    return str(ipaddress.ip_network(value)) if isinstance(value, str) else value


def web_address(value: str) -> str:
    """The address without a slash at its end. ValueError where it is none of the web."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write a web address such as https://gate.example.com")
    return value.rstrip("/")


def kept_from_readers(value: str, what: str = "it") -> str:
    """The same, where nobody on the way may read along: encrypted, or on this machine. `what` would be read."""
    url = web_address(value)
    if not url.startswith("https://") and urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError(f"{what} would travel in the clear; write https://")
    return url


Listen = Annotated[Address, NoDecode, BeforeValidator(Address.parse)]
"""`HOST:PORT`."""

Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""Words, by commas."""

Networks = Annotated[
    tuple[Annotated[str, BeforeValidator(_network)], ...], NoDecode, BeforeValidator(_listed)
]
"""Networks in CIDR notation, by commas."""
