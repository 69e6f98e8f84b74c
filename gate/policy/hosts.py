"""The hosts a payload points to, normalised as a client would read them; what is allowed is the constraint's business.

Follows the URL Standard (https://url.spec.whatwg.org/) where a lenient client and a strict check could differ: user
information, back-slashes, tabs and newlines, upper case, full-width letters, trailing dots, numeric IPv4 in any
base. What cannot be read is reported as such, never skipped.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

MAX_URLS = 2_000

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[/\\]{1,}", re.ASCII)
_LINK = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.\-]{0,30}:[\t\r\n]*[/\\][\t\r\n]*[/\\]*|(?<![\w/\\:])[/\\]{2}(?=\w)|(?<![\w.@\-])www\.)"
)
_END = re.compile(r"[\s<>\"'`{}|^]|$")
_URL_KEYS = re.compile(
    r"(^|[_\-.])(url|uri|href|link|host|hostname|endpoint|webhook|domain|callback)s?$", re.IGNORECASE
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One place a payload points to. `host` is None where it could not be read."""

    pointer: str
    text: str
    host: str | None
    port: int | None


def targets(payload: Any) -> Iterator[Target]:
    """Every URL in the strings of a JSON value, keys included; at most `MAX_URLS`, then one unreadable target."""
    count = 0
    for pointer, key, text in _strings(payload, "", ""):
        for url in _urls(text, key):
            count += 1
            if count > MAX_URLS:
                yield Target(pointer=pointer, text="more URLs than are checked", host=None, port=None)
                return
            host, port = host_of(url)
            yield Target(pointer=pointer, text=url[:200], host=host, port=port)


def _strings(value: Any, pointer: str, key: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str):
        yield pointer, key, value
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Any]", value).items():
            here = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            yield here, "", name
            yield from _strings(item, here, name)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _strings(item, f"{pointer}/{index}", key)


def _urls(text: str, key: str) -> Iterator[str]:
    found = False
    for match in _LINK.finditer(text):
        found = True
        end = _END.search(text, match.end())
        yield text[match.start() : end.start() if end is not None else len(text)]
    if not found and text.strip() and _URL_KEYS.search(_CAMEL.sub("_", key)):
        yield text.strip()


def host_of(url: str) -> tuple[str | None, int | None]:
    """The normalised host and the port of a URL or a bare host; `(None, None)` where it cannot be read."""
    text = re.sub(r"[\t\r\n]", "", url).strip()
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text.lstrip("/\\")
    authority = re.split(r"[/\\?#]", rest.lstrip("/\\"), maxsplit=1)[0]
    place = authority.rpartition("@")[2]
    if place.startswith("["):
        inside, bracket, tail = place[1:].partition("]")
        try:
            address = ipaddress.IPv6Address(inside.partition("%")[0])
        except ValueError:
            return None, None
        port = _port(tail.removeprefix(":")) if bracket and (not tail or tail.startswith(":")) else -1
        return (None, None) if port == -1 else (_ipv6(address), port)
    name, colon, digits = place.partition(":")
    port = _port(digits) if colon else None
    host = normal_host(name)
    return (None, None) if host is None or port == -1 else (host, port)


def _port(digits: str) -> int | None:
    """The number; None where there is none, -1 where it is not one."""
    if not digits:
        return None
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 5 else -1


def _ipv6(address: ipaddress.IPv6Address) -> str:
    return str(address.ipv4_mapped) if address.ipv4_mapped is not None else str(address)


def normal_host(name: str) -> str | None:
    """A host name in lower-case ASCII without trailing dot, or an IP address in its usual form; None where neither."""
    text = unicodedata.normalize("NFKC", unquote(name)).replace("。", ".").strip()
    text = text.removesuffix(".").lower()
    if not text or len(text) > 253 or any(c in text for c in " /\\@:?#[]%<>^|"):
        return None
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)", text.rpartition(".")[2]):
        return _ipv4(text)
    return text if re.fullmatch(r"[a-z0-9_\-]+(\.[a-z0-9_\-]+)*", text) else None


def _ipv4(text: str) -> str | None:
    """An IPv4 address as lenient clients read it: one to four parts, decimal, octal or hexadecimal."""
    numbers: list[int] = []
    for part in text.split("."):
        try:
            if part.startswith("0x"):
                numbers.append(int(part[2:] or "0", 16))
            else:
                numbers.append(int(part, 8 if len(part) > 1 and part.startswith("0") else 10))
        except ValueError:
            return None
    if not 1 <= len(numbers) <= 4 or any(n > 255 for n in numbers[:-1]):
        return None
    last_room = 256 ** (5 - len(numbers))
    if numbers[-1] >= last_room:
        return None
    value = numbers[-1] + sum(n * 256 ** (3 - index) for index, n in enumerate(numbers[:-1]))
    return str(ipaddress.IPv4Address(value))


def allowed(target: Target, allowlist: list[str]) -> bool:
    """Whether a target is on the list: `host`, `host:port`, or `*.host` for every name below it."""
    if target.host is None:
        return False
    for item in allowlist:
        name, colon, port = item.rpartition(":") if re.search(r"[^:]:\d+$", item) else (item, "", "")
        if colon and target.port != int(port):
            continue
        if name.startswith("*."):
            parent = normal_host(name[2:])
            if parent is not None and target.host.endswith(f".{parent}"):
                return True
        elif target.host == (host_of(name)[0] if name.startswith("[") else normal_host(name)):
            return True
    return False
