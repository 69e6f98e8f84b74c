"""Strict JSON at the door and the digest of a payload; what the values mean is for the models to say."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson
import rfc8785

Json = Any
"""A parsed JSON value: None, bool, int, float, str, list or dict of these."""

MAX_DEPTH = 64
"""How many arrays and objects may stand inside one another, the outermost counted as one."""

SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (IEEE 754 double)."""

_BOM = "\ufeff"
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SAFE_DIGITS = 17  # sign and sixteen digits: longer ones are unsafe without converting them


class NotCanonical(ValueError):
    """JSON that two readers could understand differently. `code` is stable, `detail` says what to change.

    Codes: `not_utf8`, `byte_order_mark`, `invalid_json`, `duplicate_key`, `not_finite`, `number_too_large`,
    `unsafe_integer`, `lone_surrogate`, `too_deep`, `not_json`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def parse(document: bytes | str) -> Json:
    """The one value in `document` (UTF-8), or `NotCanonical`.

    Refused are: invalid UTF-8, a byte order mark, anything RFC 8259 forbids, a repeated key in an object, NaN
    and Infinity, numbers beyond a double's range, integers outside ±(2^53-1), surrogates without their other
    half, and more than `MAX_DEPTH` levels. A number with a fraction or an exponent is a double, however large.
    """
    quick = _quickly(document) if isinstance(document, bytes) else None
    return _strictly(document) if quick is None else quick[0]


def parse_canonical(document: bytes) -> tuple[Json, bytes]:
    """What `parse` makes of `document`, and its RFC 8785 form, which mostly falls off on the way."""
    quick = _quickly(document)
    if quick is not None:
        return quick
    value = _strictly(document)
    return value, canonical(value)


def _quickly(document: bytes) -> tuple[Json, bytes] | None:
    """The value and its RFC 8785 form by a fast parser that is not strict, where it is proven that a strict one finds
    the same; None where that cannot be said, also of everything that is to be refused.

    It refuses what is no JSON or no Unicode. Of unsafe integers and numbers too large it makes what is not plain. It
    passes over a repeated key: but written anew, the value then has fewer quotation marks than the document, for every
    one of them bounds a string or stands in one, and is written as itself unless as `\\u0022`.
    """
    if b"\\u0022" in document or document.count(b"[") + document.count(b"{") > MAX_DEPTH:
        return None
    try:
        value = orjson.loads(document)
        if not _plain(value):
            return None
        written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (ValueError, TypeError):
        return None
    return (value, written) if written.count(b'"') == document.count(b'"') else None


def _strictly(document: bytes | str) -> Json:
    text = _text(document)
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise NotCanonical(
            "invalid_json", f"Not JSON: {error.msg.lower()} at line {error.lineno} column {error.colno}."
        ) from None
    # Both checks walk the value, so they run only where the text shows that there may be something to find.
    if _ESCAPED_SURROGATE.search(text) is not None:
        _refuse_surrogates(value)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _refuse_depth(value)
    return value


def payload_sha256(payload: Mapping[str, Json]) -> str:
    """SHA-256 of the payload's RFC 8785 form, lower-case hex; `NotCanonical` where it has none."""
    return hashlib.sha256(canonical(payload)).hexdigest()


def canonical(value: Json) -> bytes:
    """The RFC 8785 form of a JSON value, or `NotCanonical`."""
    try:
        return _sorted(value) if _plain(value) else rfc8785.dumps(value)
    except RecursionError:
        raise _too_deep() from None
    except rfc8785.IntegerDomainError:
        raise _unsafe_integer() from None
    except rfc8785.FloatDomainError:
        raise _not_finite("NaN or Infinity") from None
    except UnicodeError:
        raise _lone_surrogate() from None
    except rfc8785.CanonicalizationError as error:
        if "codepoints" in str(error):
            raise _lone_surrogate() from None
        raise NotCanonical("not_json", f"Not a JSON value: {error}.") from None


def _sorted(value: Json) -> bytes:
    """What the fast encoder makes of a plain value; it refuses what the library has a name for."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half a surrogate pair, or more levels than it takes
        return rfc8785.dumps(value)


def _text(document: bytes | str) -> str:
    if isinstance(document, bytes):
        try:
            text = document.decode()
        except UnicodeDecodeError as error:
            raise NotCanonical("not_utf8", f"Not UTF-8: byte {error.start} cannot be decoded.") from None
    else:
        text = document
        if _SURROGATE.search(text) is not None:
            raise _lone_surrogate()
    if text.startswith(_BOM):
        raise NotCanonical("byte_order_mark", "Leave out the byte order mark.")
    return text


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise NotCanonical("duplicate_key", f"The key {_shown(key)} stands twice in one object.")
            seen.add(key)
    return found


def _integer(digits: str) -> int:
    if len(digits) > _SAFE_DIGITS:
        raise _unsafe_integer()
    number = int(digits)
    if not -SAFE_INTEGER <= number <= SAFE_INTEGER:
        raise _unsafe_integer()
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NotCanonical("number_too_large", "A number is larger than a double can hold.")
    return number


def _not_finite(name: str) -> NotCanonical:
    return NotCanonical("not_finite", f"{name} is not a JSON number.")


def _refuse_constant(name: str) -> NoReturn:
    raise _not_finite(name)


def _unsafe_integer() -> NotCanonical:
    return NotCanonical(
        "unsafe_integer", "An integer lies outside ±(2^53-1); send it as a string to keep every digit."
    )


def _lone_surrogate() -> NotCanonical:
    return NotCanonical("lone_surrogate", "A string holds half of a surrogate pair.")


def _too_deep() -> NotCanonical:
    return NotCanonical("too_deep", f"More than {MAX_DEPTH} levels of arrays and objects.")


def _shown(key: str) -> str:
    """A key as it may stand in a message: short, and ASCII so that it cannot disguise itself."""
    return json.dumps(key if len(key) <= 60 else key[:60] + "…")


def _refuse_surrogates(value: Json) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if _SURROGATE.search(item) is not None:
                raise _lone_surrogate()
        elif isinstance(item, dict):
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _refuse_depth(value: Json) -> None:
    level = [value]
    depth = 0
    while True:
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]


def _plain(value: Json) -> bool:
    """Whether a fast encoder with sorted keys gives the RFC 8785 form of `value`.

    It does where every integer is safe, every key is ASCII (sorted by code point then equals sorted by UTF-16
    unit), and every double is one that Python and ECMAScript both write with a fraction and no exponent.
    """
    waiting = [value]
    for item in waiting:  # which grows meanwhile
        kind = type(item)
        if kind is str:
            continue
        if kind is dict:
            for key in item:
                if type(key) is not str or not key.isascii():
                    return False
            waiting += item.values()
        elif kind is list:
            waiting += item
        elif kind is int:
            if not -SAFE_INTEGER <= item <= SAFE_INTEGER:
                return False
        elif kind is float:
            if item.is_integer() or not 1e-4 <= abs(item) < 1e16:
                return False
        elif kind is not bool and item is not None:
            return False
    return True


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant
)
