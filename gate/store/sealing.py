"""Seals what is sensitive in an action's rows with a key of that action, and opens it again; which columns those are,
`rows.py` says, and where the keys that wrap these keys come from, the keyring.

Everything here is computed in memory and never waits, so that it may run wherever rows are made. A sealed text is
`s1.` and base64 of nonce and AES-256-GCM ciphertext. Its associated data is the action and the place of the text
(column, number, for a payload its digest), so that texts cannot be exchanged. The action's own key stands in its row,
wrapped by a key-encryption key and named by its id: without it nothing of the action opens any more.
"""

from __future__ import annotations

import hmac
import itertools
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gate.entropy import random_bytes
from gate.store.errors import UnreadableRow
from gate.store.opened import Opened

PREFIX = "s1."
KEY_BYTES = 32
_NONCE = 12
_SALT = 24


class SealingKeys(Protocol):
    """The key-encryption keys of a gate, each with an id that never has a dot in it."""

    @property
    def current(self) -> tuple[str, bytes]:
        """Id and key for what is written now."""
        ...

    @property
    def ids(self) -> Sequence[str]:
        """The ids of all of them."""
        ...

    def find(self, key_id: str) -> bytes | None:
        """The key of an id, None where this gate has none such."""
        ...

    @property
    def plain(self) -> bool:
        """Whether actions that were never sealed are read: there may be some from before there was a key."""
        ...


