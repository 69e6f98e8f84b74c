"""What a command-line verb works with beside a gate that may be running: the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gate.clock import SteadyClock
from gate.config import Settings
from gate.ids import TimeSortedIds
from gate.keyring.sealing import load_sealing_keys
from gate.keyring.signer import load_signer
from gate.store import SqlStore, open_store
from gate.store.postgres import database_time
from gate.store.radio import PostgresRadio
from gate.usecases.ports import Deps, Rules, RulesSource
from gate.workers.shared_wakeups import SharedWakeups
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
    wakeups = LocalWakeups()
    keys = load_sealing_keys(settings.keys, settings.key_command)
    async with AsyncExitStack() as begun:
        store = await begun.enter_async_context(
            open_store(settings.database_url, clock=clock, exclusive=False, keys=keys)
        )
        if not settings.on_sqlite:
            clock.anchor(await database_time(settings.database_url))
            wakeups = SharedWakeups(PostgresRadio(settings.database_url))
            await wakeups.start(listening=False)
            begun.push_async_callback(wakeups.stop)
        yield Desk(
            store=store,
            deps=Deps(
                store=store,
                clock=clock,
                ids=TimeSortedIds(clock),
                signer=load_signer(settings.keys),
                rules=rules,
                wakeups=wakeups,
            ),
        )
