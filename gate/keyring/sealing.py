"""The keys that wrap the keys of actions: where they lie, and how a key service may keep them; it seals nothing.

A key file holds one JSON object: the key's id, who keeps it, and the key. Kept by `file` it is the key itself; kept by
`command` it is what the program of GATE_KEY_COMMAND made of it, worth nothing without that program.
"""

from __future__ import annotations

import base64
import json
import secrets
import shlex
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from gate.keyring.folder import KeyringError, open_folder, read_or_create, read_secret

KEY_BYTES = 32
COMMAND_SEC = 30
"""How long the program of a key service may take."""
_FILES = "sealing-*.key"
_SEALED = "sealed-only"
_AGAIN_SEC = 1.0


class KeyService(Protocol):
    """Something that keeps keys better than a file: it makes of a key what may lie in a file, and the key again."""

    @property
    def name(self) -> str:
        """What stands in the file as its keeper."""
        ...

    def wrap(self, key_id: str, key: bytes) -> bytes:
        """Raises KeyringError where it cannot."""
        ...

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Raises KeyringError where it cannot."""
        ...


class InTheFile:
    """Keeps the key in its file as it is; the file's mode is all that protects it."""

    name = "file"

    def wrap(self, key_id: str, key: bytes) -> bytes:
        return key

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        return wrapped


class ByCommand:
    """Asks a program: `PROGRAM wrap KEY_ID` and `PROGRAM unwrap KEY_ID`, base64 in and base64 out."""

    name = "command"

    def __init__(self, command: str) -> None:
        self._command = shlex.split(command)

    def wrap(self, key_id: str, key: bytes) -> bytes:
        return self._asked("wrap", key_id, key)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        return self._asked("unwrap", key_id, wrapped)

    def _asked(self, verb: str, key_id: str, given: bytes) -> bytes:
        name = self._command[0] if self._command else ""
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own program
                [*self._command, verb, key_id],
                input=base64.b64encode(given),
                capture_output=True,
                timeout=COMMAND_SEC,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise KeyringError(
                f"GATE_KEY_COMMAND: {name} {verb} gave no answer in {COMMAND_SEC} s."
            ) from None
        except (OSError, IndexError) as error:
            raise KeyringError(f"GATE_KEY_COMMAND: {name} cannot be run: {type(error).__name__}.") from None
        if done.returncode != 0:
            raise KeyringError(f"GATE_KEY_COMMAND: {name} {verb} {key_id} ended with {done.returncode}.")
        try:
            return base64.b64decode(done.stdout.strip(), validate=True)
        except ValueError:
            raise KeyringError(f"GATE_KEY_COMMAND: {name} {verb} did not answer in base64.") from None


class SealingKeyring:
    """Implements `store.sealing.SealingKeys`: the last of the files is the current key, each of them opens.

    A key that another process has added since is found when something sealed under it is read.
    """

    def __init__(self, folder: Path, service: KeyService) -> None:
        self._folder = folder
        self._service = service
        self._turn = threading.Lock()
        self._looked = 0.0
        self._plain = not (folder / _SEALED).exists()
        self._keys = self._read({})

    @property
    def current(self) -> tuple[str, bytes]:
        key_id = next(reversed(self._keys))
        return key_id, self._keys[key_id]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys; the last is the current one."""
        return tuple(self._keys)

    def find(self, key_id: str) -> bytes | None:
        found = self._keys.get(key_id)
        if found is None:
            with self._turn:
                if time.monotonic() - self._looked >= _AGAIN_SEC:
                    self._keys = self._read(self._keys)
            found = self._keys.get(key_id)
        return found

    @property
    def plain(self) -> bool:
        return self._plain

    def refuse_plain(self) -> None:
        """Note in the folder that everything is sealed: what is not was written past the gate, and is refused."""
        read_or_create(self._folder / _SEALED, lambda: b"What is not sealed is refused.\n")
        self._plain = False

    def rotate(self) -> str:
        """Make a key that becomes the current one, and say its id."""
        last = sorted(self._folder.glob(_FILES))[-1].stem
        number = last.removeprefix("sealing-")
        if not number.isdecimal():
            raise KeyringError(
                f"{last}.key has no number in its name; name the sealing keys sealing-0001.key and so on."
            )
        path = self._folder / f"sealing-{int(number) + 1:04d}.key"
        read_or_create(path, lambda: _new_key(self._service))
        self._keys = self._read(self._keys)
        return self.current[0]

    def _read(self, known: dict[str, bytes]) -> dict[str, bytes]:
        self._looked = time.monotonic()
        found: dict[str, bytes] = {}
        for path in sorted(self._folder.glob(_FILES)):
            key_id, key = self._one(path, known)
            if key_id in found:
                raise KeyringError(f"{path} holds the same key as another file; remove one of them.")
            found[key_id] = key
        return found

    def _one(self, path: Path, known: dict[str, bytes]) -> tuple[str, bytes]:
        damaged = KeyringError(f"The key file {path} holds no sealing key; restore it from a backup.")
        try:
            body: Any = json.loads(read_secret(path))
            key_id, keeper, packed = str(body["id"]), body["by"], base64.b64decode(body["key"], validate=True)
        except (ValueError, TypeError, KeyError):
            raise damaged from None
        if not key_id.isalnum() or not key_id.isascii():
            raise damaged
        if key_id in known:
            return key_id, known[key_id]
        if keeper == InTheFile.name:
            key = packed
        elif keeper == self._service.name:
            key = self._service.unwrap(key_id, packed)
        else:
            raise KeyringError(f"The key in {path} is kept by a {keeper}; set GATE_KEY_COMMAND to use it.")
        if len(key) != KEY_BYTES:
            raise damaged
        return key_id, key


def load_sealing_keys(folder: Path, command: str | None = None) -> SealingKeyring:
    """The keys `sealing-*.key` in the keys folder; the first start makes one. Raises KeyringError.

    With a command new keys are kept by it; those that were made without one are read all the same.
    """
    open_folder(folder)
    service: KeyService = InTheFile() if command is None else ByCommand(command)
    if not any(folder.glob(_FILES)):
        read_or_create(folder / "sealing-0001.key", lambda: _new_key(service))
    return SealingKeyring(folder, service)


def _new_key(service: KeyService) -> bytes:
    key_id, key = secrets.token_hex(8), secrets.token_bytes(KEY_BYTES)
    packed = base64.b64encode(service.wrap(key_id, key)).decode()
    return json.dumps({"id": key_id, "by": service.name, "key": packed}).encode() + b"\n"
