"""The action document is written in one step, and is what the contract's model would write."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gate.contract.action import ActionDocument
from gate.domain.action import Agent, Proposal
from gate.domain.emergency import Emergency
from gate.domain.request import (
    ActionRecord,
    Choice,
    Grant,
    Outcome,
    Rejection,
    Result,
    Shredding,
    Status,
    Version,
    Vote,
)
from gate.domain.risk import Risk
from gate.domain.verdict import ApprovalPlan, Decision, Effective, Remediation, Verdict
from gate.usecases.document import to_document, written
from tests.contract.records import action, grant

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=4)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
PLANS = st.builds(ApprovalPlan, quorum=st.integers(1, 3), second_review=st.booleans())


def some(kind: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.builds(kind, **fields)


RECORDS = st.builds(
    ActionRecord,
    id=TEXTS,
    agent=st.builds(Agent, id=TEXTS, name=TEXTS, team=TEXTS, owner=TEXTS),
    proposal=st.builds(Proposal, topic=TEXTS, payload=OBJECTS, summary=TEXTS),
    verdict=st.builds(
        Verdict,
        decision=st.sampled_from(Decision),
        reason=TEXTS,
        rule=TEXTS,
        policy_version=TEXTS,
        policy_digest=TEXTS,
        effective=st.builds(
            Effective, risk=st.sampled_from(Risk), risk_tags=st.frozensets(TEXTS, max_size=3)
        ),
        constraints=OBJECTS.map(MappingProxyType),
        remediations=st.lists(
            st.builds(Remediation, id=TEXTS, title=TEXTS, replacement_topic=st.none() | TEXTS), max_size=2
        ).map(tuple),
        retry_after_sec=st.none() | st.integers(0, 9),
    ),
    status=st.sampled_from(Status),
    created_at=TIMES,
    versions=st.lists(
        st.builds(
            Version,
            number=st.integers(1, 9),
            payload=OBJECTS,
            payload_sha256=DIGESTS,
            policy_digest=TEXTS,
            rule=TEXTS,
            created_at=TIMES,
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
    decided_at=st.none() | TIMES,
    plan=st.none() | PLANS,
    votes=st.lists(
        st.builds(
            Vote,
            person=TEXTS,
            choice=st.sampled_from(Choice),
            version=st.integers(1, 9),
            at=TIMES,
            comment=st.none() | TEXTS,
            on_behalf_of=st.none() | TEXTS,
        ),
        max_size=2,
    ).map(tuple),
    sla_at=st.none() | TIMES,
    held=st.booleans(),
    rejection=some(Rejection, category=TEXTS, comment=TEXTS),
    outcome=some(
        Outcome,
        result=st.sampled_from(Result),
        at=TIMES,
        reporter=TEXTS,
        detail=st.none() | TEXTS,
        defect=st.booleans(),
    ),
    emergency=some(
        Emergency,
        person=TEXTS,
        reason=TEXTS,
        at=TIMES,
        until=TIMES,
        review_due_at=TIMES,
        supervisors=st.just(("ana",)),
    ),
    shredded=some(Shredding, at=TIMES, by=TEXTS),
)
GRANTS = st.none() | st.builds(
    Grant,
    jti=TEXTS,
    action=TEXTS,
    version=st.integers(1, 9),
    payload_sha256=DIGESTS,
    audience=TEXTS,
    issued_at=TIMES,
    expires_at=TIMES,
    token=TEXTS,
)


@given(RECORDS, GRANTS)
def test_what_is_written_is_what_the_model_writes(record: ActionRecord, handed: Grant | None) -> None:
    text = written(record, grant=handed)
    model = to_document(record, grant=handed)
    assert ActionDocument.model_validate_json(text) == model
    assert list(json.loads(text)) == list(ActionDocument.model_fields)
    assert json.loads(text) == json.loads(model.model_dump_json())


def test_a_number_of_many_digits_is_written_whole() -> None:
    """A payload of an older version may hold one."""
    record = action(payload={"n": 2**70})
    assert json.loads(written(record, grant=grant()))["payload"] == {"n": 2**70}
    assert json.loads(written(replace(record, status=Status.DENIED)))["status"] == "denied"
