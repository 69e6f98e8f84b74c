"""The key that every record shown to other systems is authenticated with: HMAC-SHA256 over its canonical bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from pathlib import Path

from gate.keyring.folder import KeyringError, open_folder, read_or_create, read_secret

FILES = "events-*.secret"
_FIRST = "events-0001.secret"
_BYTES = 32


class EventSeal:
    """Knows one key and its id; whoever was given the key can tell records of this gate from others."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.id = key_id_of(key)

    def __call__(self, canonical: bytes) -> tuple[str, str]:
        """(id of the key, HMAC-SHA256 in hex)."""
        return self.id, hmac.new(self._key, canonical, hashlib.sha256).hexdigest()


def load_event_seal(folder: Path) -> EventSeal:
    """The newest of `events-*.secret` in the keys folder; the first start makes one. Raises KeyringError."""
    open_folder(folder)
    if not any(folder.glob(FILES)):
        read_or_create(folder / _FIRST, new_secret)
    return EventSeal(read_event_key(sorted(folder.glob(FILES))[-1]))


def read_event_key(path: Path) -> bytes:
    """Raises KeyringError."""
    text = read_secret(path).decode("utf-8", "replace").strip()
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) < _BYTES:
        raise KeyringError(f"The file {path} holds no key for events (at least 32 bytes in base64).")
    return key


def key_id_of(key: bytes) -> str:
    """Names a key without telling it."""
    return hashlib.sha256(b"signoff events key\0" + key).hexdigest()[:16]


def new_secret() -> bytes:
    """The file of a new key."""
    return base64.b64encode(secrets.token_bytes(_BYTES)) + b"\n"
