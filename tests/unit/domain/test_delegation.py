"""Lent authority: what a delegation covers, whom a vote under it uses up, and when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.delegating import Lent, grant, revoke
from gate.domain.delegation import LONGEST, Delegation, loop, matches
from gate.domain.editing import edit
from gate.domain.eligibility import counting, may_decide, slots, stand_ins, voices
from gate.domain.handing_on import reassign
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Status
from gate.domain.risk import Risk
from gate.domain.timeouts import fire
from gate.domain.transitions import Change
from gate.domain.voting import approve, reject
from gate.policy.globs import compile_glob
from tests.fakes.records import (
    NOW,
    REPAGE,
    directory,
    later,
    pending,
    person,
    plan,
    proposal,
    submitted,
    verdict,
)


def lent(grantor: str = "ana", delegate: str = "zed", **changes: Any) -> Delegation:
    base = Delegation(
        id=f"dlg_{grantor}_{delegate}",
        grantor=grantor,
        delegate=delegate,
        start=NOW,
        end=NOW + timedelta(days=7),
        reason="away",
        created_at=NOW,
    )
    return replace(base, **changes)


def lending(*delegations: Delegation, **changes: Any) -> Directory:
    """The usual people and zed, who may decide nothing by himself."""
    people = directory().people | {"zed": person("zed"), "yan": person("yan")}
    return directory(**({"people": people, "delegations": delegations} | changes))


def yes(record: ActionRecord, who: str, lending_: Directory, at: float = 60) -> Change | Refused:
    return approve(
        record,
        person=who,
        version=record.version.number,
        comment=None,
        directory=lending_,
        now=later(at),
    )


def done(result: Change | Refused) -> ActionRecord:
    assert isinstance(result, Change), result
    return result.record


def code(result: Change | Refused | Lent | None) -> str:
    assert isinstance(result, Refused), result
    return result.code


def critical() -> ActionRecord:
    return pending(verdict_=verdict(risk=Risk.CRITICAL))


def test_a_delegate_decides_what_the_grantor_may_and_the_record_says_for_whom():
    """INV-07"""
    result = yes(pending(), "zed", lending(lent()))
    assert isinstance(result, Change)
    assert result.record.status is Status.APPROVED
    assert [(v.person, v.on_behalf_of) for v in result.record.votes] == [("zed", "ana")]
    assert result.audit.detail["on_behalf_of"] == "ana"
    assert result.audit.detail["delegation"] == "dlg_ana_zed"
    assert code(yes(pending(), "zed", lending())) == "not_a_reviewer"


def test_whoever_may_decide_uses_nobodys_delegation():
    record = done(yes(critical(), "bo", lending(lent("ana", "bo"))))
    assert record.votes[0].on_behalf_of is None
    assert done(yes(record, "ana", lending(lent("ana", "bo")))).status is Status.APPROVED


def test_a_vote_under_a_delegation_uses_up_both():
    """INV-06: grantor and delegate together are one, whoever of them is first, and by whomever else they act."""
    people = lending(lent(), lent("ana", "yan"), lent("bo", "zed"))
    once = done(yes(critical(), "zed", people))
    assert code(yes(once, "ana", people)) == "already_voted"
    assert code(yes(once, "yan", people)) == "already_voted"
    assert code(yes(once, "zed", people)) == "already_voted"
    assert done(yes(once, "bo", people)).status is Status.APPROVED
    first = done(yes(critical(), "ana", lending(lent())))
    assert code(yes(first, "zed", lending(lent()))) == "already_voted"
    other = done(yes(first, "zed", people))
    assert other.status is Status.APPROVED
    assert other.votes[-1].on_behalf_of == "bo", "of several grantors one who has not voted"


def test_votes_of_grantor_and_delegate_that_both_stand_count_as_one():
    """INV-06: also where both got on the record, as when the right to vote came and went between them."""
    once = done(yes(critical(), "zed", lending(lent())))
    both = replace(once, votes=(*once.votes, replace(once.votes[0], person="ana", on_behalf_of=None)))
    assert len(voices(both, lending(lent()))) == 1


def test_it_is_not_passed_on():
    """INV-07: neither by another delegation, nor by asking others, who would decide in their own right."""
    chain = lending(lent("ana", "zed"), lent("zed", "yan"))
    assert code(yes(pending(), "yan", chain)) == "not_a_reviewer"
    handed = reassign(pending(), person="zed", to=("yan",), reason="x", directory=chain, now=NOW)
    assert code(handed) == "delegated"
    assert (
        code(reassign(pending(), person="zed", to=("zed",), reason="x", directory=chain, now=NOW))
        == "delegated"
    )


@pytest.mark.parametrize(
    ("scope", "counts"),
    [
        pytest.param({"topics": ("job.support.*",)}, True, id="topic"),
        pytest.param({"topics": ("job.deploy.*",)}, False, id="another-topic"),
        pytest.param({"groups": ("finance",)}, True, id="group"),
        pytest.param({"groups": ("security",)}, False, id="another-group"),
        pytest.param({"groups": ("finance",), "topics": ("job.deploy.*",)}, False, id="both-have-to-fit"),
    ],
)
def test_it_is_not_wider_than_its_scope(scope: dict[str, Any], counts: bool):
    """INV-07"""
    assert (may_decide(pending(), "zed", lending(lent(**scope))) is None) is counts


def test_a_group_lends_only_what_the_grantor_may_as_its_member():
    """INV-07: dee is no member of finance, and being called by a ladder is no membership."""
    called = replace(pending(), called=("dee",))
    assert may_decide(called, "zed", lending(lent("dee", "zed"))) is None
    assert (
        code(may_decide(called, "zed", lending(lent("dee", "zed", groups=("finance",))))) == "not_a_reviewer"
    )
    assert (
        code(may_decide(called, "zed", lending(lent("dee", "zed", groups=("security",))))) == "not_a_reviewer"
    )


def test_it_is_never_more_than_the_grantor_may_now():
    """INV-05, INV-07, INV-13: nothing comes from somebody who left, owns the agent, or asked for the action."""
    gone = lending(lent()).people | {"ana": person("ana", active=False)}
    assert code(may_decide(pending(), "zed", lending(lent(), people=gone))) == "not_a_reviewer"
    owned = pending(agent=replace(pending().agent, owner="ana"))
    assert code(may_decide(owned, "zed", lending(lent()))) == "not_a_reviewer"
    asked = pending(proposal_=proposal(labels={"requester": "ana@example.com"}))
    assert code(may_decide(asked, "zed", lending(lent()))) == "not_a_reviewer"


def test_the_delegate_must_not_have_a_stake_either():
    """INV-05"""
    own = lending(lent("ana", "own"))
    assert code(may_decide(pending(), "own", own)) == "own_agent"
    asked = pending(proposal_=proposal(labels={"requester": "zed@example.com"}))
    assert code(may_decide(asked, "zed", lending(lent()))) == "requester"
    gone = lending().people | {"zed": person("zed", active=False)}
    assert code(may_decide(pending(), "zed", lending(lent(), people=gone))) == "inactive_person"


def test_a_vote_counts_no_more_once_the_delegation_is_over():
    """INV-07, INV-13: the second approval finds one vote, not two; the grantor's own is free again."""
    once = done(yes(critical(), "zed", lending(lent())))
    assert counting(once, lending(lent())) == ("zed",)
    assert counting(once, lending()) == ()
    assert done(yes(once, "bo", lending())).status is Status.PENDING
    assert done(yes(done(yes(once, "ana", lending())), "bo", lending())).status is Status.APPROVED


