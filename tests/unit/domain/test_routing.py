"""Whom to ask first: against a simple oracle, and case by case."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.domain.care import SILENT, Care
from gate.domain.eligibility import conflicts, own_right, slots
from gate.domain.people import Directory, Group
from gate.domain.request import ActionRecord
from gate.domain.routing import COOLING, FULL, Load, Routed, candidates, next_one, route
from gate.domain.submission import submit
from gate.domain.timeouts import fire
from gate.domain.transitions import Change
from gate.domain.verdict import ApprovalPlan
from tests.fakes.records import NOW, directory, later, pending, person, plan, proposal, verdict

NAMES = ("ana", "bo", "cho", "dee", "eli", "fay", "gus", "own")
GROUPS = ("red", "blue", "green", "approvers")
EVEN = Care(rebalance=True)
CAREFUL = Care(rebalance=True, max_open=3, cooldown_after=5)

loads_ = st.builds(
    Load,
    open=st.integers(0, 4),
    asked_at=st.none() | st.integers(0, 99).map(lambda s: NOW - timedelta(seconds=s)),
    cooling_until=st.none() | st.sampled_from((later(-1), NOW, later(60))),
)
members_ = st.lists(st.sampled_from(NAMES), max_size=4, unique=True).map(tuple)


@st.composite
def towns(draw: st.DrawFn) -> Directory:
    gone = draw(st.sets(st.sampled_from(NAMES[:-1]), max_size=2))
    stale = draw(st.sampled_from((None, *GROUPS)))
    return Directory(
        people={name: person(name, active=name not in gone) for name in NAMES},
        groups={
            name: Group(name=name, members=draw(members_), usergroup="S1" if name == stale else None)
            for name in GROUPS
        },
        as_of=NOW,
    )


plans_ = st.builds(
    ApprovalPlan,
    assignees=st.lists(st.sampled_from((*NAMES, "zoe")), max_size=2, unique=True).map(tuple),
    groups=st.lists(st.sampled_from(GROUPS), max_size=3, unique=True).map(tuple),
    distinct_groups=st.lists(st.sampled_from(GROUPS[:3]), max_size=2, unique=True).map(tuple),
    quorum=st.integers(1, 3),
)
cares_ = st.builds(
    Care,
    rebalance=st.booleans(),
    max_open=st.none() | st.integers(1, 3),
    cooldown_after=st.none() | st.just(5),
)


def waiting(plan_: ApprovalPlan, **changes) -> ActionRecord:
    return replace(pending(), plan=plan_, asked=(), **changes)


def routed(plan_: ApprovalPlan, town: Directory, care: Care = SILENT, **loads: Load) -> Routed:
    return route(waiting(plan_), town, care=care, loads=loads, now=NOW)


def spared(load: Load, care: Care) -> bool:
    cooling = load.cooling_until is not None and load.cooling_until > NOW
    return cooling or (care.max_open is not None and load.open >= care.max_open)


def seats_filled(plan_: ApprovalPlan, people: tuple[str, ...], town: Directory, record: ActionRecord) -> int:
    """How many distinct groups different people of these can fill: tried out, without the core's matching."""
    risk = record.verdict.effective.risk
    members = [{p.id for p in town.members(group, risk)} for group in plan_.distinct_groups]
    best = 0
    for some in permutations((*people, *(None for _ in members)), len(members)):
        best = max(best, sum(who in pool for who, pool in zip(some, members, strict=True)))
    return best


@settings(max_examples=150)
@given(towns(), plans_, cares_, st.fixed_dictionaries(dict.fromkeys(NAMES, loads_)))
def test_inv_05_nobody_in_conflict_or_without_a_right_is_ever_asked(town, plan_, care, loads) -> None:
    """INV-05: whom routing asks could decide in their own right now, whatever their load."""
    record = waiting(plan_)
    found = route(record, town, care=care, loads=loads, now=NOW)
    assert len(set(found.asked)) == len(found.asked)
    for who in found.asked:
        assert own_right(record, who, town) is None
        assert who not in conflicts(record, town)
        assert who in candidates(plan_, town, record.verdict.effective.risk)
    assert not set(found.asked) & {who for who, _ in found.skipped}
    assert found == route(record, town, care=care, loads=loads, now=NOW)


@settings(max_examples=150)
@given(towns(), plans_, cares_, st.fixed_dictionaries(dict.fromkeys(NAMES, loads_)))
def test_as_many_are_asked_as_there_are_and_are_needed(town, plan_, care, loads) -> None:
    record = waiting(plan_)
    found = route(record, town, care=care, loads=loads, now=NOW)
    named = [n for n in NAMES if own_right(record, n, town) is None and _named(plan_, n, town, record)]
    able = [n for n in NAMES if own_right(record, n, town) is None]
    assert len(found.asked) >= min(plan_.people_needed, len(named or able))
    assert seats_filled(plan_, found.asked, town, record) == seats_filled(plan_, tuple(named), town, record)
    if care.rebalance and not any(spared(load, care) for load in loads.values()):
        assert len(found.asked) <= plan_.people_needed


