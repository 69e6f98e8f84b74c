"""The record and the tree over it: what was written, which leaf it is, what was signed, stamped and taken out."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, Table, Text, literal_column

from gate.store.columns import KEY, SEQUENCE, Instant, Words
from gate.store.tables.schema import metadata

# On PostgreSQL a partition for each month, which is a block of numbers (`domain.months`).
audit = Table(
    "audit",
    metadata,
    Column("seq", SEQUENCE, Identity(always=True), primary_key=True),
    Column("action_id", KEY),
    Column("kind", KEY, nullable=False),
    Column("actor", Words, nullable=False),
    Column("at", Instant, nullable=False),
    Column("canonical", LargeBinary, nullable=False),
    Column("sha256", KEY, nullable=False),
    Index("ix_audit_action", "action_id", "seq"),
    sqlite_autoincrement=True,
    postgresql_partition_by="RANGE (seq)",
)

EVERYDAY = ("action.allowed", "grant.issued", "grant.redeemed", "outcome.reported")
"""Kinds of records that most actions leave: a page of them is found soon. All others are looked for by an index."""
RARE = audit.c.kind.not_in([literal_column(f"'{kind}'") for kind in EVERYDAY])
OF_PERSON = (audit.c.actor >= literal_column("'person:'")) & (audit.c.actor < literal_column("'person;'"))
Index("ix_audit_rare", audit.c.kind, audit.c.seq, sqlite_where=RARE, postgresql_where=RARE)
Index("ix_audit_person", audit.c.actor, audit.c.seq, sqlite_where=OF_PERSON, postgresql_where=OF_PERSON)

# The Merkle tree over the record. `leaves` says which record is which leaf; of the inner nodes only those at some
# levels are kept (see `tree.py`); `tree` is the one row from which it grows.
leaves = Table(
    "leaves",
    metadata,
    Column("position", SEQUENCE, primary_key=True, autoincrement=False),
    Column("record", BigInteger, nullable=False, unique=True),
    Column("hash", LargeBinary, nullable=False),
    Index("ix_leaves_hash", "hash"),
)

subtrees = Table(
    "subtrees",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

tree = Table(
    "tree",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", SEQUENCE, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

# Records that are no leaves yet. A trigger puts each here in its own transaction, so that however late that commits,
# the record is found; a look at the highest number would pass it over.
unnumbered = Table(
    "unnumbered",
    metadata,
    Column("record", SEQUENCE, primary_key=True, autoincrement=False),
)
unnumbered.add_is_dependent_on(audit)

publications = Table(
    "publications",
    metadata,
    Column("place", KEY, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("not_before", Instant),  # until then a replica is about it, or it failed a moment ago
)

stamps = Table(
    "stamps",
    metadata,
    Column("size", SEQUENCE, primary_key=True, autoincrement=False),
    Column("answer", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
)

# Which rows of the record may be taken out, each stretch exported and named on the record before. `below` is the row
# number under which they all are; the oldest stretch goes first.
prunings = Table(
    "prunings",
    metadata,
    Column("below", SEQUENCE, primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),  # leaves
    Column("last", BigInteger, nullable=False),
    Column("oldest", Instant, nullable=False),
    Column("newest", Instant, nullable=False),
    Column("bundle", Words, nullable=False),
    Column("bundle_sha256", KEY, nullable=False),
    Column("leaf", KEY, nullable=False),  # the hash of the record that names it
    Column("by", Words, nullable=False),
    Column("at", Instant, nullable=False),
)
