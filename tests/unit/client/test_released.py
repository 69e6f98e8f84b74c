"""A decision is a release or a typed no, and a grant is in no text of either."""

from __future__ import annotations

from typing import Any

import pytest

from gate.client.errors import (
    Cancelled,
    Denied,
    Expired,
    GateError,
    NoGrant,
    NotReleased,
    Rejected,
    StillPending,
    Throttled,
)
from gate.client.released import settled
from tests.unit.client.documents import document

GRANT = {"token": "sekret.sekret.sekret", "expires_at": "2026-11-02T09:15:00.000000Z"}


@pytest.mark.parametrize("status", ["allowed", "approved"])
def test_a_release_has_its_grant_and_shows_it_to_nobody(status: str):
    """INV-51."""
    found = settled(document(status=status, grant=GRANT))
    assert found.token == GRANT["token"]
    assert found.payload == {"order": "881"}
    for text in (repr(found), str(found), repr(found.document), found.document.model_dump_json()):
        assert "sekret" not in text


def test_a_release_that_was_used_has_no_grant():
    found = settled(document(status="approved"))
    with pytest.raises(NoGrant, match="act_1"):
        _ = found.token


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("denied", Denied),
        ("throttled", Throttled),
        ("rejected", Rejected),
        ("expired", Expired),
        ("cancelled", Cancelled),
    ],
)
def test_every_other_decision_is_its_own_exception(status: str, kind: type[NotReleased]):
    way = {"id": "archive", "title": "Archive it", "replacement_topic": "db.archive"}
    with pytest.raises(kind) as caught:
        settled(document(status=status, reason="Never.", remediations=[way]))
    error = caught.value
    assert isinstance(error, NotReleased)
    assert (error.code, error.reason) == (status, "Never.")
    assert error.remediations[0].replacement_topic == "db.archive"
    assert str(error) == f"act_1 is {status}: Never. Instead: Archive it."


def test_what_is_pending_is_no_decision():
    with pytest.raises(StillPending) as caught:
        settled(document(status="pending"))
    assert not isinstance(caught.value, NotReleased)
    assert isinstance(caught.value, GateError)


def test_a_rejection_says_what_the_reviewer_wrote():
    approval: dict[str, Any] = {
        "required": 1,
        "deadline": None,
        "escalation_step": 0,
        "held": False,
        "votes": [],
        "reject": {"category": "wrong_amount", "comment": "Half of it"},
    }
    with pytest.raises(Rejected, match=r"wrong_amount.*Half of it") as caught:
        settled(document(status="rejected", approval=approval))
    assert (caught.value.category, caught.value.comment) == ("wrong_amount", "Half of it")


def test_a_throttled_action_says_when_to_come_back():
    with pytest.raises(Throttled) as caught:
        settled(document(status="throttled", retry_after_sec=90))
    assert caught.value.retry_after_sec == 90
