"""The door: sizes, types and JSON that two readers could understand differently never get inside."""

from __future__ import annotations

import json

import pytest

from tests.integration.http.door import Door

FRAME = '{"topic":"crm.read","summary":"Read","payload":%s}'


def _nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param('{"a":1,"a":2}', "duplicate_key", id="threat-14-duplicate-key"),
        pytest.param('{"x":{"a":1,"\\u0061":2}}', "duplicate_key", id="threat-14-escaped-twin"),
        pytest.param('{"a":NaN}', "not_finite", id="threat-15-nan"),
        pytest.param('{"a":-Infinity}', "not_finite", id="threat-15-infinity"),
        pytest.param('{"a":1e400}', "number_too_large", id="threat-15-overflow"),
        pytest.param('{"a":9007199254740992}', "unsafe_integer", id="threat-15-unsafe-integer"),
        pytest.param('{"a":-9007199254740992}', "unsafe_integer", id="threat-15-unsafe-negative"),
        pytest.param('{"a":%s}' % ("9" * 5000), "unsafe_integer", id="threat-15-thousands-of-digits"),
        pytest.param('{"a":"\\ud800"}', "lone_surrogate", id="threat-15-lone-surrogate"),
        pytest.param('{"\\udc00":1}', "lone_surrogate", id="threat-15-lone-surrogate-key"),
        pytest.param(_nested(64), "too_deep", id="threat-18-depth-65"),
        pytest.param("[" * 100_000, "too_deep", id="threat-18-depth-bomb"),
        pytest.param("{'a':1}", "invalid_json", id="single-quotes"),
        pytest.param('{"a":01}', "invalid_json", id="leading-zero"),
        pytest.param('{"a":1,}', "invalid_json", id="trailing-comma"),
        pytest.param('{"a":"\t"}', "invalid_json", id="raw-control-character"),
        pytest.param("{} // no", "invalid_json", id="comment"),
    ],
)
async def test_ambiguous_json_is_refused_everywhere(door: Door, payload: str, code: str) -> None:
    """Threats 14, 15 and 18, at the front door and at the executor's."""
    body = (FRAME % payload).encode()
    for path, key in (
        ("/v1/actions", "bot"),
        ("/v1/policy/evaluate", "bot"),
        ("/v1/grants/redeem", "executor"),
    ):
        got = await door.post(path, data=body, key=key)
        assert (got.status, got.code) == (400, code)
    assert (await door.get("/v1/actions")).body["items"] == []


async def test_the_deepest_and_largest_that_is_allowed_passes(door: Door) -> None:
    body = FRAME % '{"a":%s,"n":9007199254740991,"s":"\\ud83d\\ude00","f":1e308}' % _nested(62)
    got = await door.post("/v1/actions", data=body.encode())
    assert got.status == 200
    assert got.body["payload"]["s"] == "😀"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        (b'{"topic":"\xff"}', "not_utf8"),
        (b'{"topic":"\xed\xa0\x80"}', "not_utf8"),
        ("{}".encode("utf-16"), "not_utf8"),
        (b"", "invalid_json"),
        (b"{} {}", "invalid_json"),
    ],
)
async def test_bytes_that_are_no_plain_json(door: Door, data: bytes, code: str) -> None:
    got = await door.post("/v1/actions", data=data)
    assert (got.status, got.code) == (400, code)


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"1"])
async def test_json_that_is_no_object_is_an_invalid_field(door: Door, body: bytes) -> None:
    got = await door.post("/v1/actions", data=body)
    assert (got.status, got.code) == (422, "invalid_field")
    assert got.pointers == {"": "object_required"}


async def test_everything_wrong_with_a_body_is_told_at_once_by_pointer(door: Door) -> None:
    got = await door.post(
        "/v1/actions",
        topic="nodots",
        summary="x" * 301,
        payload=[],
        riks="high",
        confidence=1.5,
        amount_usd=-1,
        labels={"a/b": 3},
        evidence=[{"label": "a", "value": "b", "tone": "pink"}],
        context={"sources": [{"title": "no id"}]},
        callback_url="http://example.com/hook",
    )
    assert (got.status, got.code) == (422, "invalid_field")
    assert got.pointers == {
        "/topic": "string_pattern_mismatch",
        "/summary": "string_too_long",
        "/payload": "dict_type",
        "/riks": "unknown_field",
        "/confidence": "less_than_equal",
        "/amount_usd": "greater_than_equal",
        "/labels/a~1b": "string_type",
        "/evidence/0/tone": "literal_error",
        "/context/sources/0/id": "required",
        "/callback_url": "https_required",
    }


