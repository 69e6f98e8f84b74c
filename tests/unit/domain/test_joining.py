"""What makes two proposals one, and what the second does to the first."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from gate.domain.action import Claims, Context, Evidence, Proposal, Source
from gate.domain.joining import join, twin_of
from gate.domain.risk import Risk
from gate.domain.transitions import CARD, IllegalTransition
from gate.domain.verdict import Decision
from tests.fakes.records import later, pending, proposal, submitted, verdict

SHA = "a" * 64
OTHERS: dict[str, Any] = {
    "topic": "job.other",
    "summary": "Something else",
    "tool": "stripe.refund",
    "rationale": "Because",
    "environment": "prod",
    "labels": {"region": "eu"},
    "claims": Claims(risk=Risk.HIGH),
    "evidence": (Evidence(label="Contract", value="CON-1"),),
    "context": Context(workflow="refunds", sources=(Source(id="s1"),)),
    "payload_schema": {"type": "object"},
    "callback_url": "https://hooks.example.com/x",
    "audience": "payments",
}


def test_proposals_that_differ_by_their_run_only_are_twins() -> None:
    one = proposal(context=Context(workflow="w", run_id="run 1"))
    other = proposal(context=Context(workflow="w", run_id="run 2"))
    assert twin_of(one, SHA) == twin_of(other, SHA)


@pytest.mark.parametrize("field", [f.name for f in fields(Proposal) if f.name != "payload"])
def test_any_other_difference_makes_another_request(field: str) -> None:
    changed = replace(proposal(), **{field: OTHERS[field]})
    assert twin_of(changed, SHA) != twin_of(proposal(), SHA)


def test_another_payload_makes_another_request() -> None:
    assert twin_of(proposal(), SHA) != twin_of(proposal(), "b" * 64)


def test_claims_in_another_order_are_the_same_claims() -> None:
    tags = [frozenset(order) for order in (("prod", "write"), ("write", "prod"))]
    found = {twin_of(proposal(claims=Claims(risk_tags=each), labels={"a": "1"}), SHA) for each in tags}
    assert len(found) == 1


def test_joining_counts_and_moves_nothing_else() -> None:
    """INV-24, INV-44: the same deadline, nobody asked anew, one record."""
    record = pending()
    change = join(record, now=later(60))
    assert change.record == replace(record, joined=1, revision=record.revision + 1)
    assert change.intents == (CARD,)
    assert (change.audit.kind, change.audit.actor) == ("approval.joined", "agent:agt_1")
    assert join(change.record, now=later(61)).audit.detail["joined"] == 2


def test_nothing_joins_what_is_decided() -> None:
    """INV-01"""
    allowed = submitted(verdict_=replace(verdict(), decision=Decision.ALLOW, plan=None)).record
    with pytest.raises(IllegalTransition):
        join(allowed, now=later(1))
