"""Where callbacks may go: which hosts an agent may name, which addresses are off limits; it connects nowhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_LONGEST_URL = 2_048
_TUNNELS: tuple[IpNetwork, ...] = tuple(
    ipaddress.ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)
"""NAT64, 6to4 and Teredo: public-looking addresses that carry a private one inside."""


def callback_problem(url: str, allowed: Sequence[str]) -> str | None:
    """Why callbacks may not go to this URL, as a sentence; None where they may.

    `allowed` are entries such as `hooks.example.com`, `*.example.com` (any name below it), `hooks.example.com:8443`,
    `10.0.0.5` or `localhost`; without a port any port counts. https only, except for a loopback host that
    is itself on the list. The name is judged here; the address it leads to is judged when connecting.
    """
    parts = _split(url)
    if isinstance(parts, str):
        return parts
    host, port = _host(parts), parts.port
    if not any(_covers(entry, host, port or _default_port(parts)) for entry in allowed):
        return f"Callbacks to {host} are not allowed here; an operator can add it to GATE_CALLBACK_HOSTS."
    if parts.scheme == "http" and not is_loopback_name(host):
        return "A callback_url has to be https; http is for loopback hosts in development."
    return None


def callback_target(url: str) -> tuple[str, int] | None:
    """The (host, port) a callback URL names, as `callback_problem` reads it; None where it is malformed."""
    parts = _split(url)
    return None if isinstance(parts, str) else (_host(parts), parts.port or _default_port(parts))


def is_loopback_name(host: str) -> bool:
    """Whether a host of a URL means this machine by its very name."""
    literal = _literal(host)
    return host == "localhost" if literal is None else literal.is_loopback


def address_problem(
    address: str, *, host: str, allowed: Sequence[str], networks: Sequence[IpNetwork] = ()
) -> str | None:
    """Why a connection for `host` may not go to this network address; None where it may.

    Public unicast addresses may; so may those in `networks`; a loopback address only for a loopback host on
    the list; any other one only where the URL names this very address and the list does too.
    """
    ip = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if any(ip.version == network.version and ip in network for network in networks):
        return None
    if ip.is_loopback:
        listed = is_loopback_name(host) and any(_covers(entry, host, None) for entry in allowed)
        return None if listed else "it is this machine itself"
    literal = _literal(host)
    if literal is not None and _unwrapped(literal) == ip and any(_covers(e, host, None) for e in allowed):
        return None
    if ip.is_multicast or ip.is_unspecified or any(ip.version == t.version and ip in t for t in _TUNNELS):
        return "it is no public address"
    return None if ip.is_global else "it is inside a private network"


def _split(url: str) -> SplitResult | str:
    if len(url) > _LONGEST_URL:
        return f"A callback_url is at most {_LONGEST_URL} characters long."
    if not url.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in url):
        return "A callback_url is written in plain ASCII, without spaces; international names in their xn-- form."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "The callback_url is not a web address."
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return "A callback_url is an https address."
    if "@" in parts.netloc:
        return "A callback_url carries no user name or password."
    if parts.fragment or url.endswith("#"):
        return "A callback_url has no fragment."
    return parts


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").lower().removesuffix(".")


def _default_port(parts: SplitResult) -> int:
    return 443 if parts.scheme == "https" else 80


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an allowlist entry covers host and port; None asks about the host alone."""
    name, wanted = entry.lower(), None
    head, colon, tail = name.rpartition(":")
    if colon and tail.isdecimal() and (":" not in head or head.endswith("]")):
        name, wanted = head, int(tail)
    name = name.removeprefix("[").removesuffix("]").removesuffix(".")
    if port is not None and wanted is not None and wanted != port:
        return False
    if name.startswith("*."):
        return host.endswith(name[1:]) and _literal(host) is None
    return name == host


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unwrapped(ip: IpAddress) -> IpAddress:
    """The IPv4 address inside an IPv4-mapped IPv6 one."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip
