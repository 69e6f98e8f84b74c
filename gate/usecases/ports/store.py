"""One transaction over everything that is stored, and how transactions are opened."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from gate.domain.backlog import Asked, Waiting
from gate.domain.reviewing import Given
from gate.usecases.ports.actions import Actions, Asks, Deadlines, Grants
from gate.usecases.ports.directory import Agents, Delegations, Listings, Pins
from gate.usecases.ports.messages import Cards, Digests, Outbox, Pings, Sights
from gate.usecases.ports.record import Audit, Publications, Snapshots, Tree
from gate.usecases.ports.retention import Months, Retention
from gate.usecases.ports.seals import Seals


class Figures(Protocol):
    """What figures are made of: bounded reads, in no particular order."""

    async def waiting(self, now: datetime) -> tuple[Waiting, ...]:
        """What is open, by risk, the highest first."""
        ...

    async def asked(self, since: datetime, *, limit: int) -> tuple[Asked, ...]:
        """The newest `limit` requests that asked people since then."""
        ...

    async def given(self, since: datetime, *, person: str | None = None, limit: int) -> tuple[Given, ...]:
        """The newest `limit` votes since then, of everybody or of one person."""
        ...


class Transaction(Protocol):
    """One database transaction over all aggregates; committed on clean exit, rolled back otherwise."""

    @property
    def actions(self) -> Actions: ...
    @property
    def asks(self) -> Asks: ...
    @property
    def deadlines(self) -> Deadlines: ...
    @property
    def grants(self) -> Grants: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def tree(self) -> Tree: ...
    @property
    def publications(self) -> Publications: ...
    @property
    def months(self) -> Months: ...
    @property
    def retention(self) -> Retention: ...
    @property
    def cards(self) -> Cards: ...
    @property
    def shown(self) -> Sights: ...
    @property
    def digests(self) -> Digests: ...
    @property
    def pings(self) -> Pings: ...
    @property
    def pins(self) -> Pins: ...
    @property
    def delegations(self) -> Delegations: ...
    @property
    def agents(self) -> Agents: ...
    @property
    def listings(self) -> Listings: ...
    @property
    def snapshots(self) -> Snapshots: ...
    @property
    def figures(self) -> Figures: ...
    @property
    def seals(self) -> Seals: ...


class Store(Protocol):
    """Opens transactions. `writing` serialises where the engine needs it; `reading` never blocks a writer."""

    def writing(self) -> AbstractAsyncContextManager[Transaction]: ...

    def together(self, turn: str, *, presuming: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that is committed with those of others, at a fraction of the cost, and durable like any other
        when it is left. `turn` is whose it is: everybody is served in turn.

        It reads what is committed, and its writes are seen by nobody before that, itself included. Where something it
        rests on has changed meanwhile it ends in `Outrun`, and nothing of it is stored. It raises `AloneOnly` for what
        it cannot do, `Crowded` where there are too many already.

        `presuming`: what is mostly so (a key that was good a moment ago still is; nothing like it was proposed lately)
        is taken for true and looked up in the commit, for all of them at once. Where it was not so, that one ends in
        `Outrun`, and the caller asks for real with the next attempt.
        """
        ...

    def reading(self) -> AbstractAsyncContextManager[Transaction]: ...

    @property
    def now(self) -> Transaction:
        """For a single look-up: each read sees what is committed at that moment, and nothing can be written."""
        ...

    async def check(self) -> None:
        """Raises `StoreUnavailable` where a decision could not be made durable now."""
        ...


class Outrun(Exception):
    """Somebody else was quicker: the transaction is rolled back, and the command decided anew."""


class AloneOnly(Outrun):
    """This needs a transaction of its own."""


class Crowded(Exception):
    """Too much waits to be stored: of everybody (`whole`), or of this agent alone. Come again in a second."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__("too much waits to be stored")
        self.whole = whole


class StoreUnavailable(Exception):
    """The database cannot take a decision now; the caller answers 503 or tries again."""
