"""Keys and checkpoints of the record as people keep them in files; a sentence and the end where they are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gate.cli.output import Exit, fail
from gate.cli.session import explained, settings
from gate.domain.checkpoint import Checkpoint, Malformed, PublicKey, opened, parse_public_key
from gate.keyring.checkpoints import is_signature, load_checkpoint_signer


def own_keys(*, as_json: bool) -> tuple[PublicKey, ...]:
    """Those of the keys folder."""
    with explained(as_json=as_json):
        return load_checkpoint_signer(settings(as_json=as_json).keys).keys


def given_keys(given: list[str], *, as_json: bool) -> tuple[PublicKey, ...]:
    """Keys as `--key` takes them: each written out, or a file of them."""
    texts: list[str] = []
    for each in given:
        path = Path(each)
        texts += path.read_text(encoding="utf-8").split() if path.is_file() else [each]
    try:
        return tuple(map(parse_public_key, texts))
    except Malformed as problem:
        fail(
            f"--key is no public key of a record: {problem}.", code=Exit.USAGE, as_json=as_json, kind="usage"
        )


def kept_checkpoints(paths: list[Path], keys: tuple[PublicKey, ...], *, as_json: bool) -> list[Checkpoint]:
    """The checkpoints in files and folders, each signed by one of the keys."""
    found: list[Checkpoint] = []
    for path in _files(paths):
        try:
            note = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            fail(f"{path} cannot be read.", code=Exit.CANNOT, as_json=as_json, kind="checkpoint")
        found.append(opened_note(note, keys, str(path), as_json=as_json))
    return found


def _files(paths: list[Path]) -> Iterator[Path]:
    """A folder stands for every checkpoint in it, as GATE_CHECKPOINTS_FOLDER keeps them."""
    for path in paths:
        yield from sorted(path.glob("*.checkpoint")) if path.is_dir() else (path,)


def opened_note(note: str, keys: tuple[PublicKey, ...], where: str, *, as_json: bool) -> Checkpoint:
    """The checkpoint of a signed note; `where` says which one it is."""
    try:
        return opened(note, keys, is_signature)
    except Malformed as problem:
        fail(
            f"{where} is no checkpoint of this record: {problem}.",
            code=Exit.CANNOT,
            as_json=as_json,
            kind="checkpoint",
        )
