"""The public keys that grants are signed with, as RFC 7517 and RFC 8037 write them."""

from __future__ import annotations

from gate.contract.action import Answer


class Jwk(Answer):
    """One Ed25519 public key."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str = "sig"
    alg: str = "Ed25519"


class JwkSet(Answer):
    """All keys that live grants may be signed with, the one in use first."""

    keys: list[Jwk]
