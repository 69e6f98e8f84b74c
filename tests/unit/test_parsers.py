"""Whatever a stranger sends, a parser answers or refuses as documented (threats 13, 14, 15, 18 and 19)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.client.errors import GrantInvalid
from gate.client.grants import seal, signing_key, verify
from gate.contract.canonical import NotCanonical, canonical, parse
from gate.domain.checkpoint import Malformed, parse_checkpoint, parse_note, parse_public_key
from gate.policy.documents import Document, PolicyError
from gate.policy.source import read

TOKEN = b"eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoiayIsInR5cCI6InNpZ25vZmYtZ3JhbnQrand0In0.e30.c2ln"
NOTE = f"signoff.example/log\n3\n{'A' * 43}=\n\n— signoff.example/log AAAAAAAA\n".encode()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _token(data: bytes) -> None:
    signing_key(_text(data))
    verify(_text(data), seal({}), {}, audience="executors", now=0)


def _json(data: bytes) -> None:
    assert parse(canonical(parse(data))) is not Ellipsis


PARSERS: dict[str, tuple[Callable[[bytes], Any], type[Exception], bytes]] = {
    "JSON": (
        _json,
        NotCanonical,
        b'{"a": [1, -2.5e3, "\\u00e9\\ud83d\\ude00", null, true], "b": {"c": "d"}}',
    ),
    "YAML": (
        lambda data: read(Document(name="p.yaml", text=_text(data))),
        PolicyError,
        b"version: v1\nrules:\n  - {id: a, match: {topics: ['x.*']}, n: 0x1f, on: no}\n  - &a !!int |\n    text\n",
    ),
    "JWS": (_token, GrantInvalid, TOKEN),
    "checkpoint": (lambda data: parse_checkpoint(_text(data)), Malformed, NOTE),
    "note": (lambda data: parse_note(_text(data)), Malformed, NOTE),
    "public key": (
        lambda data: parse_public_key(_text(data)),
        Malformed,
        b"signoff.example/log+00000000+AQAA",
    ),
}


@st.composite
def mangled(draw: st.DrawFn, sample: bytes) -> bytes:
    """A good one with pieces of it cut out, doubled, or replaced by others; or nothing of it at all."""
    data = draw(st.just(sample) | st.binary(max_size=200))
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 12))
        piece = draw(
            st.binary(max_size=6)
            | st.just(data[at : at + length] * 2)
            | st.sampled_from(
                [
                    b"[" * 3_000,
                    b"{",
                    b'"',
                    b"\\ud800",
                    b"\xef\xbf\xbe",
                    b"1e999",
                    b"\n",
                    b"\0",
                    b"&",
                    b"9" * 400,
                ]
            )
        )
        data = data[:at] + piece + data[at + length :]
    return data


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_parser_answers_or_refuses_as_documented(name: str, data: st.DataObject) -> None:
    parser, refusal, sample = PARSERS[name]
    with contextlib.suppress(refusal):
        parser(data.draw(mangled(sample)))
