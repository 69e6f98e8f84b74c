"""Strict JSON and digests: what is taken means the same to every reader, and everything else is refused."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gate.contract.canonical import (
    MAX_DEPTH,
    SAFE_INTEGER,
    NotCanonical,
    _quickly,  # pyright: ignore[reportPrivateUsage]
    canonical,
    parse,
    parse_canonical,
    payload_sha256,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-SAFE_INTEGER, SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=6)


def code(document: bytes | str) -> str:
    """The same, whether it comes as text or as bytes."""
    spellings = [document]
    if isinstance(document, str) and not re.search("[\ud800-\udfff]", document):
        spellings.append(document.encode())
    codes: set[str] = set()
    for spelling in spellings:
        with pytest.raises(NotCanonical) as refused:
            parse(spelling)
        assert refused.value.detail.endswith(".")
        codes.add(refused.value.code)
    (only,) = codes
    return only


@given(OBJECTS, st.booleans())
def test_the_digest_is_that_of_rfc_8785_over_what_was_sent(payload: dict[str, Any], ascii_only: bool) -> None:
    """INV-21 rests on it: whatever the spelling, one payload has one digest."""
    sent = json.dumps(payload, ensure_ascii=ascii_only)
    parsed = parse(sent.encode())
    assert parsed == payload
    assert payload_sha256(parsed) == hashlib.sha256(rfc8785.dumps(json.loads(sent))).hexdigest()


@given(VALUES | st.floats(1e-7, 1e17) | st.floats(-1e17, -1e-7))
def test_the_quick_way_gives_the_same_bytes(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


def _within_safe_integers(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_within_safe_integers, value.values()))
    if isinstance(value, list):
        return all(map(_within_safe_integers, value))
    return not isinstance(value, float) or abs(value) <= SAFE_INTEGER


@given(OBJECTS.filter(_within_safe_integers))
def test_canonical_bytes_parse_to_the_same_canonical_bytes(payload: dict[str, Any]) -> None:
    once = canonical(payload)
    assert canonical(parse(once)) == once


_KEYS = st.sampled_from(["a", "b", "", '"', "\\", 'a"', "u0022", "é", "😀"])
_NUMBERS = st.sampled_from(
    ["0", "-0", "1.0", "0.1", "12.50", "1e2", "1.5E-3", "1e400", "9007199254740992", "18446744073709551616"]
) | st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)


@st.composite
def _spelled(draw: st.DrawFn, text: str) -> str:
    """A string in one of the ways JSON has to write it."""
    ways = {"escaped": json.dumps(text), "plain": json.dumps(text, ensure_ascii=False)}
    coded = text.encode("utf-16-be").hex()
    ways["coded"] = '"' + "".join(f"\\u{coded[at : at + 4]}" for at in range(0, len(coded), 4)) + '"'
    return ways[draw(st.sampled_from(sorted(ways)))]


def _documents() -> st.SearchStrategy[str]:
    """JSON texts whose objects may well have a key twice."""
    strings = (_KEYS | TEXTS).flatmap(_spelled)
    space = st.sampled_from(["", "", " ", "\n\t"])

    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(strings, space, inner).map(
            lambda parts: f"{parts[0]}{parts[1]}:{parts[1]}{parts[2]}"
        )
        objects = st.tuples(space, st.lists(pair, max_size=4)).map(
            lambda o: f"{{{o[0]}{','.join(o[1])}{o[0]}}}"
        )
        return objects | st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")

    scalars = (
        strings
        | _NUMBERS
        | st.sampled_from(["null", "true", "false", "NaN", '"\\ud83d"', '"\\ud83d\\ude00"'])
    )
    return st.recursive(scalars, grown, max_leaves=12)


def _read(document: bytes | str) -> tuple[str, Any]:
    try:
        return "read", repr(parse(document))
    except NotCanonical as refused:
        return refused.code, refused.detail


@given(_documents())
def test_bytes_are_read_quickly_and_yet_as_strictly_as_text(document: str) -> None:
    """Threats 14 and 15: the fast parser is believed only where it finds what the strict one does."""
    assert _read(document.encode()) == _read(document)


@given(_documents())
def test_what_was_sent_has_one_canonical_form_on_both_ways(document: str) -> None:
    try:
        value, form = parse_canonical(document.encode())
    except NotCanonical:
        return
    assert form == rfc8785.dumps(parse(document))
    assert repr(value) == repr(parse(document))


@pytest.mark.parametrize(
    "document",
    [
        b'{"a": {"b": 1}, "c": [0.25, "x\\"y", "\\u00e9\\ud83d\\ude00"]}',
        b"[]",
        b'"\\\\"',
        '{"a":"é"}'.encode(),
    ],
)
def test_an_everyday_body_goes_the_quick_way(document: bytes) -> None:
    assert _quickly(document) is not None


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(document: bytes) -> None:
    try:
        value = parse(document)
    except NotCanonical:
        return
    assert value == json.loads(document)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.0, b"1"),
        (-0.0, b"0"),
        (1e-6, b"0.000001"),
        (0.0001, b"0.0001"),
        (0.84, b"0.84"),
        (-1234567890123456.5, b"-1234567890123456.5"),
        (9007199254740993.0, b"9007199254740992"),
        (1e16, b"10000000000000000"),
        (1e-7, b"1e-7"),
        (1.2e20, b"120000000000000000000"),
        (1e21, b"1e+21"),
        ({"\U0001f600": 1, "\ufb33": 2}, '{"😀":1,"\ufb33":2}'.encode()),
        ({"b": 1, "a": 2}, b'{"a":2,"b":1}'),
        ('\x08\t\n\x0c\r"\\\x1f\x7f/', b'"\\b\\t\\n\\f\\r\\"\\\\\\u001f\x7f/"'),
    ],
)
def test_examples_of_the_standard(value: Any, written: bytes) -> None:
    assert canonical(value) == written


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param('{"a":1,"a":1}', "duplicate_key", id="threat-14-same-value-too"),
        pytest.param('[{"a":{"b":1,"\\u0062":2}}]', "duplicate_key", id="threat-14-escaped"),
        pytest.param('{"":1,"":2}', "duplicate_key", id="threat-14-empty-key"),
        pytest.param('{"a":1,"a":"\\u0022\\u0022"}', "duplicate_key", id="threat-14-as-many-quotes"),
        pytest.param("[NaN]", "not_finite", id="threat-15-nan"),
        pytest.param("[Infinity]", "not_finite", id="threat-15-infinity"),
        pytest.param("[-Infinity]", "not_finite", id="threat-15-minus-infinity"),
        pytest.param("[1e309]", "number_too_large", id="threat-15-overflow"),
        pytest.param("[-1e309]", "number_too_large", id="threat-15-underflow"),
        pytest.param("9007199254740992", "unsafe_integer", id="threat-15-just-unsafe"),
        pytest.param("-9007199254740992", "unsafe_integer", id="threat-15-just-unsafe-negative"),
        pytest.param("1" * 10_000, "unsafe_integer", id="threat-15-many-digits"),
        pytest.param('"\\ud800"', "lone_surrogate", id="threat-15-high"),
        pytest.param('"\\uDFFF"', "lone_surrogate", id="threat-15-low"),
        pytest.param('["\\ude00\\ud83d"]', "lone_surrogate", id="threat-15-swapped"),
        pytest.param('{"\\ud800":[]}', "lone_surrogate", id="threat-15-key"),
        pytest.param('"\ud800"', "lone_surrogate", id="threat-15-in-a-str"),
        pytest.param(b'"\xed\xa0\x80"', "not_utf8", id="threat-15-encoded"),
        pytest.param(b'"\xc0\xaf"', "not_utf8", id="overlong"),
        pytest.param(b"\xff\xfe1\x00", "not_utf8", id="utf-16"),
        pytest.param(b"\xef\xbb\xbf1", "byte_order_mark", id="bom"),
        pytest.param("\ufeff1", "byte_order_mark", id="bom-in-a-str"),
        pytest.param("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "too_deep", id="threat-18-one-too-deep"),
        pytest.param('{"a":' * 65 + "1" + "}" * 65, "too_deep", id="threat-18-objects"),
        pytest.param("[" * 200_000, "too_deep", id="threat-18-bomb"),
        pytest.param("", "invalid_json", id="empty"),
        pytest.param("{} {}", "invalid_json", id="two-values"),
        pytest.param("[1,]", "invalid_json", id="trailing-comma"),
        pytest.param("[01]", "invalid_json", id="leading-zero"),
        pytest.param("[.5]", "invalid_json", id="no-integer-part"),
        pytest.param("[+1]", "invalid_json", id="plus"),
        pytest.param("['a']", "invalid_json", id="single-quotes"),
        pytest.param('["\n"]', "invalid_json", id="raw-newline"),
        pytest.param("[1]\x00", "invalid_json", id="nul"),
        pytest.param("\u00a0[1]", "invalid_json", id="no-break-space"),
        pytest.param("True", "invalid_json", id="python"),
    ],
)
def test_what_is_refused(document: bytes | str, expected: str) -> None:
    assert code(document) == expected


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ("9007199254740991", SAFE_INTEGER),
        ("-9007199254740991", -SAFE_INTEGER),
        ("1e308", 1e308),
        ("-0", 0),
        ('"\\ud83d\\ude00"', "😀"),
        ('{"a":1,"A":2}', {"a": 1, "A": 2}),
        (" \t\r\n[ ]", []),
        ('["[[[[{{{{"]', ["[[[[{{{{"]),
        ('"\\u0000"', "\x00"),
    ],
)
def test_what_is_taken(document: str, value: Any) -> None:
    assert parse(document) == value
    assert parse(document.encode()) == value


def test_brackets_in_texts_count_for_no_depth() -> None:
    assert parse(json.dumps(["[" * 1000])) == ["[" * 1000]
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    assert parse("[" + ",".join(["{}"] * 500) + "]") == [{}] * 500


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": math.nan}, "not_finite"),
        ({"a": math.inf}, "not_finite"),
        ({"a": 2**53}, "unsafe_integer"),
        ({"a": "\ud800"}, "lone_surrogate"),
        ({"\ud800": 1}, "lone_surrogate"),
        ({"é": "\ud800"}, "lone_surrogate"),
        ({1: 1}, "not_json"),
        ({"a": {1, 2}}, "not_json"),
        ({"a": b"x"}, "not_json"),
    ],
)
def test_values_without_a_canonical_form(value: Any, expected: str) -> None:
    with pytest.raises(NotCanonical) as refused:
        canonical(value)
    assert refused.value.code == expected


def test_a_composed_and_a_decomposed_letter_are_different_keys() -> None:
    """Threat 17: nothing is normalised, so that what was approved is byte for byte what is executed."""
    twins = parse('{"\u00e9":1,"e\u0301":2}')
    assert len(twins) == 2
    assert payload_sha256({"a": "\u00e9"}) != payload_sha256({"a": "e\u0301"})


def test_a_message_shows_a_key_in_ascii_and_short() -> None:
    """Threat 16: a message cannot be turned around by what it quotes."""
    with pytest.raises(NotCanonical) as refused:
        parse('{"%s":1,"%s":2}' % (("\u202e" + "k" * 200,) * 2))
    assert refused.value.detail.isascii()
    assert len(refused.value.detail) < 120
