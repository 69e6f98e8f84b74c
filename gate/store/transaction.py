"""The unit of work: every aggregate bound to one transaction."""

from __future__ import annotations

from gate.store.actions import SqlActions
from gate.store.agents import SqlAgents
from gate.store.audit import SqlAudit
from gate.store.bound import Bound
from gate.store.cards import SqlCards
from gate.store.deadlines import SqlDeadlines
from gate.store.delegations import SqlDelegations
from gate.store.figures import SqlFigures
from gate.store.grants import SqlGrants
from gate.store.listings import SqlListings
from gate.store.outbox import SqlOutbox
from gate.store.pins import SqlPins
from gate.store.snapshots import SqlSnapshots


class SqlTransaction:
    """Implements `ports.Transaction`."""

    def __init__(self, bound: Bound) -> None:
        self.actions = SqlActions(bound)
        self.deadlines = SqlDeadlines(bound)
        self.grants = SqlGrants(bound)
        self.outbox = SqlOutbox(bound)
        self.audit = SqlAudit(bound)
        self.cards = SqlCards(bound)
        self.pins = SqlPins(bound)
        self.delegations = SqlDelegations(bound)
        self.agents = SqlAgents(bound)
        self.listings = SqlListings(bound)
        self.snapshots = SqlSnapshots(bound)
        self.figures = SqlFigures(bound)
