"""The body of a proposal: what fits, what does not and where, and that nothing of it is lost on the way in."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gate.contract.execution import OutcomeIn, RedeemIn
from gate.contract.proposal import ActionIn
from gate.domain.action import TONES, Claims, Context, Evidence, Proposal, Source, Upstream
from gate.domain.risk import Risk
from gate.usecases.proposal import to_proposal

LEAST: dict[str, Any] = {"topic": "a.b", "payload": {}, "summary": "S"}
WHOLE: dict[str, Any] = {
    "topic": "job.support.process-refund",
    "payload": {"order": "881", "lines": [1, 2.5, None, True]},
    "summary": "Refund $1,400.00 to order 881",
    "tool": "stripe.refund",
    "rationale": "Lost in the post.",
    "environment": "prod",
    "labels": {"region": "eu"},
    "risk": "high",
    "risk_tags": ["prod", "write"],
    "confidence": 0.84,
    "anomaly_score": 0.1,
    "amount_usd": 1400,
    "affected_users": 1,
    "retry_count": 0,
    "evidence": [{"label": "Contract", "value": "CON-4821", "tone": "emerald", "url": "https://x.example/c"}],
    "context": {
        "workflow": "refunds",
        "run_id": "r1",
        "step": "s1",
        "trigger": "mail",
        "original_request": "Please\nrefund",
        "model": {"name": "m", "version": "1"},
        "prompt_version": "p3",
        "sources": [
            {"id": "d1", "title": "T", "url": "https://x.example", "fetched_at": "2026-11-01T00:00:00Z"}
        ],
        "policy_flags": ["pii"],
        "upstream": [{"agent": "a", "step": "s0", "summary": "Looked it up"}],
    },
    "payload_schema": {"type": "object"},
    "callback_url": "https://hooks.example.com/x",
    "audience": "payments-executor",
}


def test_every_field_reaches_the_proposal() -> None:
    assert set(WHOLE) == set(ActionIn.model_fields)
    assert to_proposal(ActionIn.model_validate(WHOLE)) == Proposal(
        topic="job.support.process-refund",
        payload={"order": "881", "lines": [1, 2.5, None, True]},
        summary="Refund $1,400.00 to order 881",
        tool="stripe.refund",
        rationale="Lost in the post.",
        environment="prod",
        labels={"region": "eu"},
        claims=Claims(
            risk=Risk.HIGH,
            risk_tags=frozenset({"prod", "write"}),
            confidence=0.84,
            anomaly_score=0.1,
            amount_usd=1400.0,
            affected_users=1,
            retry_count=0,
        ),
        evidence=(Evidence(label="Contract", value="CON-4821", tone="emerald", url="https://x.example/c"),),
        context=Context(
            workflow="refunds",
            run_id="r1",
            step="s1",
            trigger="mail",
            original_request="Please\nrefund",
            model_name="m",
            model_version="1",
            prompt_version="p3",
            sources=(Source(id="d1", title="T", url="https://x.example", fetched_at="2026-11-01T00:00:00Z"),),
            policy_flags=("pii",),
            upstream=(Upstream(agent="a", step="s0", summary="Looked it up"),),
        ),
        payload_schema={"type": "object"},
        callback_url="https://hooks.example.com/x",
        audience="payments-executor",
    )


def test_the_least_there_is_claims_nothing() -> None:
    proposal = to_proposal(ActionIn.model_validate(LEAST))
    assert proposal == Proposal(topic="a.b", payload={}, summary="S")
    assert proposal.claims == Claims()


@pytest.mark.parametrize("field", ["topic", "payload", "summary"])
def test_three_fields_are_required(field: str) -> None:
    with pytest.raises(ValidationError, match="Field required"):
        ActionIn.model_validate({key: value for key, value in LEAST.items() if key != field})


@pytest.mark.parametrize(
    "change",
    [
        {"topic": "a" * 99 + "." + "b" * 100},
        {"topic": "A_1.b-2.c"},
        {"summary": "x" * 300},
        {"rationale": "two\nlines\tand a tab"},
        {"labels": {f"k{n}": "v" for n in range(50)}},
        {"labels": {"a": ""}},
        {"evidence": [{"label": "l", "value": "v", "tone": tone} for tone in TONES]},
        {"evidence": [{"label": "l", "value": "v"}] * 20},
        {"confidence": 0},
        {"confidence": 1},
        {"amount_usd": 0.0},
        {"callback_url": "http://localhost:9000/hook"},
        {"callback_url": "http://[::1]:9000/hook"},
        {"context": {}},
        {"risk": None, "labels": {}, "context": None},
        {"payload": {"\x00": "\x00", "k" * 5000: 1}},
    ],
    ids=str,
)
def test_what_fits(change: dict[str, Any]) -> None:
    ActionIn.model_validate(LEAST | change)


@pytest.mark.parametrize(
    ("change", "where", "kind"),
    [
        ({"topic": "nodots"}, ("topic",), "string_pattern_mismatch"),
        ({"topic": "a..b"}, ("topic",), "string_pattern_mismatch"),
        ({"topic": "a.b\n"}, ("topic",), "string_pattern_mismatch"),
        ({"topic": "а.b"}, ("topic",), "string_pattern_mismatch"),
        ({"topic": "a." + "b" * 200}, ("topic",), "string_too_long"),
        ({"payload": []}, ("payload",), "dict_type"),
        ({"payload": None}, ("payload",), "dict_type"),
        ({"summary": ""}, ("summary",), "blank"),
        ({"summary": " \n"}, ("summary",), "blank"),
        ({"summary": "a\x00b"}, ("summary",), "control_character"),
        ({"summary": "a\x1b[2Jb"}, ("summary",), "control_character"),
        ({"labels": {"region": "eu\x1b[2J"}}, ("labels", "region"), "control_character"),
        ({"summary": 7}, ("summary",), "string_type"),
        ({"risk": "severe"}, ("risk",), "literal_error"),
        ({"risk": "High"}, ("risk",), "literal_error"),
        ({"risk_tags": "prod"}, ("risk_tags",), "list_type"),
        ({"risk_tags": ["a b"]}, ("risk_tags", 0), "string_pattern_mismatch"),
        ({"confidence": 1.01}, ("confidence",), "less_than_equal"),
        ({"confidence": "0.9"}, ("confidence",), "float_type"),
        ({"confidence": True}, ("confidence",), "float_type"),
        ({"amount_usd": -0.01}, ("amount_usd",), "greater_than_equal"),
        ({"amount_usd": float("inf")}, ("amount_usd",), "finite_number"),
        ({"affected_users": 1.5}, ("affected_users",), "int_type"),
        ({"retry_count": -1}, ("retry_count",), "greater_than_equal"),
        ({"labels": {f"k{n}": "v" for n in range(51)}}, ("labels",), "too_long"),
        ({"labels": {"a": None}}, ("labels", "a"), "string_type"),
        ({"evidence": [{"label": "l", "value": "v"}] * 21}, ("evidence",), "too_long"),
        ({"evidence": [{"label": "l", "value": "v", "tone": "pink"}]}, ("evidence", 0, "tone"), "literal_error"),
        ({"evidence": [{"label": "l", "value": "v", "url": "javascript:1"}]}, ("evidence", 0, "url"), "url"),
        ({"evidence": [{"label": "l", "value": "v", "x": 1}]}, ("evidence", 0, "x"), "extra_forbidden"),
        ({"context": {"sources": [{"id": "d", "fetched_at": "yesterday"}]}},
         ("context", "sources", 0, "fetched_at"), "date_time"),
        ({"context": {"sources": [{"id": "d", "fetched_at": "2026-02-30T00:00:00Z"}]}},
         ("context", "sources", 0, "fetched_at"), "date_time"),
        ({"context": {"modle": {}}}, ("context", "modle"), "extra_forbidden"),
        ({"callback_url": "http://example.com/"}, ("callback_url",), "https_required"),
        ({"callback_url": "http://localhost.example.com/"}, ("callback_url",), "https_required"),
        ({"callback_url": "https://user:pw@example.com/"}, ("callback_url",), "url_credentials"),
        ({"callback_url": "https://example.com:99999/"}, ("callback_url",), "url"),
        ({"callback_url": "https:///x"}, ("callback_url",), "url"),
        ({"callback_url": "https://a b/"}, ("callback_url",), "url"),
        ({"callback_url": "file:///etc/passwd"}, ("callback_url",), "url"),
        ({"audience": "two words"}, ("audience",), "string_pattern_mismatch"),
        ({"payload_schema": True}, ("payload_schema",), "dict_type"),
        ({"riks": "high"}, ("riks",), "extra_forbidden"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_named(change: dict[str, Any], where: tuple[Any, ...], kind: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ActionIn.model_validate(LEAST | change)
    assert [(error["loc"], error["type"]) for error in refused.value.errors()] == [(where, kind)]


def test_a_redemption_names_the_payload_once() -> None:
    digest = "0" * 64
    assert RedeemIn.model_validate({"token": "t", "payload": {}}).payload == {}
    assert RedeemIn.model_validate({"token": "t", "payload_sha256": digest}).payload_sha256 == digest
    for body in (
        {"token": "t"},
        {"token": "t", "payload": {}, "payload_sha256": digest},
        {"token": "t", "payload_sha256": digest.replace("0", "A")},
        {"token": "", "payload": {}},
    ):
        with pytest.raises(ValidationError):
            RedeemIn.model_validate(body)


def test_an_outcome_is_one_of_three() -> None:
    assert OutcomeIn.model_validate({"result": "unknown"}).defect is False
    with pytest.raises(ValidationError):
        OutcomeIn.model_validate({"result": "done"})
    with pytest.raises(ValidationError):
        OutcomeIn.model_validate({"result": "failed", "defect": "yes"})
