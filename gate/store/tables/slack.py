"""What Slack shows: where the cards and digests stand, what they show now, and when people were pinged."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text

from gate.store.columns import KEY, Instant, Words
from gate.store.tables.schema import metadata

cards = Table(
    "cards",
    metadata,
    Column("action_id", KEY, primary_key=True),
    Column("channel", Words, nullable=False),
    Column("ts", Words),
    Column("posting_since", Instant, nullable=False),
    Column("rendered_sha256", KEY),
    Column("digest", KEY),  # the message it shares with others; none where it has a card of its own
    Index("ix_cards_digest", "digest"),
    Index("ix_cards_placed", "channel", "posting_since"),
)

# One message in a channel for many requests of one agent; while it is not closed, further ones may join it.
digests = Table(
    "digests",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("agent_id", KEY, nullable=False),
    Column("channel", Words, nullable=False),
    Column("ts", Words),
    Column("posting_since", Instant),
    Column("opened_at", Instant, nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("members", Integer, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("told", Text, nullable=False),
    Column("rendered_sha256", KEY),
    Column("leased_until", Instant),
    Index("ix_digests_placed", "channel", "posting_since"),
)
_UNCLOSED = digests.c.closed.is_(False)
Index(
    "uq_digests_open",
    digests.c.agent_id,
    digests.c.channel,
    unique=True,
    sqlite_where=_UNCLOSED,
    postgresql_where=_UNCLOSED,
)

# What Slack shows of each action now, or showed one person last, as a digest; the empty person stands for everybody.
shown = Table(
    "shown",
    metadata,
    Column("action_id", KEY, primary_key=True),
    Column("surface", KEY, primary_key=True),
    Column("person", Words, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("sha256", KEY, nullable=False),
    Column("at", Instant, nullable=False),
)

# When a person was sent a direct message last, by kind: what can share waits for its minute.
pings = Table(
    "pings",
    metadata,
    Column("person", Words, primary_key=True),
    Column("urgent", Boolean, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("merged", Boolean, nullable=False),
)