@settings(max_examples=150)
@given(towns(), plans_, cares_, st.fixed_dictionaries(dict.fromkeys(NAMES, loads_)))
def test_nobody_who_is_spared_is_asked_while_others_are_enough(town, plan_, care, loads) -> None:
    record = waiting(replace(plan_, distinct_groups=()))
    found = route(record, town, care=care, loads=loads, now=NOW)
    fit = [n for n in NAMES if own_right(record, n, town) is None and not spared(loads[n], care)]
    if len(fit) >= plan_.quorum:
        assert not any(spared(loads[who], care) for who in found.asked)
    assert all(spared(loads[who], care) for who, _ in found.skipped)


def _named(plan_: ApprovalPlan, who: str, town: Directory, record: ActionRecord) -> bool:
    risk = record.verdict.effective.risk
    groups = (*plan_.groups, *plan_.distinct_groups)
    return who in plan_.assignees or any(p.id == who for g in groups for p in town.members(g, risk))


@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 40))
def test_over_many_requests_the_loads_of_equals_differ_by_at_most_one(
    people: int, quorum: int, requests: int
) -> None:
    team = NAMES[:people]
    town = Directory(
        people={n: person(n) for n in NAMES}, groups={"red": Group(name="red", members=team)}, as_of=NOW
    )
    record = waiting(plan(groups=("red",), quorum=min(quorum, people)))
    loads: dict[str, Load] = {}
    for number in range(requests):
        asked = route(record, town, care=EVEN, loads=loads, now=later(number)).asked
        assert len(asked) == min(quorum, people)
        for who in asked:
            loads[who] = Load(open=loads.get(who, Load()).open + 1, asked_at=later(number))
        counts = [loads.get(who, Load()).open for who in team]
        assert max(counts) - min(counts) <= 1


def test_where_everything_is_answered_at_once_people_still_take_turns() -> None:
    town, asked = directory(), Counter[str]()
    record = waiting(plan())
    last: dict[str, datetime] = {}
    for number in range(10):
        loads = {who: Load(asked_at=at) for who, at in last.items()}
        (who,) = route(record, town, care=EVEN, loads=loads, now=later(number)).asked
        asked[who] += 1
        last[who] = later(number)
    assert asked == {"ana": 5, "bo": 5}


FULL_ONE = Load(open=3)
TIRED = Load(cooling_until=later(60))


@pytest.mark.parametrize(
    ("plan_", "care", "loads", "asked", "skipped"),
    [
        pytest.param(plan(), Care(), {}, ("ana", "bo"), (), id="all of the one group"),
        pytest.param(plan(assignees=("dee",)), Care(), {}, ("dee",), (), id="named people before groups"),
        pytest.param(
            plan(assignees=("dee",), quorum=2),
            Care(),
            {},
            ("dee", "ana", "bo"),
            (),
            id="and groups too where they are too few",
        ),
        pytest.param(plan(groups=()), Care(), {}, ("cho",), (), id="nobody named: approvers"),
        pytest.param(
            plan(assignees=("own",), groups=()), Care(), {}, ("cho",), (), id="only the owner named"
        ),
        pytest.param(
            plan(groups=("wide", "finance")), Care(), {}, ("ana", "bo"), (), id="the smallest group first"
        ),
        pytest.param(
            plan(groups=("wide", "finance"), quorum=3),
            Care(),
            {},
            ("bo", "cho", "dee"),
            (),
            id="the smallest that has enough",
        ),
        pytest.param(
            plan(groups=("finance", "lone"), quorum=3),
            Care(),
            {},
            ("dee", "ana", "bo"),
            (),
            id="where none has enough, the smallest added up",
        ),
        pytest.param(
            plan(groups=(), distinct_groups=("finance", "security"), quorum=2),
            Care(),
            {},
            ("ana", "bo", "dee"),
            (),
            id="every distinct group",
        ),
        pytest.param(
            plan(groups=(), distinct_groups=("finance", "security"), quorum=2),
            EVEN,
            {"ana": Load(open=9)},
            ("bo", "dee"),
            (),
            id="one for each seat, by load",
        ),
        pytest.param(
            plan(groups=(), distinct_groups=("finance", "security"), quorum=2),
            EVEN,
            {"dee": Load(open=9)},
            ("ana", "bo"),
            (),
            id="and whoever sits where only they can",
        ),
        pytest.param(plan(), EVEN, {"ana": Load(open=1)}, ("bo",), (), id="the least loaded"),
        pytest.param(
            plan(),
            EVEN,
            {"ana": Load(asked_at=later(-9)), "bo": Load(asked_at=later(-99))},
            ("bo",),
            (),
            id="of equals whoever was asked longest ago",
        ),
        pytest.param(plan(), Care(max_open=3), {"ana": FULL_ONE}, ("bo",), (("ana", FULL),), id="full"),
        pytest.param(
            plan(), Care(cooldown_after=5), {"ana": TIRED}, ("bo",), (("ana", COOLING),), id="cooling"
        ),
        pytest.param(
            plan(),
            Care(max_open=3),
            {"ana": FULL_ONE, "bo": FULL_ONE},
            ("cho",),
            (("ana", FULL), ("bo", FULL)),
            id="overflow to approvers",
        ),
        pytest.param(
            plan(groups=("finance", "wide")),
            Care(max_open=3),
            {"ana": FULL_ONE, "bo": FULL_ONE},
            ("cho", "dee"),
            (("ana", FULL), ("bo", FULL)),
            id="overflow to the next group",
        ),
        pytest.param(
            plan(),
            CAREFUL,
            {"ana": TIRED, "bo": FULL_ONE, "cho": FULL_ONE},
            ("bo",),
            (("ana", COOLING),),
            id="rather somebody full than somebody who needs a break",
        ),
        pytest.param(
            plan(),
            Care(max_open=3),
            {"ana": FULL_ONE, "bo": FULL_ONE, "cho": FULL_ONE},
            ("ana", "bo"),
            (),
            id="all of them after all",
        ),
        pytest.param(
            plan(quorum=2),
            Care(max_open=3),
            {"ana": FULL_ONE, "cho": FULL_ONE},
            ("bo", "ana"),
            (),
            id="as many as are needed after all",
        ),
    ],
)
def test_who_is_asked(plan_, care, loads, asked, skipped) -> None:
    groups = directory().groups | {
        "wide": Group(name="wide", members=("bo", "cho", "dee")),
        "lone": Group(name="lone", members=("dee",)),
    }
    found = routed(plan_, directory(groups=groups), care, **loads)
    assert (found.asked, found.skipped) == (asked, skipped)