async def test_a_schema_that_is_none_is_told_by_pointer(door: Door) -> None:
    got = await door.propose("crm.read", payload_schema={"properties": {"a/b": {"type": "strin"}}})
    assert (got.status, got.code) == (422, "invalid_field")
    assert got.pointers == {"/payload_schema/properties/a~1b/type": "invalid_schema"}
    got = await door.propose("crm.read", payload_schema={"properties": {"a": {"pattern": "(?=x)"}}})
    assert got.pointers == {"/payload_schema/properties/a/pattern": "invalid_pattern"}
    got = await door.propose("crm.read", payload_schema={"anyOf": [{"anyOf": [{}] * 200}] * 130})
    assert got.pointers == {"/payload_schema": "too_large"}


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/vnd.api+json",
        "nonsense",
        "",
    ],
)
async def test_other_content_types_are_refused(door: Door, content_type: str) -> None:
    got = await door.post("/v1/actions", data=b"{}", headers={"Content-Type": content_type})
    assert (got.status, got.code) == (415, "unsupported_media_type")


async def test_a_utf_8_charset_is_welcome(door: Door) -> None:
    got = await door.post(
        "/v1/actions",
        data=(FRAME % "{}").encode(),
        headers={"Content-Type": 'application/json; charset="UTF-8"'},
    )
    assert got.status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_compressed_bodies_are_refused(door: Door, encoding: str) -> None:
    """Threat 18: a small body that unpacks to a large one."""
    got = await door.post("/v1/actions", data=b"", headers={"Content-Encoding": encoding})
    assert (got.status, got.code) == (415, "unsupported_media_type")


async def test_a_body_at_the_limit_passes_and_one_over_it_does_not(door: Door) -> None:
    """Threat 18: the size of a body is bounded."""
    fill = 262_144 - len(FRAME % '{"a":""}')
    exact = (FRAME % f'{{"a":"{"x" * fill}"}}').encode()
    assert len(exact) == 262_144
    assert (await door.post("/v1/actions", data=exact)).status == 200
    got = await door.post("/v1/actions", data=exact.replace(b'"x', b'"xx', 1))
    assert (got.status, got.code) == (413, "body_too_large")


def _head(door: Door, *lines: str) -> bytes:
    return "\r\n".join(
        [
            "POST /v1/actions HTTP/1.1",
            "Host: gate",
            "Authorization: Bearer sk_test_bot_0123456789abcdef",
            "Content-Type: application/json",
            *lines,
            "",
            "",
        ]
    ).encode()


async def test_a_chunked_body_over_the_limit_is_cut_off(door: Door) -> None:
    """Threat 18: a body without a length is counted as it comes."""
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    answer = await door.talk(
        _head(door, "Transfer-Encoding: chunked", "Connection: close") + chunk * 17 + b"0\r\n\r\n"
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413")
    assert json.loads(body)["code"] == "body_too_large"


async def test_an_announced_length_over_the_limit_is_refused_before_it_comes(door: Door) -> None:
    answer = await door.talk(_head(door, "Content-Length: 999999999", "Connection: close") + b"{}")
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 2", "Transfer-Encoding: chunked"],
        ["Content-Length: two"],
        ["Bad header"],
        ["X-Big: " + "x" * 20_000],
    ],
    ids=["two-framings", "no-number", "no-colon", "long-header"],
)
async def test_what_is_no_http_gets_an_error_document_that_repeats_nothing(
    door: Door, lines: list[str]
) -> None:
    """Threat 18, and INV-51: an answer of the HTTP parser quotes no header, which could hold a key."""
    answer = await door.talk(_head(door, *lines, "Connection: close") + b"{}")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert b"application/problem+json" in head
    assert b"Server: signoff" in head
    assert json.loads(body)["code"] == "bad_request"
    for sent in (b"sk_test", b"Bad header", b"xxx", b"two"):
        assert sent not in body


async def test_bytes_after_the_body_are_no_part_of_it(door: Door) -> None:
    answer = await door.talk(_head(door, "Content-Length: 2", "Connection: close") + b"{}{}")
    assert answer.count(b"HTTP/1.") <= 2
    assert b" 422 " in answer.splitlines()[0] or b" 400 " in answer.splitlines()[0]