def test_a_later_delegation_does_not_revive_a_vote():
    """INV-07: one has to have held without a break."""
    once = done(yes(critical(), "zed", lending(lent())))
    again = lent(start=later(120), created_at=later(120))
    assert counting(once, lending(again)) == ()
    assert counting(once, lending(again, lent(id="dlg_overlapping"))) == ("zed",)


def test_a_slot_is_filled_by_the_grantors_membership_within_the_scope():
    """INV-08: bo is in both groups, and only one of them was lent."""
    two = pending(verdict_=verdict(plan_=plan(groups=(), distinct_groups=("finance", "security"))))
    people = lending(lent("bo", "zed", groups=("security",)))
    once = done(yes(two, "zed", people))
    assert once.plan is not None
    held = slots(once.plan, voices(once, people), people)
    assert held == {"finance": None, "security": "zed"}


def test_rejecting_and_editing_are_on_record_for_the_grantor():
    record = pending()
    no = reject(
        record, person="zed", version=1, category="unsafe", comment="", directory=lending(lent()), now=NOW
    )
    assert done(no).votes[-1].on_behalf_of == "ana"
    changed = edit(
        record,
        person="zed",
        version=1,
        payload={"amount": 1},
        payload_sha256="b" * 64,
        verdict=verdict(),
        comment=None,
        directory=lending(lent()),
        now=NOW,
    )
    assert isinstance(changed, Change)
    assert changed.audit.detail["on_behalf_of"] == "ana"


def test_whoever_acts_for_the_asked_is_asked_too_and_gains_nothing_by_it():
    people = lending(lent(), lent("cho", "yan"))
    change = submitted(people=people)
    bodies = [i.body for i in change.intents if i.kind == "dm"]
    assert {"person": "zed", "why": "asked", "for": "ana"} in bodies
    assert "yan" not in [b["person"] for b in bodies], "cho was not asked"
    assert "zed" not in change.record.asked + change.record.called
    record = change.record
    while record.deadline is not None and record.deadline.kind.value == "step":
        fired = fire(
            record,
            seq=record.deadline.seq,
            now=record.deadline.due_at,
            directory=people,
            repage_sec=REPAGE,
        )
        assert isinstance(fired, Change)
        record = fired.record
    assert code(may_decide(record, "zed", lending())) == "not_a_reviewer", "being paged lends no right"
    assert stand_ins(record, record.asked, people) == (("zed", "ana"),)


