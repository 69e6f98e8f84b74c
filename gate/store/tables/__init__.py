"""The schema: every table, index and trigger as SQLAlchemy Core sees it; `migrations/` brings databases there."""

from __future__ import annotations

from gate.store.tables.actions import (
    ASKED,
    PENDING,
    UNKNOWN,
    UNUSUAL,
    actions,
    idempotency,
    subjects,
    versions,
)
from gate.store.tables.append_only import FIRST_PARTITION, REST, TRIGGERS, keeps_table
from gate.store.tables.outbox import outbox
from gate.store.tables.people import delegations, listings, pins
from gate.store.tables.record import (
    EVERYDAY,
    OF_PERSON,
    RARE,
    audit,
    checkpoints,
    leaves,
    prunings,
    publications,
    stamps,
    subtrees,
    tree,
    unnumbered,
)
from gate.store.tables.registers import agents, compatibility, heartbeat, snapshots
from gate.store.tables.releases import grants
from gate.store.tables.review import OPEN, REVIEW, asks, deadlines, reassignments, votes
from gate.store.tables.schema import metadata
from gate.store.tables.slack import cards, digests, pings, shown

__all__ = [
    "ASKED",
    "EVERYDAY",
    "FIRST_PARTITION",
    "OF_PERSON",
    "OPEN",
    "PENDING",
    "RARE",
    "REST",
    "REVIEW",
    "TRIGGERS",
    "UNKNOWN",
    "UNUSUAL",
    "actions",
    "agents",
    "asks",
    "audit",
    "cards",
    "checkpoints",
    "compatibility",
    "deadlines",
    "delegations",
    "digests",
    "grants",
    "heartbeat",
    "idempotency",
    "keeps_table",
    "leaves",
    "listings",
    "metadata",
    "outbox",
    "pings",
    "pins",
    "prunings",
    "publications",
    "reassignments",
    "shown",
    "snapshots",
    "stamps",
    "subjects",
    "subtrees",
    "tree",
    "unnumbered",
    "versions",
    "votes",
]
