"""Requests are built and answers read without a network, and nothing secret is ever printed."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.client import wire
from gate.client.errors import GateRefused, UnreadableAnswer
from gate.client.wire import Answer, Claims, Patience
from gate.contract.canonical import NotCanonical
from gate.contract.execution import CancelIn, OutcomeIn, RedeemIn
from gate.contract.problem import problem
from gate.contract.proposal import ActionIn


def answer(status: int, document: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = b"" if document is None else json.dumps(document).encode()
    return Answer(status=status, headers={"content-type": "application/json", **named}, body=body)


def refusal(code: str, **headers: str) -> Answer:
    document = problem(code, request_id="req_1")
    return Answer(
        status=document.status,
        headers={"content-type": "application/problem+json; charset=utf-8", **headers},
        body=document.model_dump_json().encode(),
    )


def propose(**claims: Any) -> wire.Request:
    return wire.propose(
        topic="pay.refund",
        payload={"amount": 5},
        summary="Refund",
        claims=claims,  # pyright: ignore[reportArgumentType]
        idempotency_key="k-1",
        wait=60,
    )


def test_the_claims_are_exactly_those_of_the_contract():
    assert set(get_type_hints(Claims)) | {"topic", "payload", "summary"} == set(ActionIn.model_fields)


def test_a_proposal_is_one_the_contract_takes_and_is_held_for_its_wait():
    made = propose(
        risk="high", labels={"region": "eu"}, evidence=[{"label": "Order", "value": "881"}], tool=None
    )
    assert (made.method, made.path, made.held) == ("POST", "/v1/actions", 60)
    assert made.headers["Idempotency-Key"] == "k-1"
    assert made.headers["Prefer"] == "wait=60"
    assert made.body is not None
    body = ActionIn.model_validate_json(made.body)
    assert (body.topic, body.risk, body.payload) == ("pay.refund", "high", {"amount": 5})


@pytest.mark.parametrize(
    "payload", [{"x": float("nan")}, {"x": 2**60}, {"x": "\ud800"}, {"x": object()}, {1: 2}]
)
def test_what_json_cannot_hold_is_refused_before_it_is_sent(payload: dict[Any, Any]):
    with pytest.raises(NotCanonical):
        wire.propose(topic="a.b", payload=payload, summary="s", claims={}, idempotency_key="k", wait=0)


def test_the_other_bodies_are_ones_the_contract_takes():
    digest = "0" * 64
    redeem = RedeemIn.model_validate_json(wire.redeem("a.b.c", payload_sha256=digest).body or b"")
    assert (redeem.token, redeem.payload_sha256) == ("a.b.c", digest)
    report = OutcomeIn.model_validate_json(
        wire.outcome("act_1", "failed", detail="no\x00 \x1b[1m").body or b""
    )
    assert (report.result, report.detail) == ("failed", "no   [1m")
    assert (
        OutcomeIn.model_validate_json(wire.outcome("act_1", "failed", detail=" \x07").body or b"").detail
        is None
    )
    assert CancelIn.model_validate_json(wire.cancel("act_1", reason=None).body or b"").reason is None
    assert wire.show("act_1/../../x?y", wait=3).path == "/v1/actions/act_1%2F..%2F..%2Fx%3Fy"


def test_an_error_document_becomes_a_refusal_with_its_code():
    with pytest.raises(GateRefused) as caught:
        wire.read_action(refusal("idempotency_key_reused"))
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (
        422,
        "idempotency_key_reused",
        "req_1",
    )


@pytest.mark.parametrize(
    "strange",
    [
        answer(200, {"id": "act_1"}),
        answer(200),
        Answer(status=200, headers={}, body=b'{"id": 1, "id": 2}'),
        answer(200, ["secret-token"]),
    ],
    ids=["other fields", "empty", "duplicate key", "no object"],
)
def test_an_answer_of_something_else_is_named_without_being_repeated(strange: Answer):
    with pytest.raises(UnreadableAnswer) as caught:
        wire.read_action(strange)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__ is None}"


@pytest.mark.parametrize("status", [301, 400, 404, 500])
def test_an_error_without_a_document_keeps_its_status(status: int):
    with pytest.raises(GateRefused) as caught:
        wire.read_action(Answer(status=status, headers={"content-type": "text/html"}, body=b"<h1>"))
    assert (caught.value.status, caught.value.code) == (status, f"http_{status}")


def test_only_too_many_and_unavailable_are_tried_again():
    retried = {status for status in range(200, 600) if wire.worth_retrying(answer(status))}
    assert retried == {429, 502, 503, 504}


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_back_off_grows_to_its_longest_and_no_further(attempt: int, chance: float):
    patience = Patience(first=0.1, longest=5.0)
    seconds = wire.pause(attempt, None, patience, chance)
    assert 0.05 <= seconds <= 5.0
    assert seconds <= wire.pause(attempt + 1, None, patience, 1.0)


def test_what_the_gate_asks_for_goes_before_back_off():
    assert wire.pause(9, refusal("store_unavailable", **{"retry-after": "17"}), Patience(), 0.5) == 17
    for unusable in ("Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1e9", "９", "9999999"):
        assert wire.pause(1, refusal("store_unavailable", **{"retry-after": unusable}), Patience(), 1) == 0.1


@pytest.mark.parametrize(
    ("got", "asked", "took", "seconds"),
    [
        (answer(202, preference_applied="wait=60", retry_after="5"), 60, 60.0, 0.0),
        (answer(202, preference_applied="wait=60", retry_after="5"), 60, 0.1, 5.0),
        (answer(202, retry_after="2"), 60, 0.1, 2.0),
        (answer(202, retry_after="900"), 60, 0.1, 5.0),
        (answer(200), 0, 0.0, 1.0),
    ],
    ids=["held to its end", "let go early", "no room to wait", "asks for long", "not asked to wait"],
)
def test_a_wait_that_was_not_held_is_not_renewed_at_once(
    got: Answer, asked: int, took: float, seconds: float
):
    assert wire.pause_before_renewal(got, asked=asked, took=took) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "ftp://gate",
        "gate:8080",
        "https://",
        "https://u:p@gate",
        "https://gate/?x=1",
        "http://gate.example",
        "",
    ],
)
def test_an_address_where_a_key_could_be_read_is_refused(text: str):
    with pytest.raises(ValueError, match=r"address|https"):
        wire.base_url(text)


def test_addresses_that_are_taken():
    assert wire.base_url("https://gate.example/base/") == "https://gate.example/base"
    assert wire.base_url("http://127.0.0.1:8080/") == "http://127.0.0.1:8080"
    assert wire.base_url("http://gate.internal", plain_http=True) == "http://gate.internal"


def test_nothing_secret_is_in_a_text_of_a_request_or_an_answer():
    """INV-51."""
    assert "sekret" not in repr(wire.redeem("sekret", payload_sha256="0" * 64))
    assert "sekret" not in repr(answer(200, {"token": "sekret"}))
