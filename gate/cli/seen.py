"""Reads the directory as a running gate sees it now, without making or changing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gate.clock import SteadyClock
from gate.config import Settings
from gate.domain.action import Agent
from gate.domain.care import SILENT, Care
from gate.domain.people import Directory
from gate.domain.routing import Load
from gate.store import open_store
from gate.store.address import parse_address
from gate.usecases.filling import Known, filled
from gate.usecases.loads import loads_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """The directory at an instant, with what the store has of other systems' lists and of delegations.

    `agent` is the agent asked about, None where no such agent has a key. `loads` tells what everybody has to do, None
    where there is no database to say.
    """

    directory: Directory
    at: datetime
    agent: Agent | None = None
    loads: Mapping[str, Load] | None = None


async def seen_people(settings: Settings, directory: Directory, *, agent: str, care: Care = SILENT) -> Seen:
    """Without a database there is nothing from elsewhere. Raises StoreError or StoreUnavailable."""
    clock = SteadyClock()
    path = parse_address(settings.database_url).path
    if path is not None and not path.exists():
        now = clock.now()
        return Seen(directory=replace(directory, as_of=now), at=now)
    async with open_store(settings.database_url, clock=clock, exclusive=False) as store:
        now = clock.now() if settings.on_sqlite else await store.database_time()
        async with store.reading() as tx:
            known = Known(listings=await tx.listings.all(), pins=await tx.pins.all())
            lent = await tx.delegations.in_force(now)
            stored = await tx.agents.by_name(agent)
            # What is open is counted for the reader also where the policy does not look at it.
            loads = await loads_of(tx, tuple(directory.people), replace(care, rebalance=True))
    whole = replace(filled(directory, known), as_of=now, delegations=lent)
    live = stored is not None and stored.revoked_at is None
    return Seen(
        directory=whole, at=now, agent=stored.agent if stored is not None and live else None, loads=loads
    )
