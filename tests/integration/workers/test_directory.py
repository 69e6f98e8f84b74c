"""The directory keeper on both engines: what is read, kept, judged by age, and known again after a restart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from gate.delivery.schedules import PagerDutySchedules
from gate.domain.oncall import Trouble, on_call
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Status
from gate.metrics import Metrics
from gate.usecases.commands import Done
from gate.usecases.ports import Listed, ListUnavailable
from gate.workers.directory import DirectoryKeeper, LiveRules, Pace
from tests.fakes.pagerduty_rest import TOKEN, Turn, pagerduty
from tests.fakes.world import POLICY, World

PEOPLE = """
version: v1
people:
  ana: {name: Ana Ruiz, email: ana@example.com, slack: U0ANA}
  bo: {name: Bo Lindqvist, email: bo@example.com, slack: U0BO}
  cho: {name: Cho Minji, email: cho@example.com, aliases: [cho@pager.example]}
  own: {name: Owen Hart, email: own@example.com, slack: U0OWN}
groups:
  finance: {slack_usergroup: S0FIN}
  approvers: {members: [cho]}
on_call:
  primary: {pagerduty_schedule: PABC, rotation: {people: [bo], every: 1w}}
"""
STEADY = Pace(every_sec=240, jitter=0, retry_sec=10, longest_retry_sec=40)


@dataclass
class Groups:
    """Implements `ports.ListSource` from memory; the real reader is proven against the sandbox workspace."""

    users: tuple[str, ...] = ("U0ANA", "U0BO")
    problem: ListUnavailable | None = None
    asked: list[str] = field(default_factory=list)

    async def read(self, list_id: str) -> Listed:
        self.asked.append(list_id)
        if self.problem is not None:
            raise self.problem
        return Listed(team_id="T1", users=self.users)


@dataclass
class Kept:
    """A gate's core with a keeper."""

    world: World
    live: LiveRules
    keeper: DirectoryKeeper
    groups: Groups
    metrics: Metrics

    async def pass_(self, **delta: float) -> int:
        self.world.clock.pass_(**delta)
        return await self.keeper.look()

    def counted(self, kind: str, result: str) -> float:
        name = "signoff_directory_reads_total"
        return self.metrics.registry.get_sample_value(name, {"kind": kind, "result": result}) or 0


def kept(gate: World, metrics: Metrics, *, schedules: PagerDutySchedules | None = None) -> Kept:
    gate.source.load(POLICY, PEOPLE)
    live = LiveRules(gate.source, store=gate.store, clock=gate.clock)
    groups = Groups()
    keeper = DirectoryKeeper(
        live,
        store=gate.store,
        clock=gate.clock,
        metrics=metrics,
        by_kind={"usergroup": groups} | ({"schedule": schedules} if schedules else {}),
        pace=STEADY,
    )
    return Kept(
        world=replace(gate, deps=replace(gate.deps, rules=live)),
        live=live,
        keeper=keeper,
        groups=groups,
        metrics=metrics,
    )


async def waiting(here: Kept) -> ActionRecord:
    record = (await here.world.propose()).record
    assert record.status is Status.PENDING, record.verdict.reason
    return record


async def test_a_group_counts_while_it_is_fresh_and_comes_back_with_slack(
    gate: World, metrics: Metrics
) -> None:
    """High risk: fifteen minutes without Slack and its members do not count, until it answers again."""
    here = kept(gate, metrics)
    assert await here.keeper.look() == 1
    record = await waiting(here)
    assert record.asked == ("ana", "bo")
    here.groups.problem = ListUnavailable("Slack cannot be reached.")
    for _ in range(8):
        assert await here.pass_(minutes=2) == 0
    refused = await here.world.vote(record, "ana")
    assert isinstance(refused, Refused)
    assert "Slack last said who is in the group finance on 2026-11-02 at 09:00 UTC" in refused.sentence
    assert here.keeper.problem is not None
    assert "usergroup:S0FIN: Slack cannot be reached." in here.keeper.problem
    here.groups.problem = None
    assert await here.pass_(minutes=2) == 1
    assert isinstance(await here.world.vote(record, "ana"), Done)


async def test_somebody_taken_out_of_the_group_in_slack_decides_no_more(
    gate: World, metrics: Metrics
) -> None:
    here = kept(gate, metrics)
    await here.keeper.look()
    record = await waiting(here)
    here.groups.users = ("U0BO",)
    assert await here.pass_(seconds=239) == 0
    assert await here.pass_(seconds=1) == 1
    assert isinstance(await here.world.vote(record, "ana"), Refused)
    assert isinstance(await here.world.vote(record, "bo"), Done)


async def test_what_was_read_outlives_a_restart_without_slack(gate: World, metrics: Metrics) -> None:
    here = kept(gate, metrics)
    await here.keeper.look()
    gate.clock.pass_(minutes=10)
    again = kept(gate, Metrics())
    again.groups.problem = ListUnavailable("Slack cannot be reached.")
    await again.live.load()
    found = again.live.current.directory.groups["finance"]
    assert (found.members, gate.clock.now() - (found.read_at or gate.clock.now())) == (
        ("ana", "bo"),
        timedelta(minutes=10),
    )
    await again.keeper.look()
    record = await waiting(again)
    assert isinstance(await again.world.vote(record, "ana"), Done)


