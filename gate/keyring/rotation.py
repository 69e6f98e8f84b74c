"""The gate's own keys by kind: which there are, and how each kind gets a successor; what they sign is elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gate.keyring import checkpoints, events, signer, webhooks
from gate.keyring.folder import KeyringError, read_or_create, read_secret

KINDS = ("grant", "checkpoint", "webhook", "events")
_NUMBER = re.compile(r"-([0-9]{4})\.")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyState:
    """A key file: `id` as it stands in what the key signs, `use` what becomes of it from the next start on."""

    kind: str
    id: str
    file: str
    use: str
    made_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    files: str
    id: Callable[[Path], str]
    older: str
    """What all but the newest do."""


def listed(folder: Path) -> tuple[KeyState, ...]:
    """Every key, by kind and age. Raises KeyringError."""
    found: list[KeyState] = []
    for kind, known in _KINDS.items():
        paths = _paths(folder, known)
        found += [
            _state(kind, path, known.id(path), "signs" if path == paths[-1] else known.older)
            for path in paths
        ]
        if kind == "checkpoint":
            found += [
                _state(kind, path, read_secret(path).decode().split("+")[1], "verifies")
                for path in sorted(folder.glob(checkpoints.RETIRED))
            ]
    return tuple(found)


def rotated(folder: Path, kind: str) -> KeyState:
    """Make the successor of the newest key of this kind. Raises KeyringError where there is none yet."""
    known = _KINDS[kind]
    paths = _paths(folder, known)
    if not paths:
        raise KeyringError(f"There is no {kind} key yet; the first start of the gate makes one.")
    last = _NUMBER.search(paths[-1].name)
    number = int(last[1]) if last is not None else 1
    stem, suffix = known.files.split("*")
    path = folder / f"{stem if stem.endswith('-') else stem + '-'}{number + 1:04d}{suffix}"
    read_or_create(path, _maker(folder, kind))
    return _state(kind, path, known.id(path), "signs")


def _paths(folder: Path, known: _Kind) -> list[Path]:
    return sorted(
        folder.glob(known.files), key=lambda path: (_NUMBER.search(path.name) is not None, path.name)
    )


def _maker(folder: Path, kind: str) -> Callable[[], bytes]:
    if kind == "checkpoint":
        name = checkpoints.load_checkpoint_signer(folder).origin
        return lambda: checkpoints.new_key(name)
    return {"grant": signer.new_key, "webhook": webhooks.new_secret, "events": events.new_secret}[kind]


def _state(kind: str, path: Path, key_id: str, use: str) -> KeyState:
    made_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return KeyState(kind=kind, id=key_id, file=path.name, use=use, made_at=made_at)


def _webhook_id(path: Path) -> str:
    return events.key_id_of(read_secret(path).strip())


_KINDS = {
    "grant": _Kind(files=signer.FILES, id=signer.key_id, older="verifies"),
    "checkpoint": _Kind(
        files=checkpoints.FILES,
        id=lambda path: read_secret(path).decode().split("+")[3],
        older="signs as well",
    ),
    "webhook": _Kind(files=webhooks.FILES, id=_webhook_id, older="signs as well"),
    "events": _Kind(
        files=events.FILES, id=lambda path: events.key_id_of(events.read_event_key(path)), older="is kept"
    ),
}
