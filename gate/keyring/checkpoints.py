"""Signs checkpoints of the audit record with a key of their own; what a checkpoint says is `domain.checkpoint`'s.

A key file holds one line in the form that Go's note package gives private keys, so that other tools read it as well.
Its name is made with it and stands in every checkpoint: it tells this record from all others.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gate.domain.checkpoint import (
    ED25519,
    KEY_BYTES,
    Malformed,
    Note,
    NoteSignature,
    PublicKey,
    parse_public_key,
)
from gate.keyring.folder import KeyringError, open_folder, read_or_create, read_secret

FILES = "checkpoint-*.key"
RETIRED = "checkpoint-*.pub"
_FIRST = "checkpoint-0001.key"
_PREFIX = "PRIVATE+KEY+"


class CheckpointSigner:
    """Implements `ports.Notary`: each of its keys signs, so that whoever knows one of them can go on verifying while
    the next one is told. `retired` keys sign no more; what they signed stays signed."""

    def __init__(
        self, keys: Sequence[tuple[PublicKey, Ed25519PrivateKey]], retired: Sequence[PublicKey] = ()
    ) -> None:
        if not keys:
            raise KeyringError("There is no checkpoint key to sign with.")
        self.keys = (*retired, *(public for public, _ in keys))
        self._signing = tuple(keys)

    @property
    def origin(self) -> str:
        """The name of the record."""
        return self._signing[-1][0].name

    def sign(self, text: str) -> str:
        """The text as a note, the signature of the newest key first."""
        signatures = tuple(
            NoteSignature(name=public.name, key_id=public.id, signature=private.sign(text.encode()))
            for public, private in reversed(self._signing)
        )
        return Note(text=text, signatures=signatures).whole()


def is_signature(public: bytes, signature: bytes, message: bytes) -> bool:
    """Implements `domain.checkpoint.Verify` for Ed25519; never an exception."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def load_checkpoint_signer(folder: Path) -> CheckpointSigner:
    """The signer over `checkpoint-*.key` in the keys folder, by name; the first start makes one. Raises KeyringError.

    Keys of one record have one name: a successor is made with the name of the first.
    """
    open_folder(folder)
    if not any(folder.glob(FILES)):
        read_or_create(folder / _FIRST, lambda: new_key(f"signoff/{secrets.token_hex(8)}"))
    keys = [_parse(path) for path in sorted(folder.glob(FILES))]
    retired = [_retired(path) for path in sorted(folder.glob(RETIRED))]
    if len({public.name for public in (*retired, *(public for public, _ in keys))}) > 1:
        raise KeyringError(
            f"The checkpoint keys in {folder} have different names; keep those of this gate's record only."
        )
    return CheckpointSigner(keys, retired)


def new_key(name: str) -> bytes:
    """The file of a new key of this name."""
    seed = secrets.token_bytes(KEY_BYTES)
    public = _public_of(name, Ed25519PrivateKey.from_private_bytes(seed))
    packed = base64.b64encode(ED25519 + seed).decode()
    return f"{_PREFIX}{name}+{public.id.hex()}+{packed}\n".encode()


def _retired(path: Path) -> PublicKey:
    try:
        return parse_public_key(read_secret(path).decode("utf-8", "replace").strip())
    except Malformed:
        raise KeyringError(f"The file {path} holds no public key of a record.") from None


def _parse(path: Path) -> tuple[PublicKey, Ed25519PrivateKey]:
    line = read_secret(path).decode("utf-8", "replace").removesuffix("\n")
    try:
        if not line.startswith(_PREFIX):
            raise Malformed("no private key")
        # A private key has the form of a public one, with the seed in place of the key and the id of the key.
        name, key_id, packed = line.removeprefix(_PREFIX).split("+", 2)
        data = base64.b64decode(packed.encode("ascii"), validate=True)
        if data[:1] != ED25519:
            raise Malformed("not Ed25519")
        private = Ed25519PrivateKey.from_private_bytes(data[1:])
        public = parse_public_key(_public_of(name, private).text())
        if public.id.hex() != key_id:
            raise Malformed("its id is another key's")
    except ValueError:
        raise KeyringError(
            f"The key file {path} holds no checkpoint key; restore it from a backup."
        ) from None
    return public, private


def _public_of(name: str, private: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(name=name, public=private.public_key().public_bytes_raw())
