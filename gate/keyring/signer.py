"""Signs grants and reads them back with pinned keys; what a grant means is for others to say."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from gate.keyring.folder import KeyringError, open_folder, read_or_create, read_secret

ALGORITHM = "Ed25519"
"""The fully specified name of RFC 9864; the older, ambiguous `EdDSA` is neither written nor accepted."""
TYPE = "signoff-grant+jwt"
_CURVE = "Ed25519"
_LONGEST = 65_536
_SHORT = 4_096
_LATELY = 1_024
"""Tokens remembered, and how long the claims of each may be."""
FILES = "grant-*.jwk"
_FIRST = "grant-0001.jwk"


class GrantSigner:
    """Implements `ports.Signer` with the keys it is given: the last one signs, every one of them verifies.

    `added` gives keys that were made since, so that a replica verifies, and publishes, what one that was started later
    signs with; it goes on signing with its own until it is started anew.
    """

    def __init__(self, keys: list[OKPKey], *, added: Callable[[], list[OKPKey]] = list) -> None:
        if not keys:
            raise KeyringError("There is no grant key to sign with.")
        self._registry = jws.JWSRegistry(algorithms=[ALGORITHM])
        self._by_header = {_header_segment(key, self._registry): key for key in keys}
        current = keys[-1]
        self._prefix = f"{_header_segment(current, self._registry)}."
        private = current.get_op_key("sign")
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyringError(f"The last grant key is not a private {_CURVE} key.")
        self._sign = private.sign
        self._own: dict[str, bytes] = {}
        self._added = added

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWS over the claims as JSON. The header is always the same, so what is left of RFC 7515 is to join
        it with the body and to sign both."""
        body = _json(claims)
        signed = f"{self._prefix}{_base64url(body)}"
        token = f"{signed}.{_base64url(self._sign(signed.encode()))}"
        if len(body) <= _SHORT:
            self._own[token] = body
            if len(self._own) > _LATELY:
                del self._own[next(iter(self._own))]
        return token

    def verify(self, token: str) -> Mapping[str, Any] | None:
        """The claims of a token that one of these keys signed; None for anything else, and never an exception.

        The header has to be, byte for byte, the one this gate writes for one of its keys. So no `alg`, `typ`,
        `kid`, `crit`, `jwk` or `b64` of a stranger's making is ever interpreted (threat 13). What was signed here
        lately is known by every one of its characters.
        """
        body = self._own.get(token)
        if body is not None:
            claims: dict[str, Any] = json.loads(body)
            return claims
        if len(token) > _LONGEST or not token.isascii() or token.count(".") != 2:
            return None
        header = token.partition(".")[0]
        if header not in self._by_header:
            self._look_for_added()
        key = self._by_header.get(header)
        if key is None:
            return None
        try:
            signed = jws.deserialize_compact(token, key, registry=self._registry)
            found = json.loads(signed.payload)
        except (JoseError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def _look_for_added(self) -> None:
        self._by_header |= {_header_segment(key, self._registry): key for key in self._added()}

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517), for verifying offline; those made since the start among them."""
        self._look_for_added()
        return {
            "keys": [
                {**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM, "kid": key.thumbprint()}
                for key in self._by_header.values()
            ]
        }


def _json(claims: Mapping[str, Any]) -> bytes:
    """ValueError for what is no number: the fast encoder would write null, and a constraint would be gone."""
    packed = orjson.dumps(claims, option=orjson.OPT_SORT_KEYS)
    return _STRICT.encode(claims).encode() if b"null" in packed else packed


_STRICT = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


class _Added:
    """Reads a key file that was not there before; one that cannot be read yet is read the next time."""

    def __init__(self, folder: Path, known: Iterable[Path]) -> None:
        self._folder = folder
        self._known = set(known)

    def __call__(self) -> list[OKPKey]:
        found: list[OKPKey] = []
        for path in sorted(set(self._folder.glob(FILES)) - self._known):
            with suppress(KeyringError):
                found.append(_parse(path))
                self._known.add(path)
        return found


def load_signer(folder: Path) -> GrantSigner:
    """The signer over `grant-*.jwk` in the keys folder, by name; the first start makes one. Raises KeyringError."""
    open_folder(folder)
    if not any(folder.glob(FILES)):
        read_or_create(folder / _FIRST, new_key)
    paths = sorted(folder.glob(FILES))
    return GrantSigner([_parse(path) for path in paths], added=_Added(folder, paths))


def key_id(path: Path) -> str:
    """The `kid` of the key in a file. Raises KeyringError."""
    return _parse(path).thumbprint()


def new_key() -> bytes:
    """The file of a new key."""
    return json.dumps(OKPKey.generate_key(_CURVE).as_dict(private=True)).encode()


def _parse(path: Path) -> OKPKey:
    try:
        key = OKPKey.import_key(json.loads(read_secret(path)))
    except (ValueError, JoseError, TypeError, KeyError):
        raise KeyringError(f"The key file {path} holds no JSON Web Key; restore it from a backup.") from None
    if key.curve_name != _CURVE or not key.is_private:
        raise KeyringError(f"The key file {path} holds no private {_CURVE} key; restore it from a backup.")
    return key


def _header(key: OKPKey) -> dict[str, Any]:
    return {"alg": ALGORITHM, "typ": TYPE, "kid": key.thumbprint()}


def _header_segment(key: OKPKey, registry: jws.JWSRegistry) -> str:
    return jws.serialize_compact(_header(key), b"{}", key, registry=registry).partition(".")[0]
