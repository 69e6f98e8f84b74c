"""What is to be said outside, each message till it is said."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text

from gate.store.columns import KEY, Instant, Words
from gate.store.tables.schema import metadata

outbox = Table(
    "outbox",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("action_id", KEY, nullable=False),
    Column("channel", KEY, nullable=False),
    Column("kind", KEY, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("leased_until", Instant),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Words),
    Column("dead", Boolean, nullable=False),
    Column("not_before", Instant),  # held until then, and till then no part of its line
    Column("person", Words),  # whom a direct message is for, and why: to be counted by person
    Column("why", KEY),
)
_ALIVE = outbox.c.dead.is_(False)
Index(
    "ix_outbox_due",
    outbox.c.channel,
    outbox.c.due_at,
    outbox.c.id,
    sqlite_where=_ALIVE,
    postgresql_where=_ALIVE,
)
Index(
    "ix_outbox_line",
    outbox.c.action_id,
    outbox.c.channel,
    outbox.c.id,
    sqlite_where=_ALIVE,
    postgresql_where=_ALIVE,
)
Index("ix_outbox_person", outbox.c.person, sqlite_where=_ALIVE, postgresql_where=_ALIVE)
