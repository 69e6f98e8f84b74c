"""The unit of work: every aggregate bound to one transaction."""

from __future__ import annotations

from gate.store.actions import SqlActions
from gate.store.agents import SqlAgents
from gate.store.asks import SqlAsks
from gate.store.audit import SqlAudit
from gate.store.bound import Bound
from gate.store.cards import SqlCards
from gate.store.deadlines import SqlDeadlines
from gate.store.delegations import SqlDelegations
from gate.store.digests import SqlDigests
from gate.store.figures import SqlFigures
from gate.store.grants import SqlGrants
from gate.store.listings import SqlListings
from gate.store.months import SqlMonths
from gate.store.outbox import SqlOutbox
from gate.store.pings import SqlPings
from gate.store.pins import SqlPins
from gate.store.publications import SqlPublications
from gate.store.sealing import Sealer
from gate.store.seals import SqlSeals
from gate.store.shown import SqlSights
from gate.store.snapshots import SqlSnapshots
from gate.store.tree import SqlTree
from gate.usecases.ports import Clock


class SqlTransaction:
    """Implements `ports.Transaction`."""

    def __init__(self, bound: Bound, clock: Clock, sealer: Sealer) -> None:
        self.actions = SqlActions(bound, clock, sealer)
        self.asks = SqlAsks(bound)
        self.deadlines = SqlDeadlines(bound)
        self.grants = SqlGrants(bound)
        self.outbox = SqlOutbox(bound)
        self.audit = SqlAudit(bound)
        self.tree = SqlTree(bound)
        self.publications = SqlPublications(bound)
        self.months = SqlMonths(bound)
        self.cards = SqlCards(bound)
        self.shown = SqlSights(bound)
        self.digests = SqlDigests(bound)
        self.pings = SqlPings(bound)
        self.pins = SqlPins(bound)
        self.delegations = SqlDelegations(bound)
        self.agents = SqlAgents(bound)
        self.listings = SqlListings(bound)
        self.snapshots = SqlSnapshots(bound)
        self.figures = SqlFigures(bound)
        self.seals = SqlSeals(bound, self.actions, sealer)
