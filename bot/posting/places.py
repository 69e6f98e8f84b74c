"""Knows in which channel a request is shown: the rule's channel, the groups' channels, the default, best first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.posting.channels import Channel, Channels, NoSuchChannel
from bot.slack.errors import SlackFailure, Trouble
from gate.domain.verdict import ApprovalPlan
from gate.usecases.ports import Deps

T = TypeVar("T")


class NoPlace(Exception):
    """No channel takes the message; the text names them and says what to do."""


class Places:
    """Channels by approval plan."""

    def __init__(self, *, deps: Deps, channels: Channels) -> None:
        self._deps = deps
        self._channels = channels

    def wanted(self, plan: ApprovalPlan | None) -> tuple[str, ...]:
        """By name or id, the best first."""
        directory = self._deps.rules.current.directory
        groups = (*plan.groups, *plan.distinct_groups) if plan is not None else ()
        of_groups = [directory.groups[g].channel for g in groups if g in directory.groups]
        found = [plan.channel if plan is not None else None, *of_groups, directory.default_channel]
        return tuple(dict.fromkeys(place for place in found if place))

    async def first(self, plan: ApprovalPlan | None) -> str | None:
        """The id of the best channel there is, without entering it. Raises `SlackFailure` where Slack cannot say."""
        for wanted in self.wanted(plan):
            try:
                return (await self._channels.find(wanted)).id
            except NoSuchChannel:
                continue
        return None

    async def anywhere(self, plan: ApprovalPlan | None, post: Callable[[Channel], Awaitable[T]]) -> T:
        """What `post` makes of the best channel that the bot gets into and that takes the message. Raises `NoPlace`
        where none does, and `SlackFailure` for what is not about the place."""
        reasons: list[str] = []
        for wanted in self.wanted(plan):
            try:
                channel = await self._channels.find(wanted)
                await self._channels.enter(channel)
                return await post(channel)
            except NoSuchChannel as missing:
                reasons.append(str(missing))
            except SlackFailure as failure:
                if failure.trouble is not Trouble.PLACE:
                    raise
                self._channels.forget()
                reasons.append(f"{wanted}: {failure.sentence}")
        raise NoPlace(" ".join(dict.fromkeys(reasons)))
