"""Votes, edits, reassignment and cancel on the pure record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate.domain.editing import edit
from gate.domain.eligibility import could_stay_open
from gate.domain.handing_on import cancel, reassign
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Status
from gate.domain.risk import Risk
from gate.domain.transitions import Change, IllegalTransition, move
from gate.domain.verdict import ApprovalPlan, Decision
from gate.domain.voting import approve, reject
from tests.fakes.records import NOW, directory, later, pending, person, plan, proposal, submitted, verdict


def yes(record: ActionRecord, who: str, **kwargs) -> Change | Refused:
    defaults = {"version": record.version.number, "comment": None, "directory": directory(), "now": later(60)}
    return approve(record, person=who, **(defaults | kwargs))


def no(record: ActionRecord, who: str, **kwargs) -> Change | Refused:
    defaults = {
        "version": record.version.number,
        "category": "unsafe",
        "comment": "",
        "directory": directory(),
        "now": later(60),
    }
    return reject(record, person=who, **(defaults | kwargs))


def changed(record: ActionRecord, who: str, **kwargs) -> Change | Refused:
    defaults = {
        "version": record.version.number,
        "payload": {"amount": 1200, "order": "881"},
        "payload_sha256": "b" * 64,
        "verdict": verdict(),
        "comment": None,
        "directory": directory(),
        "now": later(60),
    }
    return edit(record, person=who, **(defaults | kwargs))


def done(result: Change | Refused) -> ActionRecord:
    assert isinstance(result, Change), result
    return result.record


def code(result: Change | Refused) -> str:
    assert isinstance(result, Refused), result
    return result.code


def test_one_approval_decides_where_one_is_enough():
    record = done(yes(pending(), "ana"))
    assert (record.status, record.decided_by) == (Status.APPROVED, "ana")
    assert record.deadline is None


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        pytest.param("own", "own_agent", id="the agent's owner"),
        pytest.param("dee", "not_a_reviewer", id="somebody else's group"),
        pytest.param("zoe", "inactive_person", id="nobody we know"),
    ],
)
def test_who_may_not_approve_or_reject_is_told_why(who, expected):
    """INV-05: the agent's owner never counts, and neither does a stranger."""
    assert code(yes(pending(), who)) == expected
    assert code(no(pending(), who)) == expected


def test_the_owner_does_not_count_as_a_member_of_the_group_either():
    """INV-05"""
    agent = replace(pending().agent, owner="ana@example.com")
    record = pending(agent=agent)
    assert "ana" not in record.asked
    assert code(yes(record, "ana")) == "own_agent"


def test_the_requester_named_by_a_label_never_counts():
    """INV-05"""
    record = pending(proposal_=proposal(labels={"requester": "ANA@example.com"}))
    assert code(yes(record, "ana")) == "requester"
    assert record.asked == ("bo",)


def test_a_member_of_approvers_may_decide_anything_pending():
    assert done(yes(pending(), "cho")).status is Status.APPROVED


def test_a_deactivated_person_does_not_count():
    """INV-13: eligibility is looked at when deciding, not when asking."""
    people = directory().people | {"ana": person("ana", active=False)}
    assert code(yes(pending(), "ana", directory=directory(people=people))) == "inactive_person"


def test_an_earlier_vote_stops_counting_when_its_person_leaves():
    """INV-13"""
    record = done(yes(pending(verdict_=verdict(risk=Risk.CRITICAL)), "ana"))
    people = directory().people | {"ana": person("ana", active=False)}
    after = done(yes(record, "bo", directory=directory(people=people)))
    assert after.status is Status.PENDING


def test_critical_needs_two_different_people():
    """INV-08, INV-04: three clicks by one are one."""
    record = pending(verdict_=verdict(risk=Risk.CRITICAL))
    once = done(yes(record, "ana"))
    assert once.status is Status.PENDING
    assert code(yes(once, "ana")) == "already_voted"
    assert code(yes(once, "ana")) == "already_voted"
    assert done(yes(once, "bo")).status is Status.APPROVED


def test_each_slot_is_filled_by_a_different_person():
    """INV-08: bo is in both groups and fills one slot only."""
    record = pending(verdict_=verdict(plan_=plan(groups=(), distinct_groups=("finance", "security"))))
    once = done(yes(record, "bo"))
    assert once.status is Status.PENDING
    assert done(yes(once, "ana")).status is Status.APPROVED
    assert done(yes(once, "dee")).status is Status.APPROVED
    assert done(yes(once, "cho")).status is Status.PENDING


def test_a_place_whose_holder_can_move_may_still_be_filled():
    """INV-08: whom the card names as wanted is exactly who could come last."""
    wanted = plan(groups=(), distinct_groups=("finance", "security"))
    assert could_stay_open(wanted, ["bo"], directory()) == ("finance", "security")
    assert could_stay_open(wanted, ["ana"], directory()) == ("security",)


@pytest.mark.parametrize("ending", ["approved", "rejected", "cancelled"])
def test_a_terminal_state_never_changes(ending):
    """INV-01, INV-12: nothing is approved after it was rejected, or changed after any end."""
    record = pending()
    end = {
        "approved": lambda: yes(record, "ana"),
        "rejected": lambda: no(record, "ana"),
        "cancelled": lambda: cancel(record, reason=None, now=later(5)),
    }[ending]
    record = done(end())
    assert code(yes(record, "bo")) == "already_decided"
    assert code(no(record, "bo")) == "already_decided"
    assert code(changed(record, "bo")) == "already_decided"
    assert (
        code(reassign(record, person="bo", to=("dee",), reason="x", directory=directory(), now=NOW))
        == "already_decided"
    )
    assert code(cancel(record, reason=None, now=NOW)) == "not_pending"
    with pytest.raises(IllegalTransition):
        move(record, "approval.granted", actor="person:bo", now=NOW, detail={})


