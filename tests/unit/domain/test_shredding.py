"""Shredding: only what is over loses its content, and then all of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gate.domain.audit import canonical_bytes
from gate.domain.emergency import Emergency, Finding, Review
from gate.domain.refusal import Refused
from gate.domain.replay import Replay
from gate.domain.request import ActionRecord, Outcome, Result, Shredding, Status
from gate.domain.shredding import SHREDDED, emptied, noted, still_needed
from tests.contract.test_sealed import MARK, told
from tests.fakes.records import NOW, later, pending, submitted

OVER = replace(pending(), status=Status.REJECTED, decided_at=later(60), decided_by="ana", deadline=None)
RELEASED = replace(OVER, status=Status.APPROVED)
DAY = timedelta(hours=24)
EMERGENCY = Emergency(
    person="ana",
    reason=MARK,
    at=later(60),
    until=later(90),
    supervisors=("cho",),
    review_due_at=later(900),
)
REVIEWED = replace(
    EMERGENCY, review=Review(person="cho", finding=Finding.JUSTIFIED, comment=MARK, at=later(99))
)


@pytest.mark.parametrize(
    ("record", "after", "code"),
    [
        pytest.param(pending(), timedelta(0), "not_finished", id="waits for people"),
        pytest.param(OVER, timedelta(0), None, id="rejected"),
        pytest.param(replace(OVER, status=Status.DENIED), timedelta(0), None, id="denied"),
        pytest.param(RELEASED, timedelta(0), "not_finished", id="can still be executed"),
        pytest.param(RELEASED, DAY + timedelta(minutes=2), None, id="its release has run out"),
        pytest.param(replace(RELEASED, grants_revoked=True), timedelta(0), None, id="taken back"),
        pytest.param(
            replace(RELEASED, redeemed_jti="grt_1", report_by=later(600)),
            timedelta(0),
            "not_finished",
            id="begun, and not reported",
        ),
        pytest.param(
            replace(
                RELEASED,
                redeemed_jti="grt_1",
                report_by=later(600),
                outcome=Outcome(result=Result.SUCCEEDED, at=later(90), reporter="agt_1"),
            ),
            timedelta(0),
            None,
            id="executed and reported",
        ),
        pytest.param(
            replace(RELEASED, grants_revoked=True, emergency=EMERGENCY),
            timedelta(0),
            "not_finished",
            id="a supervisor has to look at it",
        ),
        pytest.param(
            replace(RELEASED, grants_revoked=True, emergency=REVIEWED), timedelta(0), None, id="looked at"
        ),
        pytest.param(
            replace(OVER, shredded=Shredding(at=NOW, by="olga")), timedelta(0), "already_shredded", id="done"
        ),
    ],
)
def test_only_what_is_over_can_lose_its_content(
    record: ActionRecord, after: timedelta, code: str | None
) -> None:
    found = still_needed(record, NOW + timedelta(minutes=2) + after)
    assert (found.code if isinstance(found, Refused) else None) == code


def test_nothing_that_anybody_said_is_left() -> None:
    record = replace(told(), emergency=REVIEWED)
    record = replace(record, verdict=replace(record.verdict, subjects=(MARK,), mask=("/iban",)))
    left = emptied(record)
    assert MARK not in repr(left)
    assert [each.payload_sha256 for each in left.versions] == [
        each.payload_sha256 for each in record.versions
    ]
    assert (left.status, left.decided_by, left.votes[0].person) == (Status.REJECTED, "ana", "ana")
    assert left.rejection is not None
    assert (left.rejection.category, left.rejection.comment) == ("other", SHREDDED)
    assert emptied(left) == left


def test_tags_that_only_the_agent_claims_are_its_words() -> None:
    tagged = replace(OVER.verdict.effective, risk_tags=frozenset({MARK}))
    for verified, left in (
        (frozenset[str](), frozenset[str]()),
        (frozenset({"risk_tags"}), tagged.risk_tags),
    ):
        record = replace(OVER, verdict=replace(OVER.verdict, effective=replace(tagged, verified=verified)))
        assert emptied(record).verdict.effective.risk_tags == left


@pytest.mark.parametrize(
    ("reason", "left"),
    [
        ("Large refund", "Large refund"),
        (f"Outside the constraints of rule 'r': the URL {MARK} is not on the list", SHREDDED),
        (f"Could not evaluate rule 'r': {MARK}", SHREDDED),
    ],
)
def test_reasons_stay_where_they_are_the_words_of_the_policy(reason: str, left: str) -> None:
    record = replace(OVER, verdict=replace(OVER.verdict, reason=reason))
    assert emptied(record).verdict.reason == left


def test_the_record_of_it_holds_no_content_and_follows_whatever_was() -> None:
    """INV-50: a history with it is one that could have happened."""
    record = told()
    written = noted(record, operator="olga", found_by="subject", now=later(99))
    assert MARK.encode() not in canonical_bytes(written)
    replay = Replay()
    first = submitted().audit
    for each in (first, replace(written, action=first.action), replace(written, action=first.action)):
        body = {"kind": each.kind, "action": each.action, "detail": each.detail}
        assert replay.take(body) is None
    assert replay.take({"kind": "action.shredded", "action": None, "detail": {}}) is not None