async def test_a_group_never_read_leaves_nobody_but_the_approvers(gate: World, metrics: Metrics) -> None:
    here = kept(gate, metrics)
    gate.source.load(POLICY, PEOPLE.replace(", rotation: {people: [bo], every: 1w}", ""))
    record = await waiting(here)
    assert record.asked == ("cho",)
    denied = await here.world.propose("pay.wire")
    assert denied.record.status is Status.DENIED
    assert "too few people" in denied.record.verdict.reason


async def test_another_replica_sees_what_one_has_read(gate: World, metrics: Metrics) -> None:
    one, two = kept(gate, metrics), kept(gate, Metrics())
    await one.keeper.look()
    await two.live.load()
    assert two.live.current.directory.groups["finance"].members == ("ana", "bo")


async def test_failures_are_repeated_with_growing_pauses_and_the_time_asked_for_is_kept(
    gate: World, metrics: Metrics
) -> None:
    here = kept(gate, metrics)
    here.groups.problem = ListUnavailable("ratelimited", after_sec=30)
    await here.keeper.look()
    for _ in range(12):
        await here.pass_(seconds=10)
    # at 0 s, then after 30 (asked for, more than 10), 30 (more than 20) and 40 seconds
    assert len(here.groups.asked) == 4
    assert here.counted("usergroup", "failed") == 4
    assert here.counted("schedule", "failed") == 5  # at 0, 10, 30, 70 and 110 s


async def test_a_reload_that_names_another_group_reads_it_and_forgets_the_trouble_of_the_old(
    gate: World, metrics: Metrics
) -> None:
    here = kept(gate, metrics)
    here.groups.problem = ListUnavailable("no such group")
    await here.keeper.look()
    gate.source.load(POLICY, PEOPLE.replace("S0FIN", "S0NEW").replace("pagerduty_schedule: PABC, ", ""))
    here.groups.problem = None
    assert await here.keeper.look() == 1
    assert here.keeper.problem is None
    assert here.live.current.directory.groups["finance"].members == ("ana", "bo")
    gate.source.load(POLICY)
    assert here.live.current is gate.source.current


async def test_a_schedule_is_followed_and_its_rotation_stands_in_when_pagerduty_is_away(
    gate: World, metrics: Metrics
) -> None:
    now = gate.clock.now()
    async with pagerduty() as account:
        account.turns = [Turn("PABC", "CHO@pager.example", now - timedelta(days=1), now + timedelta(days=2))]
        schedules = PagerDutySchedules(token=TOKEN, api_url=account.url, clock=gate.clock)
        here = kept(gate, metrics, schedules=schedules)
        assert await here.keeper.look() == 2

        def duty() -> tuple[str | None, Trouble | None]:
            found = on_call(here.live.current.directory.rotas["primary"], gate.clock.now())
            return found.person, found.trouble

        assert duty() == ("cho", None)
        account.turns = [Turn("PABC", "stranger@example.com", None, None)]
        await here.pass_(seconds=240)
        assert duty() == ("bo", Trouble.UNKNOWN_PERSON)
        account.turns = [Turn("PABC", "ana@example.com", None, None)]
        await here.pass_(seconds=240)
        assert duty() == ("ana", None)
    await here.pass_(hours=3)
    assert duty() == ("ana", None)
    await here.pass_(hours=2)
    assert duty() == ("bo", Trouble.OUTDATED)
    assert here.keeper.problem is not None
    assert "schedule:PABC: PagerDuty cannot be reached" in here.keeper.problem


async def test_the_keeper_reads_by_itself_until_it_is_stopped(gate: World, metrics: Metrics) -> None:
    here = kept(gate, metrics)
    async with gate.deps.wakeups.subscription("nobody notifies this") as waiter:
        await here.keeper.start()
        try:
            while not here.groups.asked:
                await waiter.wait(0.02)
        finally:
            await here.keeper.stop()


def test_a_pace_spreads_replicas() -> None:
    """Readings of several gates drift apart instead of coming all at once."""
    assert 0 < Pace().jitter < 1
    assert Pace().every_sec * (1 + Pace().jitter) * 3 < 15 * 60


@pytest.mark.parametrize(("chance", "due"), [(0.0, 204), (1.0, 276)])
async def test_the_next_reading_is_a_little_sooner_or_later(
    gate: World, metrics: Metrics, chance: float, due: int
) -> None:
    here = kept(gate, metrics)
    groups = Groups()
    keeper = DirectoryKeeper(
        here.live,
        store=gate.store,
        clock=gate.clock,
        metrics=metrics,
        by_kind={"usergroup": groups},
        pace=replace(STEADY, jitter=0.15),
        chance=lambda: chance,
    )
    await keeper.look()
    gate.clock.pass_(seconds=due - 1)
    await keeper.look()
    assert len(groups.asked) == 1
    gate.clock.pass_(seconds=1)
    await keeper.look()
    assert len(groups.asked) == 2
