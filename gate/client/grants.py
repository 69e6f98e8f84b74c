"""Verifies a grant with public keys alone, as an executor does before it asks the gate, who alone knows single use.

One algorithm, keys named by their own thumbprint, and a header with nothing else in it: whatever a stranger writes
there (`alg`, `crit`, `jwk`, `jku`, `b64`) is refused before anything of it is looked at (threat 13).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate.client.errors import GrantInvalid
from gate.contract.canonical import SAFE_INTEGER, Json, NotCanonical, canonical, parse
from gate.contract.fields import JsonObject, Sha256

ALGORITHM = "Ed25519"
TYPE = "signoff-grant+jwt"
ISSUER = "signoff"
"""What a gate calls itself in its grants."""
AUDIENCE = "executors"
"""Whom a grant is for where neither the action nor its rule says."""
LEEWAY = 5.0
"""Seconds by which this machine's clock may differ from the gate's."""

_LONGEST = 65_536
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM])
_Seconds = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
Keys = Mapping[str, OKPKey]
"""Public keys by their RFC 7638 thumbprint."""


class _Claims(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    iss: str
    aud: str  # one executor; a list would be a grant for several
    jti: Annotated[str, Field(min_length=1)]
    iat: _Seconds
    nbf: _Seconds
    exp: _Seconds
    act: Annotated[str, Field(min_length=1)]
    ver: Annotated[int, Field(ge=1)]
    payload_sha256: Sha256
    policy_digest: str
    rule: str
    constraints: JsonObject = {}
    leaf: Sha256 | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What a verified grant permits. Times are seconds since the epoch. It says nothing about having been used."""

    id: str
    action: str
    version: int
    payload_sha256: str
    policy_digest: str
    rule: str
    constraints: Mapping[str, Json]
    issued_at: int
    expires_at: int
    leaf: str | None = None
    """The leaf hash of the record that released it: `GET /v1/audit/proof/inclusion?record=` proves it is on record.
    None where an older gate signed it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A payload turned into bytes: its digest is of exactly these, and what is executed is read back from them, so
    that nothing that happens to the original between the two can matter (INV-21)."""

    text: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text).hexdigest()

    def open(self) -> dict[str, Json]:
        """A fresh copy. Numbers are as RFC 8785 writes them, so that equal digests run alike: 5.0 becomes 5."""
        return json.loads(self.text, parse_int=_number)


def seal(payload: Mapping[str, Json]) -> Sealed:
    """The payload as it stands now; NotCanonical where it is no JSON."""
    return Sealed(canonical(dict(payload)))


def read_keys(document: Json, *, pinned: frozenset[str] | None = None) -> Keys:
    """The usable keys of a JWK set: public Ed25519 keys for signatures, named by their own thumbprint, and pinned
    where there are pins. Anything else in the set is passed over."""
    listed = document.get("keys") if isinstance(document, dict) else None
    found: dict[str, OKPKey] = {}
    for item in listed if isinstance(listed, list) else []:
        key = _key(item)
        if key is not None and (pinned is None or item["kid"] in pinned):
            found[item["kid"]] = key
    return found


def signing_key(token: str) -> str:
    """The `kid` of a token with exactly the header a gate writes; GrantInvalid for any other."""
    if len(token) > _LONGEST or not token.isascii():
        raise GrantInvalid("malformed")
    segments = token.split(".")
    if len(segments) != 3 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise GrantInvalid("malformed")
    try:
        header = parse(base64.urlsafe_b64decode(segments[0] + "=" * (-len(segments[0]) % 4)))
    except (NotCanonical, binascii.Error, ValueError):
        raise GrantInvalid("malformed") from None
    expected = {"alg": ALGORITHM, "typ": TYPE}
    kid = header.get("kid") if isinstance(header, dict) else None
    if not isinstance(kid, str) or header != {**expected, "kid": kid}:
        raise GrantInvalid("header")
    return kid


def verify(
    token: str,
    payload: Sealed,
    keys: Keys,
    *,
    audience: str,
    now: float,
    issuer: str = ISSUER,
    leeway: float = LEEWAY,
) -> Grant:
    """The grant, if it permits this audience to execute this payload now; GrantInvalid otherwise (INV-20, INV-21)."""
    key = keys.get(signing_key(token))
    if key is None:
        raise GrantInvalid("unknown_key")
    claims = _signed(token, key)
    if claims.iss != issuer:
        raise GrantInvalid("issuer")
    if claims.aud != audience:
        raise GrantInvalid("audience")
    if now >= claims.exp + leeway or claims.exp <= claims.nbf:
        raise GrantInvalid("expired")
    if now < max(claims.nbf, claims.iat) - leeway:
        raise GrantInvalid("not_yet")
    if claims.payload_sha256 != payload.sha256:
        raise GrantInvalid("payload")
    return Grant(
        id=claims.jti,
        action=claims.act,
        version=claims.ver,
        payload_sha256=claims.payload_sha256,
        policy_digest=claims.policy_digest,
        rule=claims.rule,
        constraints=claims.constraints,
        issued_at=claims.iat,
        expires_at=claims.exp,
        leaf=claims.leaf,
    )


def _signed(token: str, key: OKPKey) -> _Claims:
    try:
        body = jws.deserialize_compact(token, key, registry=_REGISTRY).payload
    except (JoseError, ValueError):
        raise GrantInvalid("signature") from None
    try:
        return _Claims.model_validate(parse(body))
    except (NotCanonical, ValidationError):
        raise GrantInvalid("claims") from None


def _key(item: Any) -> OKPKey | None:
    if not isinstance(item, dict) or "d" in item:
        return None
    if (item.get("kty"), item.get("crv"), item.get("alg")) != ("OKP", ALGORITHM, ALGORITHM):
        return None
    if item.get("use", "sig") != "sig" or not isinstance(item.get("x"), str):
        return None
    try:
        key = OKPKey.import_key({"kty": "OKP", "crv": ALGORITHM, "x": item["x"]})
        named = key.thumbprint()
    except (JoseError, ValueError, TypeError):
        return None
    return key if item.get("kid") == named else None


def _number(digits: str) -> int | float:
    number = int(digits)
    return number if -SAFE_INTEGER <= number <= SAFE_INTEGER else float(digits)