class Seal(Protocol):
    """What is known about one action's texts."""

    @property
    def data_key(self) -> str | None:
        """The wrapped key as it stands in the action's row."""
        ...

    def close(self, text: str, place: str) -> str:
        """The text as it is stored at this place."""
        ...

    def open(self, text: str, place: str, where: str) -> str:
        """The text that was stored. Raises `UnreadableRow` naming `where` for anything but what `close` made for it."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """The seal of an action that has no key: its texts are stored as they are."""

    data_key: str | None = None

    def close(self, text: str, place: str) -> str:
        return text

    def open(self, text: str, place: str, where: str) -> str:
        if text.startswith(PREFIX):
            raise UnreadableRow(where, "it is sealed, and its key is gone from its row")
        return text


@dataclass(frozen=True, slots=True)
class Locked:
    """The seal of an action with a key that this process cannot unwrap."""

    data_key: str
    why: str

    def close(self, text: str, place: str) -> str:
        raise UnreadableRow("An action", self.why)

    def open(self, text: str, place: str, where: str) -> str:
        raise UnreadableRow(where, self.why)


class Sealed:
    """The seal of an action with a key of its own."""

    __slots__ = ("_about", "_cipher", "data_key")

    def __init__(self, action_id: str, cipher: AESGCM, data_key: str) -> None:
        self._about = action_id
        self._cipher = cipher
        self.data_key = data_key

    def close(self, text: str, place: str) -> str:
        nonce = random_bytes(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, text.encode(), f"{self._about}/{place}".encode())
        return PREFIX + b2a_base64(sealed, newline=False).decode()

    def open(self, text: str, place: str, where: str) -> str:
        if not text.startswith(PREFIX):
            raise UnreadableRow(where, "it is not sealed as the rest of its action is")
        try:
            sealed = a2b_base64(text[len(PREFIX) :], strict_mode=True)
            about = f"{self._about}/{place}".encode()
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about).decode()
        except (InvalidTag, ValueError):
            raise UnreadableRow(
                where, "its seal is broken: it was changed, or belongs to another place"
            ) from None


class _Lost(Exception):
    """A wrapped key cannot be unwrapped; the message says why."""


class Sealer:
    """Makes and finds the seals of actions. Without keys everything is written plain and nothing sealed is read."""

    def __init__(self, keys: SealingKeys | None = None, *, kept: int = 8_192) -> None:
        self._keys = keys
        # Keys that were unwrapped lately: an action is mostly read again soon.
        self._unwrapped = lru_cache(maxsize=kept)(self._unwrap)
        self._openers = lru_cache(maxsize=256)(_opener)
        self.opened = Opened()
        # Random nonces would run out after some billions of keys; a salt of this process and a counter do not.
        self._salt = random_bytes(_SALT)
        self._numbers = itertools.count()

    def new(self, action_id: str) -> Seal:
        """The seal of a new action, with a new key."""
        if self._keys is None:
            return Plain()
        key = random_bytes(KEY_BYTES)
        return Sealed(action_id, AESGCM(key), self._wrap(self._keys, action_id, key))

    def of(self, action_id: str, data_key: str | None) -> Seal:
        """The seal of a stored action. Raises `UnreadableRow` where it has none though everything has."""
        if data_key is None:
            if self._keys is not None and not self._keys.plain:
                raise UnreadableRow(
                    f"Action {action_id}",
                    "it is not sealed, as everything here is; somebody has written it past the gate",
                )
            return Plain()
        try:
            return Sealed(action_id, self._unwrapped(action_id, data_key)[0], data_key)
        except _Lost as lost:
            return Locked(data_key, str(lost))

    def key_id(self) -> str | None:
        """The id of the key that wraps now; None without keys."""
        return None if self._keys is None else self._keys.current[0]

    def mark(self, subject: str) -> str:
        """What stands for a data subject where anybody may read it: nobody without the current key can tell who it is,
        not even by trying."""
        return _mark(subject, *(("", b"") if self._keys is None else self._keys.current))

    def marks(self, subject: str) -> tuple[str, ...]:
        """The marks of a data subject under every key there is."""
        if self._keys is None:
            return (self.mark(subject),)
        keys = ((key_id, self._keys.find(key_id)) for key_id in self._keys.ids)
        return tuple(_mark(subject, key_id, key) for key_id, key in keys if key is not None)

    def rewrapped(self, action_id: str, data_key: str) -> str:
        """The same key, wrapped by the key that wraps now. Raises `UnreadableRow` where it cannot be unwrapped."""
        if self._keys is None:
            return data_key
        try:
            return self._wrap(self._keys, action_id, self._unwrap(action_id, data_key)[1])
        except _Lost as lost:
            raise UnreadableRow(f"Action {action_id}", str(lost)) from None

    def _wrap(self, keys: SealingKeys, action_id: str, key: bytes) -> str:
        key_id, wrapping = keys.current
        nonce = next(self._numbers).to_bytes(_NONCE)
        wrapped = self._openers(wrapping, self._salt).encrypt(nonce, key, f"{key_id}/{action_id}".encode())
        return f"{key_id}.{b2a_base64(self._salt + nonce + wrapped, newline=False).decode()}"

    def _unwrap(self, action_id: str, data_key: str) -> tuple[AESGCM, bytes]:
        """The cipher and the key. Raises `_Lost`, which is not kept: the key may turn up."""
        if self._keys is None:
            raise _Lost("it is sealed, and the sealing keys were not given")
        key_id, _, packed = data_key.partition(".")
        wrapping = self._keys.find(key_id)
        if wrapping is None:
            raise _Lost(f"it is sealed under the key {key_id[:32]!r}, which is not in the keys folder")
        try:
            whole = a2b_base64(packed, strict_mode=True)
            salt, nonce, wrapped = whole[:_SALT], whole[_SALT : _SALT + _NONCE], whole[_SALT + _NONCE :]
            key = self._openers(wrapping, salt).decrypt(nonce, wrapped, f"{key_id}/{action_id}".encode())
            return AESGCM(key), key
        except (InvalidTag, ValueError):
            raise _Lost("the key of its seal was changed, or belongs to another action") from None


def _mark(subject: str, key_id: str, key: bytes) -> str:
    return (
        f"{key_id}.{hmac.digest(key, b'signoff data subjects' + bytes(1) + subject.encode(), 'sha256').hex()}"
    )


def _opener(wrapping: bytes, salt: bytes) -> AESGCM:
    """The cipher that wraps the keys of one process's actions."""
    return AESGCM(hmac.digest(wrapping, b"signoff data keys\x00" + salt, "sha256"))