def test_inv_05_the_requester_is_not_asked_even_as_the_last_one_left() -> None:
    record = replace(pending(proposal_=proposal(labels={"requester": "ana"})), plan=plan())
    loads = {"bo": FULL_ONE, "cho": FULL_ONE}
    assert route(record, directory(), care=CAREFUL, loads=loads, now=NOW).asked == ("bo",)
    assert next_one(record, directory(), care=CAREFUL, loads=loads, now=NOW, without=("bo", "cho")) is None


def test_the_next_one_is_never_somebody_who_was_asked() -> None:
    record = replace(waiting(plan()), asked=("ana",))
    assert next_one(record, directory(), care=EVEN, loads={}, now=NOW) == "bo"
    assert next_one(replace(record, asked=("ana", "bo")), directory(), care=EVEN, loads={}, now=NOW) == "cho"
    assert next_one(record, directory(), care=EVEN, loads={}, now=NOW, without=("bo", "cho")) is None


def test_inv_08_a_seat_is_taken_by_whoever_alone_can() -> None:
    groups = directory().groups | {"security": Group(name="security", members=("bo",))}
    town = directory(groups=groups)
    record = waiting(plan(groups=(), distinct_groups=("finance", "security"), quorum=2))
    found = route(record, town, care=EVEN, loads={"ana": Load(open=9)}, now=NOW)
    assert None not in slots(record.plan or ApprovalPlan(), found.asked, town).values()
    assert set(found.asked) == {"ana", "bo"}


def test_inv_08_two_idle_people_of_one_group_leave_no_seat_empty() -> None:
    groups = directory().groups | {"security": Group(name="security", members=("cho", "dee"))}
    record = waiting(plan(groups=(), distinct_groups=("finance", "security"), quorum=2))
    loads = {"cho": Load(open=7), "dee": Load(open=8)}
    found = route(record, directory(groups=groups), care=EVEN, loads=loads, now=NOW)
    assert found.asked == ("ana", "cho")


def test_inv_13_who_was_spared_and_called_later_decides_by_the_group_alone() -> None:
    """INV-13: a reminder to the plan's people gives those who were not asked at first no right of their own."""
    record = replace(pending(), asked=("bo",))
    assert record.deadline is not None
    fired = fire(record, seq=record.deadline.seq, now=later(900), directory=directory(), repage_sec=600)
    assert isinstance(fired, Change)
    assert fired.record.asked == ("bo", "ana")
    assert "ana" not in fired.record.called
    left = directory(groups=directory().groups | {"finance": Group(name="finance", members=("bo",))})
    assert own_right(fired.record, "ana", left) is not None


def test_who_was_passed_over_is_on_record() -> None:
    made = submit(
        action_id="act_1",
        agent=pending().agent,
        proposal=proposal(),
        payload_sha256="a" * 64,
        verdict=verdict(),
        directory=directory(),
        now=NOW,
        repage_sec=600,
        care=Care(max_open=3),
        loads={"ana": FULL_ONE},
    )
    assert made.record.asked == ("bo",)
    assert made.audit.detail["skipped"] == ["ana:full"]
