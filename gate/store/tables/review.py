"""What people say to an action and what it waits for: votes, whom it asks, whom it was handed on to, what is due."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, literal_column

from gate.store.columns import KEY, Instant, Words
from gate.store.tables.schema import metadata, of_action

votes = Table(
    "votes",
    metadata,
    of_action(),
    Column("seq", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("person", Words, nullable=False),
    Column("choice", KEY, nullable=False),
    Column("at", Instant, nullable=False),
    Column("comment", Words),
    Column("on_behalf_of", Words),
    Index("ix_votes_person", "person", "at"),
    Index("ix_votes_newest", "at"),
)

# Who was asked for what, beside `actions.asked`, to be counted by person; open while the request waits for them.
asks = Table(
    "asks",
    metadata,
    of_action(),
    Column("person", Words, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("open", Boolean, nullable=False),
    Index("ix_asks_last", "person", "at"),
)
OPEN = asks.c.open.is_(True)
Index("ix_asks_open", asks.c.person, sqlite_where=OPEN, postgresql_where=OPEN)

reassignments = Table(
    "reassignments",
    metadata,
    of_action(),
    Column("seq", Integer, primary_key=True),
    Column("by", Words, nullable=False),
    Column("to", Text, nullable=False),
    Column("reason", Words, nullable=False),
    Column("at", Instant, nullable=False),
)

# The action is the key, so a second armed deadline of one action cannot be stored.
deadlines = Table(
    "deadlines",
    metadata,
    of_action(),
    Column("kind", KEY, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("step", Integer, nullable=False),
    Index("ix_deadlines_due", "due_at", "action_id"),
)
REVIEW = deadlines.c.kind == literal_column("'review'")
Index("ix_deadlines_review", deadlines.c.due_at, sqlite_where=REVIEW, postgresql_where=REVIEW)
