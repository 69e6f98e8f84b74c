"""What a command-line verb works with beside a gate that may be running: the store, and the way to Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from bot.app import build_bot
from bot.checkup import Examination, examine
from gate.clock import SteadyClock
from gate.config import Settings
from gate.ids import TimeSortedIds
from gate.keyring.signer import load_signer
from gate.store import SqlStore, open_store
from gate.store.postgres import database_time
from gate.usecases.ports import DeliveryChannel, Deps, Rules, RulesSource
from gate.wiring.slack import slack_of
from gate.workers.wakeups import LocalWakeups


class _NoRules:
    """The rules of a command-line verb that needs none, so that a broken policy file is in nobody's way."""

    @property
    def current(self) -> Rules:
        raise RuntimeError("this verb uses no policy")


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What a command-line verb works with, beside a gate that may be running."""

    store: SqlStore
    deps: Deps


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Desk]:
    """The store and what commands need, without serving anything. Raises StoreError or StoreUnavailable."""
    clock = SteadyClock()
    rules: RulesSource = _NoRules()
    async with open_store(settings.database_url, clock=clock, exclusive=False) as store:
        if not settings.on_sqlite:
            clock.anchor(await database_time(settings.database_url))
        yield Desk(
            store=store,
            deps=Deps(
                store=store,
                clock=clock,
                ids=TimeSortedIds(clock),
                signer=load_signer(settings.keys),
                rules=rules,
                wakeups=LocalWakeups(),
            ),
        )


async def examine_slack(desk: Desk, settings: Settings, rules: Rules) -> Examination:
    """What the workspace of these settings looks like; without tokens, the sandbox workspace of a running gate."""
    async with desk.store.reading() as tx:
        pins = {name: pin for name in rules.directory.people if (pin := await tx.pins.by_person(name))}
    return await examine(slack_of(settings), rules, pins)


@asynccontextmanager
async def posting(
    desk: Desk, settings: Settings, rules: Rules
) -> AsyncIterator[tuple[Deps, DeliveryChannel]]:
    """Use-cases under these rules, and the way to Slack, in a process that serves nothing."""
    deps = replace(desk.deps, rules=_TheseRules(rules))
    bot = build_bot(deps, slack_of(settings))
    async with bot.posting() as channel:
        yield deps, channel


@dataclass(frozen=True, slots=True)
class _TheseRules:
    """Rules read once, for a verb that ends before they could change."""

    current: Rules
