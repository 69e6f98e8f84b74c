"""The report and the policy in force, as the people they are for may see them, on both engines."""

from __future__ import annotations

import pytest

from gate.domain.request import ActionRecord, Choice
from gate.domain.reviewing import LEAST_DECISIONS
from gate.domain.risk import Risk
from gate.usecases.commands import Delegate
from gate.usecases.delegate import delegate
from gate.usecases.policy import policy_view
from gate.usecases.ports import Snapshot
from gate.usecases.report import own_line, report
from tests.fakes.world import PEOPLE, POLICY, World

GLASS = "break_glass: {who: [bo], supervisors: ['oncall:primary']}\n"
TARGETS = "approval_queue_policy: {target_median_wait_sec: 300, target_p95_wait_sec: 900}\n"
BREAKS = "fatigue_controls: {cooldown_after_approvals: 2, cooldown: 10m}\n"


async def ask(gate: World, number: int, topic: str = "pay.refund") -> ActionRecord:
    return (await gate.propose(topic, payload={"amount": 200, "order": str(number)})).record


async def decided(gate: World, count: int, person: str, each_sec: float = 4) -> None:
    for number in range(count):
        record = await ask(gate, number)
        gate.clock.pass_(seconds=each_sec)
        await gate.vote(record, person)


async def test_the_report_tells_the_queue_the_spans_and_the_readers_own_line_first(gate: World):
    gate.source.load(POLICY + TARGETS)
    early = await ask(gate, 1)
    gate.clock.pass_(minutes=10)
    await gate.vote(early, "ana", comment="Fine")
    gate.clock.pass_(days=3)
    late = await ask(gate, 2)
    gate.clock.pass_(minutes=2)
    await gate.vote(late, "bo", Choice.REJECT, comment="No")
    await ask(gate, 3, "pay.wire")
    view = await report(gate.deps, "cho")
    (open_one,) = view.waiting
    assert (open_one.risk, open_one.count) == (Risk.CRITICAL, 1)
    day, week, _ = view.spans
    assert (day.asked, day.rejected, day.waiting, day.median_wait_sec) == (2, 1, 1, 120)
    assert (week.asked, week.approved, week.p95_wait_sec) == (3, 1, 600)
    assert view.care.target_median_wait_sec == 300
    assert view.mine is not None
    assert (view.mine.person.id, view.mine.figures.decisions) == ("cho", 0)
    assert [(line.person.id, line.figures.decisions) for line in view.others] == [("ana", 1), ("bo", 1)]


@pytest.mark.parametrize(
    ("person", "sees"),
    [
        pytest.param("cho", True, id="an approver"),
        pytest.param("bo", True, id="who supervises emergencies"),
        pytest.param("ana", False, id="anybody else"),
        pytest.param("own", False, id="an owner of agents"),
    ],
)
async def test_only_approvers_and_supervisors_see_the_figures_of_others(gate: World, person: str, sees: bool):
    gate.source.load(POLICY + GLASS)
    await decided(gate, 2, "ana")
    view = await report(gate.deps, person)
    assert view.all_shown is sees
    shown = [line.person.id for line in view.others]
    assert ("ana" in shown) is (sees and person != "ana")
    assert view.mine is not None
    assert view.mine.person.id == person
    assert view.spans[0].decided == 2, "the totals are for everybody"


async def test_authority_that_was_lent_shows_nobody_the_figures_of_others(gate: World):
    now = gate.clock.now()
    result = await delegate(
        gate.deps,
        Delegate(
            grantor="cho",
            delegate="ana",
            topics=(),
            groups=(),
            start=now,
            end=now.replace(day=9),
            reason="Away",
        ),
    )
    assert hasattr(result, "delegation"), result
    assert not (await report(gate.deps, "ana")).all_shown


async def test_a_vote_under_a_delegation_counts_for_whoever_clicked_and_only_once(gate: World):
    now = gate.clock.now()
    await delegate(
        gate.deps,
        Delegate(
            grantor="ana",
            delegate="cho",
            topics=(),
            groups=(),
            start=now,
            end=now.replace(month=12),
            reason="Away",
        ),
    )
    record = await ask(gate, 1)
    gate.clock.pass_(seconds=9)
    await gate.vote(record, "cho")
    assert (await own_line(gate.deps, "cho")).figures.decisions == 1
    assert (await own_line(gate.deps, "ana")).figures.decisions == 0
    everybody = await report(gate.deps, None)
    assert [(line.person.id, line.figures.decisions) for line in everybody.others] == [("cho", 1)]
    assert everybody.mine is None
    assert everybody.all_shown


async def test_the_sign_of_a_rubber_stamp_reaches_the_person_and_the_approvers(gate: World):
    await decided(gate, LEAST_DECISIONS, "ana")
    assert (await own_line(gate.deps, "ana")).figures.rubber_stamp
    (line,) = (await report(gate.deps, "cho")).others
    assert line.figures.rubber_stamp
    assert line.figures.median_sec == 4


async def test_a_break_is_told_while_it_lasts(gate: World):
    gate.source.load(POLICY + BREAKS)
    await decided(gate, 2, "ana")
    line = await own_line(gate.deps, "ana")
    assert line.resting_until is not None
    assert line.resting_until > gate.clock.now()
    gate.clock.pass_(minutes=11)
    assert (await own_line(gate.deps, "ana")).resting_until is None


async def test_somebody_who_left_keeps_their_figures_under_their_id(gate: World):
    await decided(gate, 1, "ana")
    people = PEOPLE.replace("  ana: {name: Ana Ruiz, email: ana@example.com, slack: U0ANA}\n", "")
    gate.source.load(POLICY, people.replace("[ana, bo]", "[bo]"))
    (line,) = (await report(gate.deps, None)).others
    assert (line.person.id, line.person.name) == ("ana", "ana")


async def test_the_policy_in_force_is_told_with_since_when_and_what_it_says_of_people(gate: World):
    gate.source.load(POLICY + GLASS + BREAKS + TARGETS)
    digest = gate.source.current.policy.digest
    view = await policy_view(gate.deps)
    assert (view.digest, view.since) == (digest, None)
    async with gate.store.writing() as tx:
        await tx.snapshots.put(
            Snapshot(digest=digest, version="v1", documents=(), loaded_at=gate.clock.now())
        )
    view = await policy_view(gate.deps)
    assert view.since == gate.clock.now()
    (document,) = view.documents
    assert (document.name, document.guardrails, document.rules, document.classify) == ("p.yaml", 1, 3, 1)
    assert (document.default, view.default) == (None, "require_approval")
    assert view.care.cooldown_after == 2
    assert view.glass is not None
    assert view.glass.who == ("Bo Lindqvist",)
    assert view.glass.supervisors == ("whoever is on call for primary",)


async def test_without_the_section_nobody_breaks_any_glass(gate: World):
    assert (await policy_view(gate.deps)).glass is None


async def test_the_default_told_is_the_strictest_that_speaks_about_everything(gate: World):
    gate.source.load(POLICY + "default: {decision: deny, reason: Not known here}\n")
    view = await policy_view(gate.deps)
    assert (view.default, view.documents[0].default) == ("deny", "deny")
