"""A time-stamping authority that speaks RFC 3161 over HTTP: a chain of its own, and `openssl ts` behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """
[tsa]
default_tsa = stamps
[stamps]
serial = {folder}/serial
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
certs = {folder}/root.pem
default_policy = 1.3.6.1.4.1.4146.2.3
digests = sha256, sha512
accuracy = secs:1
"""


@dataclass
class FakeAuthority:
    """`root` is the certificate to pin; `answer` replaces what the next queries get."""

    folder: Path
    url: str = ""
    asked: int = 0
    answer: bytes | None = None

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    async def stamp(self, request: web.Request) -> web.StreamResponse:
        assert request.content_type == "application/timestamp-query"
        self.asked += 1
        if self.answer is not None:
            return web.Response(body=self.answer, content_type="application/timestamp-reply")
        query, reply = self.folder / f"{self.asked}.tsq", self.folder / f"{self.asked}.tsr"
        query.write_bytes(await request.read())
        arguments = ("-config", self.folder / "tsa.conf", "-queryfile", query, "-out", reply)
        done = await asyncio.create_subprocess_exec(
            "openssl", "ts", "-reply", *arguments, stderr=asyncio.subprocess.PIPE
        )
        _, told = await done.communicate()
        assert done.returncode == 0, told
        return web.Response(body=reply.read_bytes(), content_type="application/timestamp-reply")


@asynccontextmanager
async def authority(folder: Path) -> AsyncIterator[FakeAuthority]:
    """One that answers on a port the system chose."""
    _set_up(folder)
    made = FakeAuthority(folder)
    app = web.Application()
    app.router.add_post("/", made.stamp)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def _set_up(folder: Path) -> None:
    folder.mkdir()
    (folder / "serial").write_text("01\n")
    (folder / "tsa.conf").write_text(_CONFIG.format(folder=folder))
    root_key, key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    root_name, name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in ("Test Root", "Test Stamps")
    )
    now = datetime.now(UTC)

    def certificate(subject: x509.Name, public: rsa.RSAPublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    signs = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    root = (
        certificate(root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(signs, critical=True)
        .sign(root_key, hashes.SHA256())
    )
    stamps = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    signer = (
        certificate(name, key.public_key())
        .add_extension(stamps, critical=True)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    (folder / "signer.pem").write_bytes(signer.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "signer.key").write_bytes(private)
