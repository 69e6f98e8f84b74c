"""A time-stamping authority that speaks RFC 3161 over HTTP, with a chain of certificates of its own."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from asn1crypto import cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_POLICY = "1.3.6.1.4.1.4146.2.3"


@dataclass
class FakeAuthority:
    """`root` is the certificate to pin; `answer` replaces what the next queries get."""

    folder: Path
    signer: x509.Certificate
    key: rsa.RSAPrivateKey
    url: str = ""
    asked: int = 0
    answer: bytes | None = None

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    async def stamp(self, request: web.Request) -> web.StreamResponse:
        assert request.content_type == "application/timestamp-query"
        self.asked += 1
        answer = self.answer or self._stamped(await request.read())
        return web.Response(body=answer, content_type="application/timestamp-reply")

    def _stamped(self, query: bytes) -> bytes:
        """The signed answer: what was asked to be stamped, and when, in CMS (RFC 5652)."""
        asked: Any = tsp.TimeStampReq.load(query, strict=True)
        certificate = asn1_x509.Certificate.load(self.signer.public_bytes(serialization.Encoding.DER))
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": _POLICY,
                "message_imprint": asked["message_imprint"],
                "serial_number": self.asked,
                "gen_time": datetime.now(UTC),
                "accuracy": {"seconds": 1},
                "nonce": asked["nonce"],
            }
        )
        signed_by = tsp.ESSCertIDv2({"cert_hash": certificate.sha256})
        said = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [hashlib.sha256(info.dump()).digest()]},
                {
                    "type": "signing_certificate_v2",
                    "values": [tsp.SigningCertificateV2({"certs": [signed_by]})],
                },
            ]
        )
        signature = self.key.sign(said.dump(), padding.PKCS1v15(), hashes.SHA256())
        signer = {
            "version": "v1",
            "sid": {
                "issuer_and_serial_number": {
                    "issuer": certificate.issuer,
                    "serial_number": certificate.serial_number,
                }
            },
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": said,
            "signature_algorithm": {"algorithm": "sha256_rsa"},
            "signature": signature,
        }
        signed = {
            "version": "v3",
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {
                "content_type": "tst_info",
                "content": core.ParsableOctetString(info.dump()),
            },
            "certificates": [certificate],
            "signer_infos": [signer],
        }
        token = cms.ContentInfo({"content_type": "signed_data", "content": signed})
        return tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump()


@asynccontextmanager
async def authority(folder: Path) -> AsyncIterator[FakeAuthority]:
    """One that answers on a port the system chose."""
    made = FakeAuthority(folder, *_set_up(folder))
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


def _set_up(folder: Path) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """What it signs with; the root of its chain is in the folder."""
    folder.mkdir()
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
    (folder / "root.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    return signer, key
