"""Records as JSON text and back, exactly and strictly; which column holds which document is the tables' business.

A document is `{"v": 1, "d": …}`. A field that is None where None is its default is left out; everything else is
written, defaults too, so that a default changed later never changes what was stored. Numbers keep their type and
every digit.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import types
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson

from gate.domain.action import Agent, Evidence, Json, Proposal
from gate.domain.emergency import Emergency
from gate.domain.request import Outcome, Rejection
from gate.domain.verdict import ApprovalPlan, Verdict
from gate.store.errors import UnreadableRow

FORMAT = 1
"""Version of the document format; a reader refuses any other."""

T = TypeVar("T")


class _Mismatch(ValueError):
    """What was read is not what the type says; the message has no contents in it."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What of a verdict quotes the proposal: the words for why, the evidence that policy took from the payload (as
    judged and as asked with), and whose data it is."""

    trigger: str = ""
    evidence: tuple[Evidence, ...] = ()
    asked_with: tuple[Evidence, ...] = ()
    subjects: tuple[str, ...] | None = None


class _Coder:
    """How values of one type become JSON values and back. `text` is the Python expression for the first, of a value
    called `v`, and `names` what it refers to: the expressions of a whole document are compiled into one function, so
    that writing it takes few calls. `loose`: it may hold any JSON value, and so one that is no number."""

    def __init__(
        self,
        text: str,
        decode: Callable[[Any], Any],
        *inner: _Coder,
        loose: bool = False,
        **names: Any,
    ) -> None:
        self.text = text
        self.decode = decode
        self.names: dict[str, Any] = {}
        for each in inner:
            self.names |= each.names
        for name, value in names.items():
            unique = f"{name}_{next(_numbers)}"
            self.text = self.text.replace(f"${name}", unique)
            self.names[unique] = value
        self.loose = loose or any(each.loose for each in inner)

    def encoder(self) -> Callable[[Any], Json]:
        """The expression as a function."""
        return _compiled("encode", f"def encode(v):\n return {self.text}", self.names)


def _compiled(name: str, text: str, names: Mapping[str, Any]) -> Callable[[Any], Json]:
    """A function written by this module, from names of dataclass fields only."""
    space = dict(names)
    exec(compile(text, f"<{__name__}>", "exec"), space)  # noqa: S102
    return space[name]  # type: ignore[no-any-return]


_numbers = itertools.count()


class Document(Generic[T]):
    """The JSON text form of one type. `without` names fields kept elsewhere and handed to `loads`."""

    def __init__(self, kind: Any, *, without: frozenset[str] = frozenset()) -> None:
        self._coder = _dataclass(kind, without) if without else _coder(kind)
        self._encode = self._coder.encoder()

    def dumps(self, value: T) -> str:
        """ValueError for what JSON cannot say (NaN, naive datetimes); TypeError for a value of another type."""
        document = {"v": FORMAT, "d": self._encode(value)}
        try:
            text = orjson.dumps(document, default=_plain, option=_AS_GIVEN)
        except TypeError:  # what it refuses, such as integers of more than 64 bits
            return _ENCODER.encode(document)
        # It writes null for what is no number; the other encoder tells them apart.
        return _ENCODER.encode(document) if self._coder.loose and b"null" in text else text.decode()

    def loads(self, text: str, where: str, **elsewhere: Any) -> T:
        """Raises `UnreadableRow` naming `where` unless the text is exactly a document of this type."""
        try:
            document = json.loads(text, parse_constant=_no_constant)
            if not isinstance(document, dict) or document.keys() != {"v", "d"}:
                raise _Mismatch("it is not a document of this gate")
            if document["v"] is True or document["v"] != FORMAT:
                raise _Mismatch(f"it has format {document['v']!r}, this version reads {FORMAT}")
            body = document["d"]
            if elsewhere:
                return self._coder.decode((body, elsewhere))
            return self._coder.decode(body)
        except _Mismatch as problem:
            raise UnreadableRow(where, str(problem)) from None
        except (ValueError, TypeError, RecursionError) as problem:
            raise UnreadableRow(where, f"it is damaged ({type(problem).__name__})") from None


_AS_GIVEN = (
    orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def _plain(value: Any) -> Json:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)


def _no_constant(name: str) -> Any:
    raise _Mismatch(f"it holds {name}")


def _coder(kind: Any) -> _Coder:
    origin: Any = get_origin(kind)
    args = get_args(kind)
    if kind is Any:
        return _Coder("v", _same, loose=True)
    if kind is float:
        return _Coder("$number(v)", _checked(float, int), number=_number)
    if kind in _SCALARS:
        check = _checked(_SCALARS[kind])
        return _Coder(f"v if type(v) is {kind.__name__} else $check(v)", check, check=check)
    if kind is datetime:
        return _Coder("$instant(v)", _instant, instant=_instant_text)
    if origin is None and isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    if origin in (Union, types.UnionType) and len(args) == 2 and args[1] is type(None):
        return _optional(_coder(args[0]))
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return _sequence(_coder(args[0]), tuple)
    if origin is tuple:
        return _fixed([_coder(arg) for arg in args])
    if origin is frozenset and args == (str,):
        return _sequence(_coder(str), frozenset)
    if origin is Mapping and args[0] is str:
        return _mapping(_coder(args[1]))
    raise TypeError(f"no document form for {kind!r}")


_SCALARS: Mapping[Any, type] = {str: str, bool: bool, int: int}


def _same(value: Any) -> Any:
    return value


def _checked(*kinds: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) not in kinds:
            raise _Mismatch(f"a {kinds[0].__name__} was expected, not {type(value).__name__}")
        return value

    return check


def _number(value: Any) -> Any:
    """A float field keeps an int that an agent sent as it came; a bool is never a number."""
    if type(value) is float:
        if not math.isfinite(value):
            raise ValueError(f"{value} has no JSON form")
    elif type(value) is not int:
        raise _Mismatch(f"a float was expected, not {type(value).__name__}")
    return value


def _instant_text(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _instant(text: Any) -> datetime:
    if not isinstance(text, str):
        raise _Mismatch("an instant was expected")
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise _Mismatch("an instant has no time zone")
    return at.astimezone(UTC)


def _enum(kind: type[Enum]) -> _Coder:
    members = {member.value: member for member in kind}

    def decode(value: Any) -> Enum:
        if not isinstance(value, str) or value not in members:
            raise _Mismatch(f"it holds an unknown {kind.__name__}")
        return members[value]

    return _Coder("v._value_", decode)


def _optional(inner: _Coder) -> _Coder:
    return _Coder(
        f"None if v is None else ({inner.text})",
        lambda value: None if value is None else inner.decode(value),
        inner,
    )


def _sequence(inner: _Coder, kind: type) -> _Coder:
    def decode(values: Any) -> Any:
        if not isinstance(values, list):
            raise _Mismatch("a list was expected")
        return kind(inner.decode(value) for value in values)

    each = "sorted(v)" if kind is frozenset else "v"
    return _Coder(f"[{inner.text} for v in {each}]", decode, inner)


def _fixed(inner: list[_Coder]) -> _Coder:
    encoders = [each.encoder() for each in inner]

    def encode(values: Any) -> Json:
        return [encode(value) for encode, value in zip(encoders, values, strict=True)]

    def decode(values: Any) -> Any:
        if not isinstance(values, list) or len(values) != len(inner):
            raise _Mismatch(f"a list of {len(inner)} was expected")
        return tuple(coder.decode(value) for coder, value in zip(inner, values, strict=True))

    return _Coder("$fixed(v)", decode, loose=any(each.loose for each in inner), fixed=encode)


def _mapping(inner: _Coder) -> _Coder:
    def decode(values: Any) -> Any:
        if not isinstance(values, dict):
            raise _Mismatch("an object was expected")
        return {key: inner.decode(value) for key, value in values.items()}

    return _Coder(f"{{key: {inner.text} for key, v in v.items()}}", decode, inner)


def _dataclass(kind: Any, without: frozenset[str] = frozenset()) -> _Coder:
    hints = get_type_hints(kind)
    coders = {f.name: _coder(hints[f.name]) for f in dataclasses.fields(kind) if f.name not in without}
    optional = {
        f.name
        for f in dataclasses.fields(kind)
        if f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
    }
    required = coders.keys() - optional
    omitted = {f.name for f in dataclasses.fields(kind) if f.default is None}  # absent says None again

    def decode(read: Any) -> Any:
        body, elsewhere = read if without else (read, {})
        if not isinstance(body, dict):
            raise _Mismatch(f"a {kind.__name__} was expected")
        if unknown := body.keys() - coders.keys():
            raise _Mismatch(f"{kind.__name__} has no {min(unknown)}")
        if missing := required - body.keys():
            raise _Mismatch(f"{kind.__name__} lacks {min(missing)}")
        return kind(**{name: coders[name].decode(value) for name, value in body.items()}, **elsewhere)

    inner = tuple(coders.values())
    encode = _fields(kind, coders, omitted)
    return _Coder("$record(v)", decode, loose=any(each.loose for each in inner), record=encode)


def _fields(kind: type, coders: Mapping[str, _Coder], omitted: set[str]) -> Callable[[Any], Json]:
    """Writes a dataclass field by field."""

    def refuse(value: Any) -> None:
        raise TypeError(f"a {kind.__name__} was expected, not {type(value).__name__}")

    lines = ["def encode(record):", " if type(record) is not kind: refuse(record)", " fields = {}"]
    names: dict[str, Any] = {"kind": kind, "refuse": refuse}
    for name, coder in coders.items():
        names |= coder.names
        lines.append(f" v = record.{name}")
        lines.append(f" {'if v is not None: ' if name in omitted else ''}fields[{name!r}] = {coder.text}")
    return _compiled("encode", "\n".join([*lines, " return fields"]), names)


AGENT: Document[Agent] = Document(Agent)
PROPOSAL: Document[Proposal] = Document(Proposal, without=frozenset({"payload"}))
VERDICT: Document[Verdict] = Document(Verdict)
PLAN: Document[ApprovalPlan] = Document(ApprovalPlan)
JUDGED: Document[Judged] = Document(Judged)
REJECTION: Document[Rejection] = Document(Rejection)
OUTCOME: Document[Outcome] = Document(Outcome)
EMERGENCY: Document[Emergency] = Document(Emergency)
OBJECT: Document[Mapping[str, Json]] = Document(Mapping[str, Json])
NAMES: Document[tuple[str, ...]] = Document(tuple[str, ...])
TEXTS: Document[tuple[tuple[str, str], ...]] = Document(tuple[tuple[str, str], ...])
