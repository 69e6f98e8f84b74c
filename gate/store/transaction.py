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
from gate.store.newest import Made
from gate.store.outbox import SqlOutbox
from gate.store.pings import SqlPings
from gate.store.pins import SqlPins
from gate.store.publications import SqlPublications
from gate.store.remembered import Remembered
from gate.store.retention import SqlRetention
from gate.store.sealing import Sealer
from gate.store.seals import SqlSeals
from gate.store.shown import SqlSights
from gate.store.snapshots import SqlSnapshots
from gate.store.tree import SqlTree
from gate.usecases.ports import Clock


class SqlTransaction:
    """Implements `ports.Transaction`. Most touch a few aggregates, so each is made when it is asked for; only `actions`
    knows what was read and written before."""

    def __init__(self, bound: Bound, clock: Clock, sealer: Sealer, remembered: Remembered) -> None:
        self._bound = bound
        self._sealer = sealer
        self._remembered = remembered
        self._made = Made()
        self.actions = SqlActions(bound, clock, sealer, remembered.seen, remembered.newest)

    def committed(self) -> None:
        """What it wrote is durable now."""
        self.actions.committed(self._made)

    def outrun(self) -> None:
        """What it took for true was not so."""
        self.actions.outrun()

    @property
    def seals(self) -> SqlSeals:
        return SqlSeals(self._bound, self.actions, self._sealer)

    @property
    def asks(self) -> SqlAsks:
        return SqlAsks(self._bound)

    @property
    def deadlines(self) -> SqlDeadlines:
        return SqlDeadlines(self._bound)

    @property
    def grants(self) -> SqlGrants:
        return SqlGrants(self._bound, self._made)

    @property
    def outbox(self) -> SqlOutbox:
        return SqlOutbox(self._bound)

    @property
    def audit(self) -> SqlAudit:
        return SqlAudit(self._bound, self._made)

    @property
    def tree(self) -> SqlTree:
        return SqlTree(self._bound)

    @property
    def publications(self) -> SqlPublications:
        return SqlPublications(self._bound)

    @property
    def months(self) -> SqlMonths:
        return SqlMonths(self._bound)

    @property
    def retention(self) -> SqlRetention:
        return SqlRetention(self._bound)

    @property
    def cards(self) -> SqlCards:
        return SqlCards(self._bound)

    @property
    def shown(self) -> SqlSights:
        return SqlSights(self._bound)

    @property
    def digests(self) -> SqlDigests:
        return SqlDigests(self._bound)

    @property
    def pings(self) -> SqlPings:
        return SqlPings(self._bound)

    @property
    def pins(self) -> SqlPins:
        return SqlPins(self._bound)

    @property
    def delegations(self) -> SqlDelegations:
        return SqlDelegations(self._bound, self._remembered.lent)

    @property
    def agents(self) -> SqlAgents:
        return SqlAgents(self._bound, self._remembered.held)

    @property
    def listings(self) -> SqlListings:
        return SqlListings(self._bound)

    @property
    def snapshots(self) -> SqlSnapshots:
        return SqlSnapshots(self._bound)

    @property
    def figures(self) -> SqlFigures:
        return SqlFigures(self._bound)
