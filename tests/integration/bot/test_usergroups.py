"""Slack user groups over the wire: who is in them, who those people are, and who cannot get in by the back door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gate.domain.people import Directory
from gate.domain.request import Status
from gate.domain.risk import Risk
from gate.metrics import Metrics
from gate.usecases.ports import ListUnavailable
from gate.workers.directory import DirectoryKeeper, LiveRules
from tests.integration.bot import stage as plain
from tests.integration.bot.stage import Stage, stage

PEOPLE = plain.PEOPLE.replace(
    "finance: {members: [ana, bo, gia, hal, pia, own]}", "finance: {slack_usergroup: S0FINANCE}"
)


@dataclass
class Grouped:
    """A stage whose finance group is the workspace's user group."""

    play: Stage
    live: LiveRules
    keeper: DirectoryKeeper

    @property
    def directory(self) -> Directory:
        return self.live.current.directory

    def members(self, risk: Risk = Risk.HIGH) -> list[str]:
        return [person.id for person in self.directory.members("finance", risk)]

    def put(self, *users: str) -> None:
        """The workspace's administrator changes the group."""
        groups = self.play.slack.state.usergroups
        groups["S0FINANCE"] = replace(groups["S0FINANCE"], members=users)

    async def read(self) -> None:
        """A reading now, whatever its turn."""
        bot = self.play.bot
        assert bot is not None
        self.keeper = keeper_of(self.play, self.live)
        await self.keeper.look()


def keeper_of(play: Stage, live: LiveRules) -> DirectoryKeeper:
    assert play.bot is not None
    return DirectoryKeeper(
        _EveryTime(live, store=play.store, clock=play.deps.clock),
        store=play.store,
        clock=play.deps.clock,
        metrics=Metrics(),
        by_kind={"usergroup": play.bot.user_groups},
    )


class _EveryTime(LiveRules):
    """Live rules of which nothing is known yet, so that a keeper reads at once; `load` reaches the shared ones."""

    def __init__(self, shared: LiveRules, *, store, clock) -> None:
        super().__init__(shared, store=store, clock=clock)
        self._shared = shared

    async def load(self) -> None:
        await self._shared.load()


@pytest.fixture
async def grouped(tmp_path: Path) -> AsyncIterator[Grouped]:
    async with stage(tmp_path, start=False) as play:
        play.source.load(plain.POLICY, PEOPLE)
        live = LiveRules(play.source, store=play.store, clock=play.deps.clock)
        play.deps = replace(play.deps, rules=live)
        await play.start_bot()
        await play.start_worker()
        made = Grouped(play=play, live=live, keeper=keeper_of(play, live))
        await made.read()
        yield made


async def pins(play: Stage) -> dict[str, str]:
    async with play.store.reading() as tx:
        return {pin.person: pin.user_id for pin in await tx.pins.all()}


async def test_members_are_found_by_id_or_once_by_address_and_decide(grouped: Grouped) -> None:
    """Bo has no Slack id in people.yaml: found by address the first time, pinned from then on."""
    play = grouped.play
    assert grouped.members() == ["ana", "bo"]
    assert (await pins(play))["bo"] == "U0BO"
    record = await play.propose()
    assert record.asked == ("ana", "bo")
    channel, ts = await play.posted(record)
    assert (await play.slack.click("U0BO", channel, ts, "approve")).ok
    await play.told("U0BO", "Approved. Released to support-bot.")
    assert (await play.load(record.id)).status is Status.APPROVED


async def test_guests_strangers_and_people_who_left_are_not_found_by_address(grouped: Grouped) -> None:
    """Threat 6: whoever fills a group in Slack does not make reviewers of outsiders."""
    play = grouped.play
    bare = PEOPLE
    for user in ("U0GIA", "U0PIA", "U0HAL", "U0DEV"):
        bare = bare.replace(f", slack: {user}", "")
    play.source.load(plain.POLICY, bare)
    grouped.put("U0GIA", "U0PIA", "U0HAL", "U0DEV", "U0BO")
    await grouped.read()
    assert grouped.members() == ["dev", "bo"]
    assert grouped.directory.groups["finance"].strangers == 3
    assert set(await pins(play)) == {"bo", "dev"}


async def test_one_taken_out_of_the_group_is_told_who_may_decide(grouped: Grouped) -> None:
    play = grouped.play
    record = await play.propose()
    channel, ts = await play.posted(record)
    grouped.put("U0ANA")
    await grouped.read()
    await play.slack.click("U0BO", channel, ts, "approve")
    await play.told("U0BO", "it waits for the group finance")
    assert (await play.load(record.id)).status is Status.PENDING


async def test_a_renamed_account_stays_its_person_and_a_taken_address_gains_nobody(grouped: Grouped) -> None:
    """INV-04, threat 7."""
    play = grouped.play
    play.slack.change_user(
        "U0BO", email="robert@meridian.example", real_name="Robert Lindqvist", name="robert"
    )
    play.slack.change_user("U0DEV", email="bo@meridian.example", real_name="Bo Lindqvist")
    grouped.put("U0BO", "U0DEV")
    play.source.load(plain.POLICY, PEOPLE.replace("slack: U0DEV", "slack: U0OTHER"))
    await grouped.read()
    assert grouped.members() == ["bo"]
    assert grouped.directory.groups["finance"].strangers == 1
    assert (await pins(play))["bo"] == "U0BO"


async def test_without_slack_the_last_list_stays_and_gets_older(grouped: Grouped) -> None:
    play = grouped.play
    before = grouped.directory.groups["finance"].read_at
    play.slack.down()
    await grouped.read()
    assert grouped.keeper.problem is not None
    assert "Slack cannot be reached" in grouped.keeper.problem
    assert (grouped.members(), grouped.directory.groups["finance"].read_at) == (["ana", "bo"], before)
    play.slack.clear_faults()


async def test_a_group_that_is_not_there_and_a_missing_permission_are_named(grouped: Grouped) -> None:
    play = grouped.play
    assert play.bot is not None
    with pytest.raises(ListUnavailable, match="look at slack_usergroup in people"):
        await play.bot.user_groups.read("S0NOWHERE")
    play.slack.error("usergroups.users.list", "missing_scope")
    with pytest.raises(ListUnavailable, match="compare its scopes with manifest"):
        await play.bot.user_groups.read("S0FINANCE")
    play.slack.ratelimit("usergroups.users.list", retry_after=9)
    with pytest.raises(ListUnavailable) as caught:
        await play.bot.user_groups.read("S0FINANCE")
    assert caught.value.after_sec == 9


async def test_a_stranger_in_a_group_is_not_looked_up_again_and_again(grouped: Grouped) -> None:
    play = grouped.play
    play.source.load(plain.POLICY, PEOPLE.replace("slack: U0DEV", "slack: U0OTHER"))
    grouped.put("U0DEV", "U0BO")
    await grouped.read()
    asked = len([c for c in play.slack.calls("users.info") if c.args.get("user") == "U0DEV"])
    await grouped.read()
    await grouped.read()
    assert len([c for c in play.slack.calls("users.info") if c.args.get("user") == "U0DEV"]) == asked == 1
