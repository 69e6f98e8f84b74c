"""Lists from elsewhere: whom they make members, how old they may be, and who stands in for a schedule."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gate.domain.eligibility import could_decide, counting, may_decide
from gate.domain.escalation import called_by, unreached
from gate.domain.oncall import SCHEDULE_TRUSTED, Trouble, on_call
from gate.domain.people import Directory, Group, Override, Rota, Rotation
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, DeadlineKind
from gate.domain.risk import Risk
from gate.domain.timeouts import fire
from gate.domain.transitions import Change
from gate.domain.verdict import LadderStep
from gate.domain.voting import approve
from gate.usecases.filling import Known, filled, sources, strangers
from gate.usecases.ports import Listed, Listing, Pin, Turn
from tests.fakes.records import NOW, REPAGE, directory, pending, person, plan, verdict

GROUP = Group(name="finance", members=(), usergroup="S0FIN")
MINUTE = timedelta(minutes=1)


def listing(*users: str, read_at: datetime = NOW) -> Listing:
    return Listing(source="usergroup:S0FIN", read_at=read_at, listed=Listed(team_id="T1", users=users))


def pin(person_id: str, user: str, team: str = "T1") -> Pin:
    return Pin(person=person_id, team_id=team, user_id=user, pinned_at=NOW)


def known(*users: str, pins: tuple[Pin, ...] = (), read_at: datetime = NOW) -> Directory:
    base = directory()
    base = replace(base, groups={**base.groups, "finance": GROUP}, as_of=NOW)
    return filled(base, Known(listings=(listing(*users, read_at=read_at),), pins=pins))


def request(risk: Risk) -> ActionRecord:
    return pending(verdict_=verdict(risk=risk))


@pytest.mark.parametrize(
    ("risk", "age", "counts"),
    [
        (Risk.LOW, timedelta(days=1), True),
        (Risk.MEDIUM, timedelta(days=1) + MINUTE, False),
        (Risk.HIGH, 15 * MINUTE, True),
        (Risk.HIGH, 16 * MINUTE, False),
        (Risk.CRITICAL, 16 * MINUTE, False),
    ],
)
def test_members_count_while_the_list_is_fresh_enough_for_the_risk(
    risk: Risk, age: timedelta, counts: bool
) -> None:
    people = known("U0ANA", read_at=NOW - age)
    refused = may_decide(request(risk), "ana", people)
    assert (refused is None) is counts
    if refused is not None:
        assert "Slack last said who is in the group finance" in refused.sentence
        assert f"at {risk.value} risk" in refused.sentence
        assert may_decide(request(risk), "bo", people) != refused


def test_a_list_that_was_never_read_has_no_members_at_any_risk() -> None:
    base = directory()
    people = replace(base, groups={**base.groups, "finance": replace(GROUP, members=("ana",))}, as_of=NOW)
    for risk in Risk:
        refused = may_decide(request(risk), "ana", people)
        assert isinstance(refused, Refused)
        assert "has not yet said" in refused.sentence


def test_a_list_without_a_time_to_judge_it_by_counts_for_nothing() -> None:
    people = replace(known("U0ANA"), as_of=None)
    assert may_decide(request(Risk.LOW), "ana", people) is not None


def test_a_vote_stops_counting_when_the_list_gets_too_old_or_loses_its_person() -> None:
    """INV-13: asked again at the moment that decides."""
    record = request(Risk.CRITICAL)
    fresh = known("U0ANA", "U0BO")
    first = approve(record, person="ana", version=1, comment=None, directory=fresh, now=NOW)
    assert isinstance(first, Change)
    assert counting(first.record, fresh) == ("ana",)
    assert counting(first.record, known("U0BO")) == ()
    assert counting(first.record, replace(fresh, as_of=NOW + 16 * MINUTE)) == ()


def test_a_request_that_only_an_outdated_list_could_decide_does_not_wait_for_nobody() -> None:
    people = replace(known("U0ANA", read_at=NOW - 20 * MINUTE))
    assert could_decide(request(Risk.HIGH), people) == ("cho", "dee")


def test_a_rename_keeps_the_person_and_a_takeover_gains_none() -> None:
    """INV-04, threat 7: the pinned team and user id decide, whatever addresses and names say now."""
    pins = (pin("ana", "U0PINNED"),)
    assert [p.id for p in known("U0PINNED", pins=pins).members("finance")] == ["ana"]
    # U0ANA stands in people.yaml, but ana has been pinned to another account since.
    assert known("U0ANA", pins=pins).members("finance") == ()
    assert known("U0PINNED", pins=(pin("ana", "U0PINNED", team="T2"),)).members("finance") == ()
    assert known("U0NEW").groups["finance"].strangers == 1


def test_two_accounts_of_one_person_are_one_member() -> None:
    """INV-04"""
    people = known("U0BO", "U0BO", "U0PINNED", pins=(pin("ana", "U0PINNED"),))
    assert people.groups["finance"].members == ("bo", "ana")


def test_a_pin_of_somebody_who_left_people_yaml_is_nobody() -> None:
    people = known("U0GONE", pins=(pin("zoe", "U0GONE"),))
    assert people.members("finance") == ()
    assert strangers(listing("U0GONE", "U0ANA"), people, (pin("zoe", "U0GONE"),)) == ("U0GONE",)


def test_an_inactive_member_does_not_count() -> None:
    people = known("U0ANA", "U0BO")
    people = replace(people, people={**people.people, "ana": person("ana", active=False)})
    assert [p.id for p in people.members("finance", Risk.LOW)] == ["bo"]


def test_each_list_is_needed_once() -> None:
    groups = {"a": GROUP, "b": replace(GROUP, name="b"), "c": Group(name="c", members=("ana",))}
    rotas = {"r": Rota(name="r", schedule="PABC")}
    assert sources(directory(groups=groups, rotas=rotas)) == ("usergroup:S0FIN", "schedule:PABC")


LOCAL = Rotation(people=("dee",), every_days=7, weekday=0, hour=9, minute=0, tz="UTC")


def rota(*turns: Turn, read_at: datetime | None = NOW, rotation: Rotation | None = None) -> Rota:
    bare = Rota(name="primary", schedule="PABC", rotation=rotation)
    if read_at is None:
        return bare
    read = Listing(source="schedule:PABC", read_at=read_at, listed=Listed(turns=turns))
    return filled(directory(rotas={"primary": bare}), Known(listings=(read,))).rotas["primary"]


def turn(email: str, start: int | None = -1, end: int | None = 1) -> Turn:
    return Turn(
        email=email,
        start=None if start is None else NOW + timedelta(hours=start),
        end=None if end is None else NOW + timedelta(hours=end),
    )


def test_the_schedule_says_who_has_it_until_when_and_who_is_next() -> None:
    found = on_call(rota(turn("ANA@example.com"), turn("bo@example.com", 1, 2), rotation=LOCAL), NOW)
    assert (found.person, found.next_person, found.trouble) == ("ana", "bo", None)
    assert found.until == NOW + timedelta(hours=1)
    assert on_call(rota(turn("ana@example.com", None, None)), NOW).person == "ana"


@pytest.mark.parametrize(
    ("given", "trouble"),
    [
        pytest.param(rota(read_at=None, rotation=LOCAL), Trouble.NEVER_READ, id="never read"),
        pytest.param(
            rota(turn("ana@example.com"), read_at=NOW - SCHEDULE_TRUSTED - MINUTE, rotation=LOCAL),
            Trouble.OUTDATED,
            id="outdated",
        ),
        pytest.param(rota(turn("ana@example.com", 1, 2), rotation=LOCAL), Trouble.EMPTY, id="empty"),
        pytest.param(rota(turn("who@example.com"), rotation=LOCAL), Trouble.UNKNOWN_PERSON, id="unknown"),
        pytest.param(rota(turn(""), rotation=LOCAL), Trouble.UNKNOWN_PERSON, id="deleted"),
    ],
)
def test_the_local_rotation_stands_in_and_the_trouble_is_said(given: Rota, trouble: Trouble) -> None:
    """INV-30"""
    assert (on_call(given, NOW).person, on_call(given, NOW).trouble) == ("dee", trouble)
    alone = on_call(replace(given, rotation=None), NOW)
    assert (alone.person, alone.trouble) == (None, trouble)


def test_an_override_here_beats_the_schedule_there() -> None:
    start, end = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    local = replace(rota(turn("ana@example.com")), overrides=(Override(person="cho", start=start, end=end),))
    found = on_call(local, NOW)
    assert (found.person, found.next_person) == ("cho", "ana")


def test_a_ladder_goes_past_a_schedule_that_names_a_stranger_and_says_why() -> None:
    """INV-30: the step calls nobody, the next one comes at once, and the reason is on record and in the thread."""
    people = directory(rotas={"primary": rota(turn("who@example.com"))})
    steps = (
        LadderStep(after_sec=60, to=("oncall:primary",)),
        LadderStep(after_sec=900, to=("group:security",)),
    )
    record = pending(verdict_=verdict(plan_=plan(ladder=steps)), people=people)
    assert called_by(("oncall:primary",), record, people, NOW) == ()
    due = NOW + timedelta(seconds=60)
    change = fire(record, seq=1, now=due, directory=people, repage_sec=REPAGE)
    assert isinstance(change, Change)
    assert change.audit.detail["nobody_reached"] is True
    assert change.audit.detail["unreached"] == ["oncall:primary unknown_person"]
    told = [intent.body for intent in change.intents if intent.kind == "thread"]
    assert told[0]["unreached"] == ["oncall:primary unknown_person"]
    after = change.record.deadline
    assert after is not None
    assert (after.kind, after.due_at) == (DeadlineKind.STEP, due)


def test_what_a_step_could_not_reach_is_told_apart() -> None:
    people = replace(known("U0BO", read_at=NOW - 20 * MINUTE), rotas={})
    record = pending(people=people)
    targets = ("group:finance", "group:security", "oncall:primary", "own@example.com")
    assert unreached(targets, record, people, NOW) == (
        ("group:finance", "outdated"),
        ("oncall:primary", "nobody"),
        ("own@example.com", "conflict"),
    )
