"""Has checkpoints stamped by a time-stamping authority (RFC 3161), and checks such stamps, online or years later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from gate.delivery.guarded import Caller
from gate.delivery.places import place_name
from gate.usecases.ports import Clock, NotPublished, SealedCheckpoint, Store

QUERY = "application/timestamp-query"
REPLY = "application/timestamp-reply"


class BadStamp(ValueError):
    """It is no time-stamp of a pinned authority over these bytes; the message says why in a few words."""


class Authority:
    """Implements `ports.Place`: the stamp over a checkpoint is kept beside it. `certificates` are the pinned ones;
    an answer that they do not verify is no stamp."""

    def __init__(
        self,
        url: str,
        *,
        every_sec: float,
        certificates: Sequence[x509.Certificate],
        store: Store,
        clock: Clock,
        caller: Caller,
    ) -> None:
        self._url = url
        self._certificates = tuple(certificates)
        self._store = store
        self._clock = clock
        self._caller = caller
        self.name = place_name("authority", url)
        self.every_sec = every_sec

    async def publish(self, checkpoint: SealedCheckpoint) -> None:
        """Raises NotPublished."""
        asked = TimestampRequestBuilder(
            data=checkpoint.note.encode(), hash_algorithm=HashAlgorithm.SHA256
        ).build()
        headers = {"Content-Type": QUERY, "Accept": REPLY, "User-Agent": "signoff/1"}
        status, answer = await self._caller.post(self._url, asked.as_bytes(), headers)
        if status != 200:
            raise NotPublished(f"the time-stamping authority answered {status}")
        try:
            stamped_at(answer, checkpoint.note, self._certificates, nonce=asked.nonce)
        except BadStamp as problem:
            raise NotPublished(f"the time-stamping authority's answer is none: {problem}") from None
        async with self._store.writing() as tx:
            await tx.publications.stamp(checkpoint.size, answer, at=self._clock.now())


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file. Raises ValueError or OSError."""
    return tuple(x509.load_pem_x509_certificates(path.read_bytes()))


def stamped_at(
    answer: bytes, note: str, certificates: Sequence[x509.Certificate], *, nonce: int | None = None
) -> datetime:
    """When the authority says it saw exactly this note. Raises BadStamp, also where a certificate was not valid then.

    `certificates` are pinned: a chain has to end at one of them, or the signer be one of them.
    """
    response = _decoded(answer)
    if not certificates:
        raise BadStamp("no certificate of an authority is pinned")
    verifier = VerifierBuilder(roots=list(certificates), nonce=nonce).build()
    try:
        verifier.verify_message(response, note.encode())
        at = response.tst_info.gen_time
    except (VerificationError, ValueError) as problem:
        raise BadStamp(str(problem).partition("\n")[0] or type(problem).__name__) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _decoded(answer: bytes) -> TimeStampResponse:
    try:
        return decode_timestamp_response(answer)
    except ValueError:
        raise BadStamp("it is no RFC 3161 answer") from None
