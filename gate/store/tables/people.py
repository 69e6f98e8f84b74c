"""Who people are to Slack, what other systems say about them, and who may decide for whom."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, UniqueConstraint

from gate.store.columns import KEY, Instant, Words
from gate.store.tables.schema import metadata

pins = Table(
    "pins",
    metadata,
    Column("person", Words, primary_key=True),
    Column("team_id", Words, nullable=False),
    Column("user_id", Words, nullable=False),
    Column("pinned_at", Instant, nullable=False),
    UniqueConstraint("team_id", "user_id"),
)

# What other systems said last about who is in a group or on duty; one row for each of their lists.
listings = Table(
    "listings",
    metadata,
    Column("source", KEY, primary_key=True),
    Column("read_at", Instant, nullable=False),
    Column("listed", Text, nullable=False),
)

# Who may decide for whom; in force while it is neither revoked nor before its start nor at its end.
delegations = Table(
    "delegations",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("grantor", Words, nullable=False),
    Column("delegate", Words, nullable=False),
    Column("topics", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("start", Instant, nullable=False),
    Column("end", Instant, nullable=False),
    Column("reason", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("revoked_by", Words),
)
_UNREVOKED = delegations.c.revoked_at.is_(None)
Index(
    "ix_delegations_open",
    delegations.c.end,
    sqlite_where=_UNREVOKED,
    postgresql_where=_UNREVOKED,
)
