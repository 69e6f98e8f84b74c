"""A complete record: what has to be there, who owes it, and that nothing is approved without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gate.domain.action import Claims, Context, Evidence, Source
from gate.domain.completeness import (
    ALIASES,
    FIELDS,
    EvidenceContract,
    Owed,
    completeness,
    missing,
    named,
    unsaid,
)
from gate.domain.refusal import Refused
from gate.domain.request import Status
from gate.domain.transitions import Change
from gate.domain.verdict import Effective
from gate.domain.voting import approve, reject
from tests.fakes.records import directory, later, pending, proposal, submitted, verdict

SAYS: dict[str, dict[str, Any]] = {
    "model": {"context": Context(model_name="m")},
    "model_version": {"context": Context(model_version="7")},
    "prompt_version": {"context": Context(prompt_version="p1")},
    "sources": {"context": Context(sources=(Source(id="kb"),))},
    "rationale": {"rationale": "Charged twice"},
    "evidence": {"evidence": (Evidence(label="Order", value="881"),)},
    "original_request": {"context": Context(original_request="please")},
    "workflow": {"context": Context(workflow="refunds")},
    "run_id": {"context": Context(run_id="r1")},
    "tool": {"tool": "stripe.refund"},
    "environment": {"environment": "prod"},
    "confidence": {"claims": Claims(confidence=0.5)},
}


def contract(*names: str, reject: bool = True) -> EvidenceContract:
    return EvidenceContract(required=names, reject=reject)


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.owed is Owed.SUBMIT])
def test_what_an_agent_owes_is_missed_exactly_where_it_did_not_say_it(name: str):
    said = SAYS[name]
    sure = Effective(confidence=0.5 if name == "confidence" else None)
    assert unsaid(contract(name), proposal(), Effective()) == (name,)
    assert unsaid(contract(name), proposal(**said), sure) == ()


def test_every_other_name_leads_to_a_field():
    assert set(ALIASES.values()) <= set(FIELDS)
    assert not set(ALIASES) & set(FIELDS)


def test_what_is_missing_is_named_in_words():
    assert named(["sources"]) == "the retrieval sources (sources)"
    assert named(["model", "sources"]) == "the model (model) and the retrieval sources (sources)"


def vote(record: Any, comment: str | None, asked: EvidenceContract) -> Any:
    return approve(
        record, person="ana", version=1, comment=comment, directory=directory(), now=later(9), contract=asked
    )


def test_nothing_is_approved_without_what_its_agent_left_out():
    """The sentence names it, and saying no stays possible."""
    asked = contract("prompt_version", "model")
    refused = vote(pending(), "fine", asked)
    assert isinstance(refused, Refused)
    assert refused.code == "incomplete_record"
    assert "the prompt version (prompt_version) and the model (model)" in refused.sentence
    no = reject(
        pending(),
        person="ana",
        version=1,
        category="unsafe",
        comment=None,
        directory=directory(),
        now=later(9),
    )
    assert isinstance(no, Change)


@pytest.mark.parametrize("comment", [None, "", "  "])
def test_an_approval_without_the_comment_policy_asks_for_is_refused(comment: str | None):
    refused = vote(pending(), comment, contract("comment"))
    assert isinstance(refused, Refused)
    assert refused.code == "incomplete_record"
    assert isinstance(vote(pending(), "fine", contract("comment")), Change)


def test_a_contract_that_only_measures_holds_nothing_back():
    done = vote(pending(), None, contract("comment", "prompt_version", reject=False))
    assert isinstance(done, Change)
    assert missing(contract("comment", "prompt_version"), done.record) == ("comment", "prompt_version")


def test_a_person_is_on_record_as_approver_and_a_timer_is_nobody():
    done = vote(pending(), None, contract("approver_id"))
    asked = contract("approver_id", "decision_ts")
    assert missing(asked, done.record) == ()
    assert missing(asked, replace(done.record, decided_by="timer")) == ("approver_id",)
    assert missing(asked, pending()) == asked.required


def test_completeness_is_a_share_and_says_what_is_missing_most():
    done = vote(pending(), None, contract("approver_id")).record
    found = completeness(contract("comment", "approver_id"), [done, done, pending()])
    assert (found.decided, found.complete, found.share) == (2, 0, 0.0)
    assert found.lacking == (("comment", 2),)
    assert completeness(contract("approver_id"), [done]).share == 1.0
    assert completeness(contract("approver_id"), []).share is None


def test_what_policy_releases_at_once_has_the_policy_as_approver():
    record = replace(
        submitted(verdict_=verdict()).record,
        status=Status.ALLOWED,
        plan=None,
        decided_at=later(0),
        decided_by="policy",
    )
    assert missing(contract("approver_id", "decision_ts", "comment"), record) == ()
