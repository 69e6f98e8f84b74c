"""A real SMTP server on loopback that keeps letters and refuses what it is told to."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOGIN = ("gate", "s3cret")


@dataclass
class Mail:
    """`refuse` maps an address to the answer its RCPT gets; `answers` to DATA come first, in order."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    sender_answer: str = ""
    tries: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def to(self) -> list[str]:
        """Whom the letters went to, in order."""
        return [envelope.rcpt_tos[0] for envelope in self.envelopes]

    async def until(self, look: Callable[[Mail], object], *, within: float = 60) -> None:
        """Returns once `look` is true, asked again after every command of note."""
        async with asyncio.timeout(within):
            while not look(self):
                self._changed.clear()
                await self._changed.wait()

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.sender_answer:
            return self.sender_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.tries += 1
        self._changed.set()
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        found = message_from_bytes(content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.letters.append(found)
        self.envelopes.append(envelope)
        self.encrypted.append(session.ssl is not None)
        self._changed.set()
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        good = (data.login.decode(), data.password.decode()) == LOGIN
        if good:
            self.logins.append(data.login.decode())
        return AuthResult(success=good, handled=False)


def certificate(folder: Path) -> Path:
    """A self-signed certificate and key for 127.0.0.1 in one file; who trusts it loads the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "mail.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@asynccontextmanager
async def mail_running(
    mail: Mail | None = None,
    *,
    starttls: Path | None = None,
    implicit: Path | None = None,
    login: bool = False,
    port: int = 0,
) -> AsyncIterator[Mail]:
    """The server in this loop: plain, with STARTTLS, or encrypted from the start; `login` demands one first."""
    made = mail or Mail()
    server_tls = _server_tls(starttls) if starttls is not None else None
    options: dict[str, Any] = {"tls_context": server_tls, "hostname": "mail.test", "ident": "test"}
    if login:
        options |= {"authenticator": made.authenticate, "auth_required": True, "auth_require_tls": False}

    def connection() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it recommends TLS; this one is for loopback
            return SMTP(made, **options)

    listening = await asyncio.get_running_loop().create_server(
        connection, "127.0.0.1", port, ssl=_server_tls(implicit) if implicit is not None else None
    )
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        await listening.wait_closed()


def _server_tls(path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context
