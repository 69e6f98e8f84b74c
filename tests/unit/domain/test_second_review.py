"""The blind second review: the draw, the two people it takes, what is hidden, and what is told afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate.domain.care import Care
from gate.domain.delegation import Delegation
from gate.domain.editing import edit
from gate.domain.eligibility import enough
from gate.domain.people import Directory, Group
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Status
from gate.domain.risk import Risk
from gate.domain.second_review import blind, drawn, result, veiled
from gate.domain.submission import submit
from gate.domain.tightening import tightened
from gate.domain.transitions import CARD, Change
from gate.domain.verdict import ApprovalPlan
from gate.domain.voting import approve, reject
from tests.fakes.records import AGENT, NOW, directory, later, person, plan, proposal, verdict

ALL = Care(second_review_rate=1.0)


def asked_for(
    plan_: ApprovalPlan | None = None, care: Care = ALL, risk: Risk = Risk.HIGH, town: Directory | None = None
) -> ActionRecord:
    return submit(
        action_id="act_1",
        agent=AGENT,
        proposal=proposal(),
        payload_sha256="a" * 64,
        verdict=verdict(risk=risk, plan_=plan_),
        directory=town or directory(),
        now=NOW,
        repage_sec=600,
        care=care,
    ).record


def yes(record: ActionRecord, who: str, town: Directory | None = None, **kwargs) -> Change | Refused:
    fields = {"version": record.version.number, "comment": None, "now": later(60)} | kwargs
    return approve(record, person=who, directory=town or directory(), **fields)


def no(record: ActionRecord, who: str) -> Change | Refused:
    return reject(
        record,
        person=who,
        version=record.version.number,
        category="unsafe",
        comment=None,
        directory=directory(),
        now=later(90),
    )


def done(result_: Change | Refused) -> Change:
    assert isinstance(result_, Change), result_
    return result_


def test_the_draw_follows_from_the_id_and_takes_its_share() -> None:
    ids = [f"act_{n}" for n in range(4_000)]
    taken = [i for i in ids if drawn(i, 0.1)]
    assert 320 < len(taken) < 480
    assert taken == [i for i in ids if drawn(i, 0.1)]
    assert not any(drawn(i, 0.0) for i in ids)
    assert all(drawn(i, 1.0) for i in ids)
    assert set(taken) <= {i for i in ids if drawn(i, 0.2)}


def test_nothing_an_agent_sends_has_a_say_in_the_draw() -> None:
    care = Care(second_review_rate=0.5)
    for payload in ({"amount": 1}, {"amount": 2}, {"x": "y" * 100}):
        record = submit(
            action_id="act_17",
            agent=AGENT,
            proposal=proposal(payload=payload, labels={"x": str(payload)}),
            payload_sha256="f" * 64,
            verdict=verdict(),
            directory=directory(),
            now=NOW,
            repage_sec=600,
            care=care,
        ).record
        assert record.plan is not None
        assert record.plan.second_review == drawn("act_17", 0.5)


@pytest.mark.parametrize(
    ("plan_", "risk", "groups"),
    [
        pytest.param(plan(quorum=2), Risk.HIGH, {}, id="policy asks for two anyway"),
        pytest.param(None, Risk.CRITICAL, {}, id="critical"),
        pytest.param(
            plan(groups=("lone",)),
            Risk.HIGH,
            {"lone": Group(name="lone", members=("ana",)), "approvers": Group(name="approvers", members=())},
            id="only one could decide, before the ladder calls others",
        ),
    ],
)
def test_there_is_none_where_it_makes_no_sense(plan_, risk, groups) -> None:
    record = asked_for(plan_, risk=risk, town=directory(groups=directory().groups | groups))
    assert record.status is Status.PENDING
    assert record.plan is not None
    assert not record.plan.second_review


def test_inv_04_the_same_person_never_counts_as_the_second() -> None:
    """INV-04, also where nobody sees the first vote; and INV-06, grantor and delegate are one."""
    first = done(yes(asked_for(), "ana")).record
    assert first.status is Status.PENDING
    again = yes(first, "ana")
    assert isinstance(again, Refused)
    assert again.code == "already_voted"
    assert not enough(first.plan or plan(), ("ana", "ana"), directory())
    lent = Delegation(
        id="dlg_1",
        grantor="ana",
        delegate="dee",
        start=NOW,
        end=later(9_000),
        reason="away",
        created_at=NOW,
    )
    other = yes(first, "dee", directory(delegations=(lent,)))
    assert isinstance(other, Refused)
    assert other.code == "already_voted"
    assert "Ana" not in other.sentence


def test_two_people_release_it_and_the_record_says_that_they_agreed() -> None:
    first = done(yes(asked_for(), "ana"))
    assert first.audit.kind == "approval.vote"
    second = done(yes(first.record, "bo"))
    assert second.record.status is Status.APPROVED
    assert second.audit.detail["second_review"] == "agreed"
    assert result(second.record) == "agreed"


def test_a_no_after_a_yes_is_a_disagreement() -> None:
    first = done(yes(asked_for(), "ana")).record
    second = done(no(first, "bo"))
    assert second.record.status is Status.REJECTED
    assert second.audit.detail["second_review"] == "disagreed"


def test_a_no_alone_or_a_change_of_mind_is_none() -> None:
    assert "second_review" not in done(no(asked_for(), "bo")).audit.detail
    assert "second_review" not in done(no(done(yes(asked_for(), "ana")).record, "ana")).audit.detail


def test_the_first_approval_is_told_to_nobody_outside() -> None:
    first = done(yes(asked_for(), "ana"))
    assert first.intents == ()
    assert blind(first.record)
    assert veiled(first.record).votes == ()
    ended = done(yes(first.record, "bo"))
    assert CARD in ended.intents
    assert len(veiled(ended.record).votes) == 2


def test_somebody_else_is_asked_only_where_nobody_asked_is_left() -> None:
    record = asked_for(plan(assignees=("ana",)))
    assert record.asked == ("ana",)
    first = done(yes(record, "ana"))
    assert first.record.asked == ("ana", "bo")
    assert [(i.kind, i.body) for i in first.intents] == [("dm", {"person": "bo", "why": "also"})]
    by_another = done(yes(record, "bo"))
    assert by_another.record.asked == ("ana",)


def test_the_next_person_fills_the_seat_that_is_open() -> None:
    record = asked_for(plan(groups=(), distinct_groups=("security",)))
    first = done(yes(replace(record, asked=("cho",)), "cho")).record
    assert first.asked == ("cho", "bo")
    last = done(yes(first, "bo")).record
    assert last.status is Status.APPROVED


def test_inv_10_an_edit_voids_the_hidden_vote_and_tells_nothing_of_it() -> None:
    first = done(yes(asked_for(), "ana")).record
    changed = done(
        edit(
            first,
            person="bo",
            version=1,
            payload={"amount": 1},
            payload_sha256="b" * 64,
            verdict=verdict(),
            comment=None,
            directory=directory(),
            now=later(70),
        )
    )
    thread = next(i for i in changed.intents if i.kind == "thread")
    assert thread.body["voided"] == 0
    assert changed.audit.detail["voided"] == 1
    assert blind(changed.record)
    assert done(yes(changed.record, "cho", now=later(90))).record.status is Status.PENDING


def test_inv_14_where_policy_asks_for_two_by_now_two_are_enough() -> None:
    """INV-14: never fewer people than before; the second one that policy wants is the second opinion."""
    record = asked_for()
    stricter = tightened(record.plan or plan(), verdict(plan_=plan(quorum=2)))
    assert not stricter.second_review
    assert stricter.voices_needed == (record.plan or plan()).voices_needed == 2
    same = tightened(record.plan or plan(), verdict())
    assert same.second_review
    assert same.voices_needed == 2


def test_nobody_who_left_counts_as_the_first() -> None:
    first = done(yes(asked_for(), "ana")).record
    gone = directory(people=directory().people | {"ana": person("ana", active=False)})
    assert done(yes(first, "bo", gone)).record.status is Status.PENDING
