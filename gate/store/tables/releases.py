"""Grants: the signed releases, each to be used once."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, literal_column

from gate.store.columns import KEY, Instant, Words
from gate.store.tables.schema import metadata

grants = Table(
    "grants",
    metadata,
    Column("jti", KEY, primary_key=True),
    Column("action_id", KEY, ForeignKey("actions.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("payload_sha256", KEY, nullable=False),
    Column("audience", Words, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("token", Text, nullable=False),
    Column("state", KEY, nullable=False),
    Column("redeemed_at", Instant),
    Column("redeemed_by", Words),
)
Index("ix_grants_latest", grants.c.action_id, grants.c.version, grants.c.issued_at, grants.c.jti)
REDEEMED = grants.c.state == literal_column("'redeemed'")
Index(
    "uq_grants_redeemed",
    grants.c.action_id,
    grants.c.version,
    unique=True,
    sqlite_where=REDEEMED,
    postgresql_where=REDEEMED,
)
