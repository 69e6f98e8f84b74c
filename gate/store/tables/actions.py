"""What agents ask for: the action, its versions, whose data it holds, and the keys under which it was asked."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    literal_column,
)

from gate.store.columns import KEY, Instant, Words
from gate.store.tables.schema import metadata, of_action

# What is asked for stands in columns of its own; the whole truth is in the JSON documents. The payload as proposed is
# kept once, as version 1. What may be somebody's data is sealed (`rows.SEALED`).
actions = Table(
    "actions",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("status", KEY, nullable=False),
    Column("agent_id", KEY, nullable=False),
    Column("agent_name", Words, nullable=False),
    Column("team", Words, nullable=False),
    Column("topic", Words, nullable=False),
    Column("tool", Words),
    Column("environment", Words),
    Column("risk", KEY, nullable=False),
    Column("amount_usd", Double),
    Column("affected_users", BigInteger),
    Column("payload_sha256", KEY, nullable=False),  # of version 1
    Column("created_at", Instant, nullable=False),
    Column("sla_at", Instant),
    Column("decided_at", Instant),
    Column("decided_by", Words),
    Column("decision_note", Words),
    Column("version", Integer, nullable=False),  # the current one; there are as many versions
    Column("votes", Integer, nullable=False),
    Column("reassignments", Integer, nullable=False),
    Column("escalation_step", Integer, nullable=False),
    Column("breached", Boolean, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("redeemed_jti", KEY),
    Column("grants_revoked", Boolean, nullable=False),
    Column("agent", Text, nullable=False),
    Column("proposal", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("plan", Text),
    Column("asked", Text, nullable=False),
    Column("called", Text, nullable=False),
    Column("rejection", Text),
    Column("outcome", Text),
    Column("joined", Integer, nullable=False, server_default="0"),
    Column("emergency", Text),
    Column("twin", KEY),  # what equal proposals have in common; none where they are not to join
    Column("report_by", Instant),
    Column("revoked_by", Words),
    Column("data_key", Text),  # the key its sealed columns open with, wrapped; none where they are plain
    Column("judged", Text),
    Column("shredded_at", Instant),
    Column("shredded_by", Words),
)
PENDING = actions.c.status == literal_column("'pending'")
"""For queries, too: a planner takes a partial index only where it reads the very constant, not a parameter."""

ASKED = actions.c.plan.is_not(None)
"""Whoever was let through or refused by policy alone asked nobody."""

UNKNOWN = actions.c.report_by.is_not(None) & actions.c.outcome.is_not(None)
"""Used releases of which it is not known what came."""

UNUSUAL = actions.c.status != literal_column("'allowed'")
"""What policy did not simply let through: few among many, so that looking for them goes by an index of their own, which
costs the others nothing."""

Index("ix_actions_unknown", actions.c.report_by, sqlite_where=UNKNOWN, postgresql_where=UNKNOWN)
Index("ix_actions_newest", actions.c.created_at, actions.c.id)
Index("ix_actions_of_agent", actions.c.agent_id, actions.c.created_at, actions.c.id)
Index("ix_actions_of_topic", actions.c.topic, actions.c.created_at, actions.c.id)
Index(
    "ix_actions_unusual",
    actions.c.status,
    actions.c.created_at,
    actions.c.id,
    sqlite_where=UNUSUAL,
    postgresql_where=UNUSUAL,
)
Index("ix_actions_asked", actions.c.created_at, sqlite_where=ASKED, postgresql_where=ASKED)
Index("ix_actions_like_it", actions.c.agent_id, actions.c.topic, actions.c.created_at)
Index("ix_actions_retries", actions.c.agent_id, actions.c.payload_sha256, actions.c.created_at)
Index("ix_actions_queue", actions.c.sla_at, actions.c.id, sqlite_where=PENDING, postgresql_where=PENDING)
Index(
    "uq_actions_twin",
    actions.c.agent_id,
    actions.c.twin,
    unique=True,
    sqlite_where=PENDING,
    postgresql_where=PENDING,
)
Index("ix_actions_open", actions.c.agent_id, actions.c.status, sqlite_where=PENDING, postgresql_where=PENDING)

versions = Table(
    "versions",
    metadata,
    of_action(),
    Column("number", Integer, primary_key=True),
    Column("payload", Text, nullable=False),
    Column("payload_sha256", KEY, nullable=False),
    Column("policy_digest", KEY, nullable=False),
    Column("rule", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("editor", Words),
    Column("comment", Words),
)

# Whose data an action holds, as a mark that says nothing without the sealing key; gone with the content.
subjects = Table(
    "subjects",
    metadata,
    Column("mark", KEY, primary_key=True),
    Column("action_id", KEY, ForeignKey("actions.id"), primary_key=True),
    Index("ix_subjects_action", "action_id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("agent_id", KEY, primary_key=True),
    Column("key_sha256", KEY, primary_key=True),
    Column("body_sha256", KEY, nullable=False),
    # Deferred, because the key is claimed before the action is stored.
    Column("action_id", KEY, ForeignKey("actions.id", deferrable=True, initially="DEFERRED"), nullable=False),
    Index("ix_idempotency_action", "action_id"),  # or no old action could go without a look at every key
)
