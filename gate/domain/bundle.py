"""An audit bundle as text: one JSON object a line, everything a verifier needs; where it comes from is not known here.

The first line says what it is. Then come the public keys, checkpoints, time-stamps, policy sets and numbered records,
in any number and each on a line of its own. The last line says how many records there were, so a cut file is noticed.
A bundle of a stretch of the record also says where it starts, and brings the tree as it was there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gate.domain.merkle import EMPTY, HASH_BYTES, Frontier
from gate.domain.verification import KeptLeaf

NAME = "signoff audit bundle"
FORMAT = 1
OF_A_STRETCH = 2
"""The format of bundles that do not start at the first record; older versions refuse it."""


class NotABundle(ValueError):
    """The text is not of this form; the message names the line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """`origin` names the record, `size` is how many records were numbered, `at` when it was written. Where it does not
    start at the first record, `start` is the tree of those before."""

    origin: str
    size: int
    at: str
    start: Frontier = EMPTY


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A public key in the form of signed notes."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """A signed checkpoint, whole."""

    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamped:
    """An authority's time-stamp (RFC 3161) over a signed checkpoint: its answer, and the note it is over, whole."""

    note: str
    answer: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A policy set by its digest, whole."""

    digest: str
    version: str
    documents: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """How many records the bundle holds."""

    records: int


Line = Beginning | Key | Signed | Stamped | Policy | KeptLeaf | End


def written(line: Line) -> str:
    """The line with its newline."""
    return json.dumps(_body(line), ensure_ascii=False, separators=(",", ":")) + "\n"


def _body(line: Line) -> dict[str, Any]:
    match line:
        case Beginning():
            whole = {"bundle": NAME, "v": FORMAT, "origin": line.origin, "size": line.size, "at": line.at}
            if not line.start.size:
                return whole
            roots = [root.hex() for root in line.start.roots]
            return whole | {"v": OF_A_STRETCH, "start": line.start.size, "frontier": roots}
        case Key():
            return {"key": line.text}
        case Signed():
            return {"checkpoint": line.note}
        case Stamped():
            return {"stamp": base64.b64encode(line.answer).decode(), "over": line.note}
        case Policy():
            return {"policy": line.digest, "version": line.version, "documents": line.documents}
        case KeptLeaf():
            body: dict[str, Any] = {"leaf": line.position, "record": line.record, "hash": line.hash.hex()}
            try:
                return body | {"canonical": None if line.canonical is None else line.canonical.decode()}
            except UnicodeDecodeError:
                return body | {"bytes": (line.canonical or b"").hex()}
        case End():
            return {"end": line.records}


def read(lines: Iterable[str], *, leaves: bool = True) -> Iterator[Line]:
    """What `written` wrote, line by line; without `leaves` the numbered records are passed over unread. Raises
    NotABundle, also where the end is missing."""
    number, last = 0, None
    for number, text in enumerate(lines, 1):
        if isinstance(last, End):
            raise NotABundle(f"line {number} comes after the end")
        if not leaves and number > 1 and text.startswith(_LEAF):
            last = None
            continue
        last = _line(text, number)
        if (number == 1) is not isinstance(last, Beginning):
            raise NotABundle(
                f"line {number} is no audit bundle's" if number == 1 else f"line {number} begins again"
            )
        yield last
    if not isinstance(last, End):
        raise NotABundle(f"it breaks off after line {number}")


_LEAF = '{"leaf":'


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A numbered record of one action, as its bytes tell it."""

    position: int
    kind: str
    actor: str
    at: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tale:
    """What a bundle knows of one action: its records in their order, and the policy sets that they name, whole."""

    records: tuple[Told, ...]
    policies: tuple[Policy, ...]


def tale(lines: Iterable[Line], action: str) -> Tale:
    """What lines of a bundle tell of one action; no records where it is not in it. Whether they may be believed is
    for `Examination` to say."""
    records: list[Told] = []
    policies: dict[str, Policy] = {}
    for line in lines:
        if isinstance(line, Policy):
            policies[line.digest] = line
        elif isinstance(line, KeptLeaf) and line.canonical is not None and action.encode() in line.canonical:
            told = _told(line.position, line.canonical, action)
            records += [told] if told is not None else []
    named = {str(told.detail.get("policy_digest")): None for told in records}
    return Tale(records=tuple(records), policies=tuple(policies[d] for d in named if d in policies))


def _told(position: int, canonical: bytes, action: str) -> Told | None:
    try:
        body: Any = json.loads(canonical)
    except (ValueError, RecursionError):
        return None
    match body:
        case {"action": found, "kind": str(kind), "actor": str(actor), "at": str(at), "detail": told} if (
            found == action and isinstance(told, dict)
        ):
            detail = cast("Mapping[str, Any]", told)
            return Told(position=position, kind=kind, actor=actor, at=at, detail=detail)
        case _:
            return None


def _frontier(size: int, roots: Sequence[Any]) -> Frontier:
    found = tuple(bytes.fromhex(str(root)) for root in roots)
    if size <= 0 or len(found) != size.bit_count() or any(len(root) != HASH_BYTES for root in found):
        raise ValueError("this is no tree")
    return Frontier(size=size, roots=found)


def _leaf(read: Any) -> KeptLeaf | None:
    """Nearly every line is one, so they are told apart by hand. Raises ValueError for what is not hexadecimal."""
    if not isinstance(read, dict):
        return None
    body = cast("dict[str, Any]", read)
    position, record, found = body.get("leaf"), body.get("record"), body.get("hash")
    if type(position) is not int or type(record) is not int or type(found) is not str:
        return None
    if "canonical" not in body:
        raw = body.get("bytes")
        content = bytes.fromhex(raw) if type(raw) is str else None
        if content is None:
            return None
    elif (text := body["canonical"]) is None:
        content = None
    elif type(text) is str:
        content = text.encode()
    else:
        return None
    return KeptLeaf(position=position, record=record, hash=bytes.fromhex(found), canonical=content)


def _line(text: str, number: int) -> Line:
    try:
        body: Any = json.loads(text)
        if (leaf := _leaf(body)) is not None:
            return leaf
        match body:
            case {"checkpoint": str(note)}:
                return Signed(note=note)
            case {"stamp": str(packed), "over": str(note)}:
                return Stamped(note=note, answer=base64.b64decode(packed, validate=True))
            case {"policy": str(digest), "version": str(version), "documents": documents}:
                return Policy(digest=digest, version=version, documents=documents)
            case {"key": str(key)}:
                return Key(text=key)
            case {"bundle": name, "v": version, "origin": str(origin), "size": int(size), "at": str(at)} if (
                name == NAME and version == FORMAT
            ):
                return Beginning(origin=origin, size=size, at=at)
            case {
                "bundle": name,
                "v": version,
                "origin": str(origin),
                "size": int(size),
                "at": str(at),
                "start": int(start),
                "frontier": [*roots],
            } if name == NAME and version == OF_A_STRETCH:
                before = _frontier(start, cast("Sequence[Any]", roots))
                return Beginning(origin=origin, size=size, at=at, start=before)
            case {"end": int(records)}:
                return End(records=records)
            case _:
                pass
    except (ValueError, RecursionError):
        pass
    raise NotABundle(f"line {number} is no line of an audit bundle")
