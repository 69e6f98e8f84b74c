"""What `SMTP_URL` says: where mail is handed over, as whom, from which address; it connects to nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, unquote, urlsplit

_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[^@\s<>,;:\"()\\]{1,190}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Encryption(Enum):
    """How the connection is encrypted; the server's certificate is always verified."""

    IMPLICIT = "implicit"
    """From the first byte (`smtps://`)."""
    REQUIRED = "required"
    """By STARTTLS, and a server without it is not used."""
    OFFERED = "offered"
    """By STARTTLS where the server offers it."""
    OFF = "off"
    """Not at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MailServer:
    """A server that takes mail. `sender` is the address letters come from; `user` None means without a login."""

    host: str
    port: int
    sender: str
    encryption: Encryption
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_mail_url(text: str) -> MailServer:
    """`smtp://[USER:PASSWORD@]HOST[:PORT]?from=ADDRESS[&starttls=required|offered|off]`, or `smtps://…`.

    A login is never sent in the clear, except to this machine itself: with one, STARTTLS is required.
    Raises ValueError with a sentence that shows no part of the value.
    """
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise ValueError("write smtp://USER:PASSWORD@HOST:PORT?from=ADDRESS") from None
    if parts.scheme not in ("smtp", "smtps") or not host or parts.path not in ("", "/") or parts.fragment:
        raise ValueError(
            "write smtp://USER:PASSWORD@HOST:PORT?from=ADDRESS, or smtps:// for TLS from the start"
        )
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if (user is None) != (password is None):
        raise ValueError(
            "give a user and a password, or neither; signs such as @ and / in them as %40 and %2F"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    sender = options.pop("from", None) or user or ""
    if not _ADDRESS.fullmatch(sender):
        raise ValueError("add the address letters come from: ?from=signoff@example.com")
    encryption = _encryption(parts.scheme, options.pop("starttls", None), host, login=user is not None)
    if options:
        raise ValueError("knows the options from and starttls")
    usual = {Encryption.IMPLICIT: 465}.get(encryption, 587 if user is not None else 25)
    return MailServer(
        host=host, port=port or usual, sender=sender, encryption=encryption, user=user, password=password
    )


def _encryption(scheme: str, wanted: str | None, host: str, *, login: bool) -> Encryption:
    if scheme == "smtps":
        if wanted is not None:
            raise ValueError("smtps:// is encrypted from the start; take starttls away, or write smtp://")
        return Encryption.IMPLICIT
    exposed = login and host not in _LOOPBACK
    if wanted is None:
        return Encryption.REQUIRED if exposed else Encryption.OFFERED
    try:
        encryption = Encryption(wanted)
    except ValueError:
        encryption = Encryption.IMPLICIT
    if encryption is Encryption.IMPLICIT:
        raise ValueError("starttls is required, offered or off")
    if exposed and encryption is not Encryption.REQUIRED:
        raise ValueError("a password would travel in the clear; leave starttls away, it is then required")
    return encryption