# -- granting and ending ---------------------------------------------------------------------------


def granted(wanted: Delegation, *others: Delegation, now=NOW) -> Lent | Refused:
    return grant(wanted, directory=lending(), others=others, now=now)


def test_a_grant_is_on_record_without_its_reason():
    result = granted(lent(topics=("job.*",), groups=("finance",), start=NOW - timedelta(days=3)))
    assert isinstance(result, Lent)
    assert result.delegation.start == NOW, "what has passed means now"
    assert result.audit.kind == "delegation.granted"
    assert result.audit.action is None
    assert "away" not in str(result.audit.detail)


@pytest.mark.parametrize(
    ("wanted", "expected", "pointer"),
    [
        pytest.param(lent(delegate="ana"), "self_delegation", "/to", id="to-oneself"),
        pytest.param(lent(delegate="nobody"), "unknown_person", "/to", id="to-a-stranger"),
        pytest.param(lent(end=NOW), "bad_time", "/until", id="over"),
        pytest.param(lent(start=NOW + timedelta(days=8)), "bad_time", "/until", id="backwards"),
        pytest.param(lent(end=NOW + LONGEST + timedelta(seconds=1)), "bad_time", "/until", id="too-long"),
        pytest.param(lent(reason=" "), "comment_required", "/reason", id="no-reason"),
        pytest.param(lent(topics=("a b",)), "bad_scope", "/topics", id="no-topic"),
        pytest.param(lent(topics=("x",) * 21), "bad_scope", "/topics", id="too-many-topics"),
        pytest.param(lent(groups=("security",)), "bad_scope", "/groups", id="a-group-not-ones-own"),
    ],
)
def test_what_cannot_be_lent_is_refused_at_its_field(wanted: Delegation, expected: str, pointer: str):
    result = granted(wanted)
    assert code(result) == expected
    assert isinstance(result, Refused)
    assert [p.pointer for p in result.problems] == [pointer]


def test_the_longest_is_accepted_and_overlapping_ones_are():
    assert isinstance(granted(lent(end=NOW + LONGEST), lent(), lent("ana", "yan")), Lent)


def test_the_inactive_neither_lend_nor_are_lent_to():
    people = lending().people | {"zed": person("zed", active=False)}
    away = lending(people=people)
    assert code(grant(lent(), directory=away, others=(), now=NOW)) == "unknown_person"
    assert code(grant(lent("zed", "ana"), directory=away, others=(), now=NOW)) == "inactive_person"


def test_a_circle_is_refused_while_its_parts_overlap():
    """Threat 9: of two and of more people; one after the other is no circle."""
    assert code(granted(lent("ana", "zed"), lent("zed", "ana"))) == "delegation_loop"
    assert code(granted(lent("ana", "bo"), lent("bo", "zed"), lent("zed", "ana"))) == "delegation_loop"
    week = timedelta(days=7)
    assert isinstance(
        granted(lent("ana", "zed"), lent("zed", "ana", start=NOW + week, end=NOW + 2 * week)), Lent
    )
    assert isinstance(granted(lent("ana", "zed"), lent("zed", "ana", revoked_at=NOW)), Lent)


def test_only_the_two_end_it_and_once():
    for who in ("ana", "zed"):
        result = revoke(lent(), person=who, now=later(5))
        assert isinstance(result, Lent)
        assert not result.delegation.holds(later(5))
        assert code(revoke(result.delegation, person=who, now=later(6))) == "delegation_ended"
    assert code(revoke(lent(), person="bo", now=later(5))) == "not_yours"
    assert code(revoke(lent(), person="ana", now=NOW + timedelta(days=7))) == "delegation_ended"


@given(
    glob=st.text(alphabet="ab.*", min_size=1, max_size=8),
    text=st.text(alphabet="ab.", max_size=10),
)
def test_globs_mean_what_they_mean_in_policy(glob: str, text: str):
    assert matches(glob, text) == bool(compile_glob(glob)(text))


@given(
    edges=st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), max_size=6),
    grantor=st.sampled_from("abcde"),
    delegate=st.sampled_from("abcde"),
)
def test_a_circle_is_found_exactly_where_one_can_walk_round_it(edges, grantor, delegate):
    walks = {(a, b) for a, b in edges} | {(x, x) for x in "abcde"}
    for k in "abcde":
        walks |= {(a, b) for a in "abcde" for b in "abcde" if (a, k) in walks and (k, b) in walks}
    found = loop([lent(a, b) for a, b in edges], grantor=grantor, delegate=delegate, start=NOW, end=later(1))
    assert found is ((delegate, grantor) in walks)
