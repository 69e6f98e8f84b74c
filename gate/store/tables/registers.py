"""What the gate serves by: its agents, the policies it had in force, its heartbeat, and whose schema this is."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from gate.store.columns import KEY, Instant, Words
from gate.store.tables.schema import metadata

agents = Table(
    "agents",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("key_sha256", KEY, nullable=False, unique=True),
    Column("old_key_sha256", KEY, unique=True),
    Column("old_until", Instant),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("agent", Text, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("digest", KEY, primary_key=True),
    Column("version", Words, nullable=False),
    Column("documents", Text, nullable=False),
    Column("loaded_at", Instant, nullable=False),
)

# One row, written by `Store.check` to find out whether a decision could be made durable.
heartbeat = Table(
    "heartbeat",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
)

# One row: the oldest schema whose code may still run on this one. A migration that such code could not live with sets
# it to its own number; one that only adds leaves it.
compatibility = Table(
    "compatibility",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("since", KEY, nullable=False),
)