def test_the_second_decider_is_told_who_was_first():
    """INV-03"""
    refused = no(done(yes(pending(), "ana")), "bo")
    assert isinstance(refused, Refused)
    assert "approved by Ana" in refused.sentence


def test_an_edit_makes_a_version_and_voids_the_votes():
    """INV-10"""
    record = done(yes(pending(verdict_=verdict(risk=Risk.CRITICAL)), "ana"))
    after = done(changed(record, "bo", verdict=verdict(risk=Risk.CRITICAL)))
    assert after.version.number == 2
    assert after.proposed.payload == {"amount": 1400, "order": "881"}
    assert done(yes(after, "cho")).status is Status.PENDING
    assert done(yes(done(yes(after, "ana")), "bo")).status is Status.APPROVED


def test_a_click_on_the_version_before_an_edit_is_refused():
    """INV-02, INV-10: a vote counts for the version its person saw."""
    after = done(changed(pending(), "bo"))
    assert code(yes(after, "ana", version=1)) == "stale_version"
    assert code(no(after, "ana", version=1)) == "stale_version"


def test_an_edit_that_policy_refuses_is_refused():
    refused = changed(pending(), "ana", verdict=verdict(decision=Decision.DENY, reason="over the cap"))
    assert code(refused) == "edit_refused"


def test_an_edit_that_policy_would_allow_still_waits_for_people():
    after = done(changed(pending(), "ana", verdict=verdict(decision=Decision.ALLOW, plan=None)))
    assert after.status is Status.PENDING
    assert after.plan is not None
    assert after.plan.quorum == 1


def test_an_edit_towards_critical_needs_two_people():
    """INV-08"""
    after = done(changed(pending(), "ana", verdict=verdict(risk=Risk.CRITICAL)))
    assert done(yes(after, "ana")).status is Status.PENDING


def test_an_edit_never_lowers_the_quorum():
    record = pending(verdict_=verdict(risk=Risk.CRITICAL))
    after = done(changed(record, "ana", verdict=verdict(risk=Risk.LOW)))
    assert done(yes(after, "ana")).status is Status.PENDING
    assert after.verdict.effective.risk is Risk.CRITICAL


def test_an_untouched_form_is_no_edit():
    assert code(changed(pending(), "ana", payload_sha256="a" * 64)) == "no_change"


def test_a_stricter_policy_in_force_refuses_or_asks_for_more():
    """INV-14: a reload tightens a pending request and never loosens it."""
    denies = verdict(decision=Decision.DENY, reason="frozen", policy_digest="sha256:two")
    assert code(yes(pending(), "ana", judged_again=denies)) == "policy_changed"
    two = verdict(plan_=plan(quorum=2))
    assert done(yes(pending(), "ana", judged_again=two)).status is Status.PENDING
    allows = verdict(decision=Decision.ALLOW, plan=None)
    critical = pending(verdict_=verdict(risk=Risk.CRITICAL))
    assert done(yes(critical, "ana", judged_again=allows)).status is Status.PENDING


def test_what_policy_does_not_offer_is_refused():
    record = pending(verdict_=verdict(plan_=plan(allow=frozenset({"approve", "reject"}))))
    assert code(changed(record, "ana")) == "not_offered"


def test_a_minimum_review_time_holds_approvals_and_not_rejections():
    record = pending(verdict_=verdict(plan_=plan(min_review_sec=10)))
    assert code(yes(record, "ana", now=later(3))) == "too_soon"
    assert done(yes(record, "ana", now=later(10))).status is Status.APPROVED
    assert done(no(record, "ana", now=later(3))).status is Status.REJECTED


def test_rejecting_for_another_reason_needs_words():
    assert code(no(pending(), "ana", category="other", comment=" ")) == "comment_required"
    assert code(no(pending(), "ana", category="nonsense")) == "comment_required"


def test_reassigning_lets_others_decide_and_takes_nothing_away():
    after = done(
        reassign(pending(), person="ana", to=("dee",), reason="knows it", directory=directory(), now=NOW)
    )
    assert done(yes(after, "dee")).status is Status.APPROVED
    assert done(yes(after, "ana")).status is Status.APPROVED
    owner = reassign(pending(), person="ana", to=("own",), reason="x", directory=directory(), now=NOW)
    assert code(owner) == "unknown_person"


def test_a_request_nobody_could_ever_approve_is_denied_at_once():
    people = directory(groups={}, rotas={})
    record = submitted(people=people).record
    assert record.status is Status.DENIED
    assert "too few people" in record.verdict.reason


def test_only_the_ladder_may_be_enough_to_wait():
    lonely = directory(groups={})
    assert submitted(people=lonely).record.status is Status.PENDING
    assert submitted(people=lonely, verdict_=verdict(risk=Risk.CRITICAL)).record.status is Status.DENIED


def test_a_plan_is_there_exactly_while_people_decide():
    assert isinstance(pending().plan, ApprovalPlan)


def test_nobody_approves_while_the_owner_is_missing_from_the_directory():
    """INV-05: an owner who came back under another name must not decide about their own agent."""
    people = {name: who for name, who in directory().people.items() if name != "own"}
    renamed = people | {"owen": person("owen", email="own@example.com")}
    groups = directory().groups | {"approvers": replace(directory().groups["approvers"], members=("owen",))}
    changed_directory = directory(people=renamed, groups=groups)
    assert code(yes(pending(), "owen", directory=changed_directory)) == "owner_unknown"
    assert code(yes(pending(), "ana", directory=changed_directory)) == "owner_unknown"
    assert done(no(pending(), "ana", directory=changed_directory)).status is Status.REJECTED
