"""Breaking the glass on the pure record: who may, what it releases, for how long, and the review that must follow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gate.domain.action import Agent
from gate.domain.audit import canonical_bytes
from gate.domain.breaking import break_glass
from gate.domain.delegation import Delegation
from gate.domain.emergency import BreakGlass, Emergency, Finding
from gate.domain.people import Directory, Group
from gate.domain.refusal import Refused
from gate.domain.release import collectable, minting
from gate.domain.request import ActionRecord, DeadlineKind, Status
from gate.domain.risk import Risk
from gate.domain.supervision import close_review, reviewers
from gate.domain.timeouts import fire
from gate.domain.transitions import RESOLVE, REVIEWED, Change
from gate.domain.verdict import Decision, LadderStep
from gate.domain.voting import approve, reject
from tests.fakes.records import AGENT, REPAGE, directory, later, pending, person, plan, proposal, verdict

RULES = BreakGlass(
    who=("group:security", "own"),
    supervisors=("cho", "oncall:primary"),
    topics=("job.support.*",),
    max_valid_sec=1_800,
    review_sla_sec=7_200,
)
WHY = "Customers cannot pay, and nobody answers"


def breaking(record: ActionRecord, by: str = "bo", **changes: Any) -> Change | Refused:
    given: dict[str, Any] = {
        "version": 1,
        "reason": WHY,
        "valid_sec": 900,
        "rules": RULES,
        "policy_digest": "sha256:now",
        "directory": directory(),
        "now": later(60),
    }
    return break_glass(record, person=by, **(given | changes))


def broken(record: ActionRecord | None = None, by: str = "bo", **changes: Any) -> Change:
    result = breaking(record or pending(), by, **changes)
    assert isinstance(result, Change), result
    return result


def released(due_sec: int = 7_200) -> Emergency:
    """An earlier release, its review due so many seconds after the request of these tests was made."""
    return Emergency(
        person="bo",
        reason=WHY,
        at=later(0),
        until=later(30),
        supervisors=("cho",),
        review_due_at=later(due_sec),
    )


def reviewing(record: ActionRecord, by: str = "cho", **changes: Any) -> Change | Refused:
    given: dict[str, Any] = {
        "finding": Finding.JUSTIFIED,
        "comment": "It was right not to wait",
        "rules": RULES,
        "directory": directory(),
        "now": later(600),
    }
    return close_review(record, person=by, **(given | changes))


def reviewed(record: ActionRecord, by: str = "cho", **changes: Any) -> Change:
    result = reviewing(record, by, **changes)
    assert isinstance(result, Change), result
    return result


def code(result: Change | Refused) -> str:
    assert isinstance(result, Refused), result.audit
    assert result.sentence.endswith(".") or ":" in result.sentence
    return result.code


def told(change: Change, channel: str, kind: str) -> list[Any]:
    return [i.body for i in change.intents if (i.channel, i.kind) == (channel, kind)]


def test_a_person_releases_one_request_at_once_with_a_reason_and_an_expiry():
    """INV-17"""
    change = broken()
    record, emergency = change.record, change.record.emergency
    assert record.status is Status.APPROVED
    assert record.decided_by == "bo"
    assert emergency is not None
    assert (emergency.person, emergency.reason) == ("bo", WHY)
    assert emergency.until == later(60 + 900)
    assert collectable(record, later(61)) is None


def test_the_supervisors_of_this_moment_are_called_in_the_same_transition():
    """INV-17: at once, by every way policy names."""
    change = broken(rules=replace(RULES, via=("slack", "email", "pagerduty")))
    assert change.record.emergency is not None
    assert change.record.emergency.supervisors == ("cho", "dee")
    bodies = [{"person": p, "why": "break_glass"} for p in ("cho", "dee")]
    assert told(change, "slack", "dm") == bodies
    assert told(change, "email", "call") == bodies
    (page,) = told(change, "pagerduty", "trigger")
    assert page["about"] == "review"
    (line,) = told(change, "slack", "thread")
    assert line["mention"] == ["cho", "dee"]


def test_the_record_says_what_was_skipped_and_holds_no_free_text():
    """INV-17, INV-44, INV-51"""
    two = pending(verdict_=verdict(plan_=plan(quorum=2)))
    voted = approve(two, person="ana", version=1, comment=None, directory=directory(), now=later(5))
    assert isinstance(voted, Change)
    change = broken(voted.record)
    assert change.audit.kind == "approval.break_glass"
    assert change.audit.actor == "person:bo"
    detail = change.audit.detail
    assert detail["quorum"] == 2
    assert detail["counted"] == ["ana"]
    assert detail["supervisors"] == ["cho", "dee"]
    assert detail["policy_digest"] == "sha256:now"
    assert detail["risk"] == "high"
    assert detail["reason"] is True
    assert detail["until"] == int(later(960).timestamp())
    assert WHY.encode() not in canonical_bytes(change.audit)


def test_the_review_is_armed_by_the_release_itself():
    """INV-17: it follows in any case; a terminal state disarms every other deadline."""
    change = broken()
    deadline = change.record.deadline
    assert deadline is not None
    assert deadline.kind is DeadlineKind.REVIEW
    assert deadline.due_at == later(60 + 7_200)
    assert change.record.in_review


def test_a_held_request_can_be_released():
    held = replace(pending(), held=True, breached=True)
    change = broken(held)
    assert not change.record.held


def test_the_agent_hears_of_it_like_of_any_release():
    change = broken(pending(proposal_=proposal(callback_url="https://hooks.example.com")))
    assert told(change, "webhook", "event") == [{"event": "approved"}]


OFFICIAL = Agent(id="agt_2", name="other-bot", team="support", owner="bo")
REQUESTED = proposal(labels={"requester": "bo@example.com"})
DENIES = verdict(decision=Decision.DENY, plan_=None, reason="Not any more")

REFUSALS = {
    "not configured": ({}, {"rules": None}, "bo", "break_glass_off"),
    "not among those who may": ({}, {}, "ana", "not_for_you"),
    "a supervisor only": ({}, {}, "cho", "not_for_you"),
    "the agent's owner, though policy names them": ({}, {}, "own", "own_agent"),
    "the owner as a member of the group": ({"agent": OFFICIAL}, {}, "bo", "own_agent"),
    "the requester": ({"proposal_": REQUESTED}, {}, "bo", "requester"),
    "nobody of people.yaml": ({}, {}, "zoe", "inactive_person"),
    "a topic outside": ({"proposal_": proposal(topic="job.hr.fire")}, {}, "bo", "not_breakable"),
    "a risk above": ({"verdict_": verdict(risk=Risk.CRITICAL)}, {}, "bo", "not_breakable"),
    "a risk policy now sees above": (
        {},
        {"judged_again": verdict(risk=Risk.CRITICAL)},
        "bo",
        "not_breakable",
    ),
    "what policy denies now": ({}, {"judged_again": DENIES}, "bo", "policy_changed"),
    "no reason": ({}, {"reason": "   "}, "bo", "comment_required"),
    "hardly a reason": ({}, {"reason": "  urgent   "}, "bo", "comment_required"),
    "a novel for a reason": ({}, {"reason": "x" * 1_001}, "bo", "comment_required"),
    "no time": ({}, {"valid_sec": 0}, "bo", "bad_time"),
    "negative time": ({}, {"valid_sec": -5}, "bo", "bad_time"),
    "too long a time": ({}, {"valid_sec": 1_801}, "bo", "bad_time"),
    "another version": ({}, {"version": 2}, "bo", "stale_version"),
    "an earlier release overdue": ({}, {"unreviewed": [released(due_sec=60)]}, "bo", "review_owed"),
    "as many as policy bears": ({}, {"unreviewed": [released()] * 3}, "bo", "review_owed"),
    "the one that policy bears": (
        {},
        {"rules": replace(RULES, max_unreviewed=1), "unreviewed": [released()]},
        "bo",
        "review_owed",
    ),
    "nobody to review it": ({}, {"rules": replace(RULES, supervisors=("bo",))}, "bo", "no_supervisor"),
}


@pytest.mark.parametrize(("made", "given", "by", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_the_glass_holds(made, given, by, expected):
    """INV-05, INV-14, INV-17, threat 34"""
    result = breaking(pending(**made), by, **given)
    assert code(result) == expected


def test_a_second_and_a_third_release_need_not_wait_for_the_review_of_the_first():
    """INV-17, threat 34: the same fire may need several; past `max_unreviewed` somebody has to look first."""
    broken(unreviewed=[released()] * 2)
    assert isinstance(refused := breaking(pending(), unreviewed=[released()] * 3), Refused)
    assert refused.sentence.startswith("3 emergency releases of yours still wait for review")


def test_the_refusal_says_what_policy_allows():
    assert isinstance(refused := breaking(pending(verdict_=verdict(risk=Risk.CRITICAL))), Refused)
    assert "up to high risk" in refused.sentence
    assert isinstance(refused := breaking(pending(), "ana"), Refused)
    assert "the group security or Own" in refused.sentence


def test_nothing_breaks_the_glass_under_a_delegation():
    """Threat 34: whoever acts for a member of the group is none."""
    lent = Delegation(
        id="dlg_1",
        grantor="bo",
        delegate="ana",
        start=later(0),
        end=later(9_999),
        reason="r",
        created_at=later(0),
    )
    assert code(breaking(pending(), "ana", directory=directory(delegations=(lent,)))) == "not_for_you"


def test_who_left_breaks_nothing():
    gone = directory()
    gone = replace(gone, people={**gone.people, "bo": person("bo", active=False)})
    assert code(breaking(pending(), directory=gone)) == "inactive_person"


def test_a_group_read_too_long_ago_breaks_nothing():
    old = Group(name="security", members=("bo",), usergroup="S0SEC", read_at=later(-3_600))
    stale = directory(as_of=later(60))
    stale = replace(stale, groups={**stale.groups, "security": old})
    assert code(breaking(pending(), directory=stale)) == "not_for_you"


def test_an_unknown_owner_keeps_it_closed():
    """INV-05"""
    ownerless = pending(agent=replace(AGENT, owner="gone"))
    assert code(breaking(ownerless)) == "owner_unknown"


def test_what_is_decided_stays_decided():
    """INV-01, INV-12: also a rejected request is not released."""
    no = reject(
        pending(),
        person="ana",
        version=1,
        category="unsafe",
        comment=None,
        directory=directory(),
        now=later(5),
    )
    assert isinstance(no, Change)
    assert code(breaking(no.record)) == "already_decided"
    assert code(breaking(broken().record, "dee")) == "already_decided"


def test_a_release_ends_at_its_expiry():
    """INV-17: no grant is to be had afterwards, and none outlives it."""
    record = broken(valid_sec=120).record
    assert collectable(record, later(60 + 119)) is None
    refused = collectable(record, later(60 + 120))
    assert refused is not None
    assert refused.code == "grant_expired"
    minted = minting(record, jti="grt_1", issuer="signoff", leaf=b"\x01" * 32, now=later(170))
    assert minted.expires_at <= later(60 + 120)
    assert minted.claims["exp"] <= int(later(60 + 120).timestamp())


def test_a_supervisor_closes_the_review():
    """INV-17"""
    change = reviewed(broken().record)
    record = change.record
    assert record.status is Status.APPROVED
    assert record.deadline is None
    assert not record.in_review
    assert record.emergency is not None
    assert record.emergency.state == "justified"
    assert not record.grants_revoked
    assert change.audit.kind == "review.closed"
    assert change.audit.detail["finding"] == "justified"
    assert b"right not to wait" not in canonical_bytes(change.audit)


@pytest.mark.parametrize(
    ("by", "given", "expected"),
    [
        ("bo", {}, "own_release"),
        ("ana", {}, "not_a_supervisor"),
        ("own", {"rules": replace(RULES, supervisors=("own", "cho"))}, "not_a_supervisor"),
        ("cho", {"comment": "  "}, "comment_required"),
    ],
    ids=["whoever broke it", "somebody else", "the agent's owner", "without a comment"],
)
def test_the_review_takes_a_supervisor_and_a_comment(by, given, expected):
    """INV-17, threat 34"""
    assert code(reviewing(broken().record, by, **given)) == expected


def test_the_breaker_never_supervises_also_where_policy_names_them():
    """INV-17, threat 34"""
    both = replace(RULES, supervisors=("group:security",))
    record = broken(rules=both).record
    assert record.emergency is not None
    assert record.emergency.supervisors == ("dee",)
    assert code(reviewing(record, "bo", rules=both)) == "own_release"
    assert reviewers(record, both, directory(), later(99)) == ("dee",)


def test_a_review_is_given_once():
    record = reviewed(broken().record).record
    assert code(reviewing(record, "dee", finding=Finding.UNJUSTIFIED)) == "already_reviewed"


def test_only_an_emergency_release_is_reviewed():
    assert code(reviewing(pending())) == "nothing_to_review"


def test_an_unjustified_release_is_taken_back_while_it_is_not_used():
    """INV-17, INV-20"""
    change = reviewed(broken().record, finding=Finding.UNJUSTIFIED)
    assert change.record.grants_revoked
    assert change.audit.detail["taken_back"] is True
    refused = collectable(change.record, later(601))
    assert refused is not None
    assert refused.code == "grant_revoked"


def test_what_was_used_cannot_be_taken_back_and_the_record_says_so():
    used = replace(broken().record, redeemed_jti="grt_1")
    change = reviewed(used, finding=Finding.UNJUSTIFIED)
    assert not change.record.grants_revoked
    assert change.audit.detail["used"] is True
    (line,) = told(change, "slack", "thread")
    assert line["taken_back"] is False


def due(record: ActionRecord, **given: Any) -> Change:
    assert record.deadline is not None
    fields: dict[str, Any] = {"directory": directory(), "break_glass": RULES, "now": record.deadline.due_at}
    result = fire(record, seq=record.deadline.seq, repage_sec=REPAGE, **(fields | given))
    assert isinstance(result, Change), result
    return result


def test_an_overdue_review_calls_again_and_never_stops():
    """INV-17, INV-29"""
    record = broken().record
    for number in range(1, 5):
        change = due(record)
        assert change.audit.kind == "review.overdue"
        assert told(change, "slack", "dm") == [{"person": p, "why": "review_overdue"} for p in ("cho", "dee")]
        assert change.record.deadline is not None
        assert record.deadline is not None
        assert change.record.deadline.due_at == record.deadline.due_at + timedelta(seconds=REPAGE)
        record = change.record
        assert record.emergency is not None
        assert record.emergency.overdue == number
        assert record.emergency.state == "overdue"


def test_the_people_called_again_are_those_of_that_moment():
    change = due(broken().record, break_glass=replace(RULES, supervisors=("ana",)))
    assert change.audit.detail["called"] == ["ana"]


@pytest.mark.parametrize(
    "rules", [None, replace(RULES, supervisors=("zoe",))], ids=["section gone", "people gone"]
)
def test_where_no_supervisor_is_left_others_can_still_close_it(rules):
    """INV-30: first those who were called, then the approvers."""
    record = broken().record
    assert reviewers(record, rules, directory(), later(99)) == ("cho", "dee")
    assert record.emergency is not None
    left = replace(record, emergency=replace(record.emergency, supervisors=("zoe",)))
    assert reviewers(left, rules, directory(), later(99)) == ("cho",)


def test_nobody_at_all_is_an_alarm_and_the_clock_goes_on():
    """INV-30"""
    empty = Directory(people={"bo": person("bo"), "own": person("own")})
    change = due(broken().record, directory=empty)
    assert change.audit.detail["nobody_reached"] is True
    assert change.record.deadline is not None


def test_after_the_review_the_timer_does_nothing():
    """INV-27"""
    record = broken().record
    assert record.deadline is not None
    done = reviewed(record).record
    late = fire(
        done,
        seq=record.deadline.seq,
        now=later(99_999),
        directory=directory(),
        repage_sec=REPAGE,
        break_glass=RULES,
    )
    assert isinstance(late, Refused)
    assert late.code == "not_pending"


def test_the_page_of_a_release_stays_open_until_it_is_reviewed():
    paging = replace(RULES, via=("slack", "pagerduty"))
    steps = (LadderStep(after_sec=30, to=("oncall:primary",), via=("pagerduty",)),)
    request = replace(pending(verdict_=verdict(plan_=plan(ladder=steps))), escalation_step=1)
    change = broken(request, rules=paging)
    assert RESOLVE in change.intents  # the request's own page is over
    assert REVIEWED not in change.intents
    again = due(change.record, break_glass=paging)
    assert [b["about"] for b in told(again, "pagerduty", "trigger")] == ["review"]
    assert REVIEWED in reviewed(again.record, rules=paging).intents
