"""Checkpoints of the audit record, as C2SP tlog-checkpoint and signed-note write them; it computes no signatures.

A checkpoint says how many records there are and what the root of their Merkle tree is. Signed and kept elsewhere, it
shows later whether what is there now began as it says. Text that is not exactly of this form is refused: two
readers must never understand one note differently.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gate.domain.merkle import HASH_BYTES

ED25519 = b"\x01"
"""The signature type of signed-note for Ed25519."""
KEY_BYTES = 32
MOST_SIGNATURES = 100
LONGEST_NOTE = 1_000_000
_ID_BYTES = 4
_DASH = "\u2014 "
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_KEY_ID = re.compile(r"[0-9a-f]{8}")

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) -> whether it is that key's signature of it."""


class Malformed(ValueError):
    """The text is no checkpoint, note or key of the expected form; the message says in a few words why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """The head of a record: `origin` names the record it is of, `extensions` are further lines of its text."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text that is signed. Raises Malformed where it could not be read back."""
        root = base64.b64encode(self.root).decode()
        text = "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))
        if parse_checkpoint(text) != self:
            raise Malformed("it would be read as another checkpoint")
        return text


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in the text of a note. Raises Malformed."""
    if not text.endswith("\n"):
        raise Malformed("it does not end with a newline")
    lines = text[:-1].split("\n")
    if len(lines) < 3:
        raise Malformed("it has fewer than three lines")
    if not all(lines):
        raise Malformed("it has an empty line")
    _refuse_control_characters(text)
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size):
        raise Malformed("its second line is no size")
    return Checkpoint(
        origin=origin,
        size=int(size),
        root=_unpacked(root, HASH_BYTES, "its third line is no root"),
        extensions=tuple(extensions),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicKey:
    """An Ed25519 key that signs notes, with the name it signs under."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """What a signature names its key by."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:_ID_BYTES]

    def text(self) -> str:
        """The form in which verifiers are given it: name, id and key."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"


def parse_public_key(text: str) -> PublicKey:
    """What `PublicKey.text` wrote. Raises Malformed for anything else, also where the id is another key's."""
    name, _, rest = text.partition("+")
    key_id, _, packed = rest.partition("+")
    _refuse_bad_name(name)
    data = _unpacked(packed, 1 + KEY_BYTES, "it holds no Ed25519 key")
    key = PublicKey(name=name, public=data[1:])
    if data[:1] != ED25519:
        raise Malformed("it holds no Ed25519 key")
    if not _KEY_ID.fullmatch(key_id) or bytes.fromhex(key_id) != key.id:
        raise Malformed("its id is not that of its key")
    return key


@dataclass(frozen=True, kw_only=True, slots=True)
class NoteSignature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """A text and who says to have signed it; `signers` finds out who did."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def whole(self) -> str:
        """The note as it is sent and kept. Raises Malformed where it could not be read back."""
        whole = f"{self.text}\n{''.join(signature.line() for signature in self.signatures)}"
        if parse_note(whole) != self:
            raise Malformed("it would be read as another note")
        return whole


def parse_note(whole: str) -> Note:
    """A note's text and signatures, none of them verified. Raises Malformed."""
    if len(whole) > LONGEST_NOTE:
        raise Malformed("it is too long")
    _refuse_control_characters(whole)
    text, separator, signed = whole.rpartition("\n\n")
    if not separator or not signed.endswith("\n"):
        raise Malformed("it has no signatures")
    lines = signed[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise Malformed("it has too many signatures")
    return Note(text=f"{text}\n", signatures=tuple(map(_parse_signature, lines)))


def signers(note: Note, keys: Iterable[PublicKey], verify: Verify) -> tuple[PublicKey, ...]:
    """Which of these keys signed the note; signatures of other keys are passed over.

    A signature that names one of them and is not its own spoils the whole note: Malformed.
    """
    known = {(key.name, key.id): key for key in keys}
    found: dict[tuple[str, bytes], PublicKey] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not verify(key.public, signature.signature, note.text.encode()):
            raise Malformed(f"the signature in the name of {key.name} is not its own")
        found[(key.name, key.id)] = key
    return tuple(found.values())


def opened(whole: str, keys: Sequence[PublicKey], verify: Verify) -> Checkpoint:
    """The checkpoint of a note that at least one of these keys signed under its own origin. Raises Malformed."""
    note = parse_note(whole)
    signed_by = signers(note, keys, verify)
    if not signed_by:
        raise Malformed("none of the known keys signed it")
    checkpoint = parse_checkpoint(note.text)
    if all(key.name != checkpoint.origin for key in signed_by):
        raise Malformed(f"it is of {checkpoint.origin}, which none of its signers is")
    return checkpoint


def _parse_signature(line: str) -> NoteSignature:
    if not line.startswith(_DASH):
        raise Malformed("a signature line does not begin with a dash")
    name, _, packed = line.removeprefix(_DASH).partition(" ")
    _refuse_bad_name(name)
    data = _unpacked(packed, None, "a signature is not base64")
    if len(data) <= _ID_BYTES:
        raise Malformed("a signature is too short")
    return NoteSignature(name=name, key_id=data[:_ID_BYTES], signature=data[_ID_BYTES:])


def _unpacked(text: str, length: int | None, problem: str) -> bytes:
    """Standard base64 in its one canonical spelling."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Malformed(problem) from None
    if base64.b64encode(data).decode() != text or (length is not None and len(data) != length):
        raise Malformed(problem)
    return data


def _refuse_bad_name(name: str) -> None:
    if not name or "+" in name or any(letter.isspace() for letter in name):
        raise Malformed("a key's name is empty, or has white space or a plus sign in it")
    _refuse_control_characters(name)


def _refuse_control_characters(text: str) -> None:
    if any(letter < " " and letter != "\n" for letter in text):
        raise Malformed("it has a control character in it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed("it is not UTF-8") from None
