"""Grants on the pure record: minted for one version, used once, dead afterwards; outcomes stand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate.domain.action import Agent
from gate.domain.refusal import Refused
from gate.domain.release import collectable, minting, redeem, revoke
from gate.domain.reporting import report
from gate.domain.request import ActionRecord, Grant, GrantState, Result
from gate.domain.transitions import Change
from gate.domain.voting import approve
from tests.fakes.records import AGENT, directory, later, pending

LEAF = b"\x01" * 32
EXECUTOR = Agent(id="agt_x", name="runner", team="ops", owner="own", scopes=frozenset({"execute"}))


def approved() -> ActionRecord:
    change = approve(pending(), person="ana", version=1, comment=None, directory=directory(), now=later(60))
    assert isinstance(change, Change)
    return change.record


def grant_for(record: ActionRecord, jti: str = "grt_1") -> Grant:
    plan = minting(record, jti=jti, issuer="signoff", leaf=LEAF, now=later(61))
    return Grant(
        jti=jti,
        action=record.id,
        version=record.version.number,
        payload_sha256=record.version.payload_sha256,
        audience=plan.audience,
        issued_at=plan.issued_at,
        expires_at=plan.expires_at,
        token="t",
    )


def use(record: ActionRecord, grant: Grant, **kwargs) -> Change | Refused:
    defaults = {"executor": EXECUTOR, "payload_sha256": "a" * 64, "now": later(70)}
    return redeem(record, grant, **(defaults | kwargs))


def code(result) -> str:
    assert isinstance(result, Refused), result
    return result.code


def test_the_claims_bind_action_version_payload_and_policy():
    """INV-11"""
    claims = minting(approved(), jti="grt_1", issuer="signoff", leaf=LEAF, now=later(61)).claims
    assert claims["act"] == "act_1"
    assert claims["ver"] == 1
    assert claims["payload_sha256"] == "a" * 64
    assert claims["policy_digest"] == "sha256:one"
    assert claims["leaf"] == "01" * 32
    assert claims["exp"] - claims["iat"] == 900


def test_a_grant_is_redeemed_once_whichever_of_several_it_is():
    """INV-18, INV-19: of all grants for a version at most one is ever redeemed."""
    record = approved()
    first, second = grant_for(record, "grt_1"), grant_for(record, "grt_2")
    used = use(record, first)
    assert isinstance(used, Change)
    assert code(use(used.record, replace(first, state=GrantState.REDEEMED))) == "grant_redeemed"
    assert code(use(used.record, second)) == "grant_redeemed"
    assert code(collectable(used.record, later(71))) == "grant_redeemed"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"payload_sha256": "c" * 64}, "payload_mismatch", id="another payload"),
        pytest.param({"now": later(61 + 900)}, "grant_expired", id="at its very expiry"),
        pytest.param(
            {"executor": replace(EXECUTOR, audiences=frozenset({"others"}))},
            "audience_mismatch",
            id="another audience",
        ),
    ],
)
def test_a_grant_is_dead_outside_its_bounds(changes, expected):
    """INV-20, INV-21"""
    record = approved()
    assert code(use(record, grant_for(record), **changes)) == expected


def test_a_revoked_release_is_dead_and_stays_so():
    """INV-20"""
    record = approved()
    grant = grant_for(record)
    taken_back = revoke(record, operator="root", reason="wrong account", now=later(65))
    assert isinstance(taken_back, Change)
    assert taken_back.record.decision_note == "wrong account"
    assert code(revoke(record, operator="root", reason=" ", now=later(65))) == "comment_required"
    assert code(use(taken_back.record, grant)) == "grant_revoked"
    assert code(collectable(taken_back.record, later(66))) == "grant_revoked"


def test_nothing_is_collected_before_a_release_or_after_the_approval_ran_out():
    assert code(collectable(pending(), later(1))) == "not_approved"
    assert code(collectable(approved(), later(60 + 86_400))) == "grant_expired"
    assert collectable(approved(), later(60 + 86_399)) is None


def test_a_grant_never_outlives_the_approval():
    plan = minting(approved(), jti="grt_9", issuer="signoff", leaf=LEAF, now=later(60 + 86_400 - 100))
    assert plan.expires_at == later(60 + 86_400)


def test_an_outcome_stands_once_told_and_unknown_may_be_settled():
    record = approved()
    used = use(record, grant_for(record))
    assert isinstance(used, Change)

    def tell(record: ActionRecord, result: Result, *, defect: bool = False) -> Change | Refused:
        return report(
            record,
            reporter=AGENT,
            result=result,
            detail=None,
            defect=defect,
            incident=False,
            now=later(80),
        )

    assert code(tell(record, Result.SUCCEEDED)) == "not_approved"
    unknown = tell(used.record, Result.UNKNOWN)
    assert isinstance(unknown, Change)
    settled = tell(unknown.record, Result.SUCCEEDED)
    assert isinstance(settled, Change)
    assert code(tell(settled.record, Result.FAILED)) == "outcome_reported"
    escaped = tell(settled.record, Result.SUCCEEDED, defect=True)
    assert isinstance(escaped, Change)
    assert escaped.record.outcome is not None
    assert escaped.record.outcome.defect
