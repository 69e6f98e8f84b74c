"""The schema: every table, index and trigger as SQLAlchemy Core sees it; `migrations/` brings databases there."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
    literal_column,
)

from gate.domain.months import begins
from gate.store.columns import KEY, SEQUENCE, Instant, Words

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _of_action() -> Column[str]:
    return Column("action_id", KEY, ForeignKey("actions.id"), primary_key=True)


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
    _of_action(),
    Column("number", Integer, primary_key=True),
    Column("payload", Text, nullable=False),
    Column("payload_sha256", KEY, nullable=False),
    Column("policy_digest", KEY, nullable=False),
    Column("rule", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("editor", Words),
    Column("comment", Words),
)

votes = Table(
    "votes",
    metadata,
    _of_action(),
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
    _of_action(),
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
    _of_action(),
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
    _of_action(),
    Column("kind", KEY, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("step", Integer, nullable=False),
    Index("ix_deadlines_due", "due_at", "action_id"),
)
REVIEW = deadlines.c.kind == literal_column("'review'")
Index("ix_deadlines_review", deadlines.c.due_at, sqlite_where=REVIEW, postgresql_where=REVIEW)

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

_SQLITE_REFUSAL = "BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END"
_POSTGRESQL_REFUSAL = "'BEGIN RAISE EXCEPTION ''the audit record is append-only''; END'"


def _keeps(table: str, key: str) -> dict[str, tuple[str, ...]]:
    """What makes a table refuse changes, per dialect, in the order of creation."""
    twin = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - names of ours
    return {
        "sqlite": (
            f"CREATE TRIGGER {table}_keeps_update BEFORE UPDATE ON {table} {_SQLITE_REFUSAL}",
            f"CREATE TRIGGER {table}_keeps_delete BEFORE DELETE ON {table} {_SQLITE_REFUSAL}",
            # INSERT OR REPLACE removes the old row without a delete trigger ever seeing it.
            f"CREATE TRIGGER {table}_keeps_replace BEFORE INSERT ON {table} WHEN {twin} {_SQLITE_REFUSAL}",
        ),
        "postgresql": (
            f"CREATE TRIGGER {table}_keeps_rows BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()",
            f"CREATE TRIGGER {table}_keeps_table BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
        ),
    }


FIRST_PARTITION, REST = "audit_first", "audit_rest"
"""The partitions that no month made: of rows from before the first month, and of what no other one takes."""


def keeps_table(table: str) -> str:
    """What refuses to empty a partition by its own name (PostgreSQL); its rows are kept by the table it is part of."""
    return (
        f"CREATE TRIGGER {table}_keeps_table BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
    )


_PARTITIONS = (
    f"CREATE TABLE {FIRST_PARTITION} PARTITION OF audit FOR VALUES FROM (MINVALUE) TO ({begins(1)})",
    f"CREATE TABLE {REST} PARTITION OF audit DEFAULT",
    keeps_table(FIRST_PARTITION),
    keeps_table(REST),
)
_POSTGRESQL_FUNCTION = (
    f"CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS {_POSTGRESQL_REFUSAL}"
)
_NEW_RECORD = "INSERT INTO unnumbered (record) VALUES (NEW.seq)"

_NOT_PRUNED = "WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE below > OLD.seq)"

TRIGGERS: dict[Table, dict[str, tuple[str, ...]]] = {
    audit: {
        "sqlite": tuple(
            each.replace("DELETE ON audit", f"DELETE ON audit {_NOT_PRUNED}")
            for each in _keeps("audit", "seq")["sqlite"]
        ),
        "postgresql": (_POSTGRESQL_FUNCTION, *_keeps("audit", "seq")["postgresql"], *_PARTITIONS),
    },
    leaves: _keeps("leaves", "position"),
    checkpoints: _keeps("checkpoints", "size"),
    prunings: _keeps("prunings", "below"),
    unnumbered: {
        "sqlite": (f"CREATE TRIGGER audit_is_numbered AFTER INSERT ON audit BEGIN {_NEW_RECORD}; END",),
        "postgresql": (
            "CREATE FUNCTION audit_is_to_be_numbered() RETURNS trigger LANGUAGE plpgsql AS "
            f"'BEGIN {_NEW_RECORD}; RETURN NULL; END'",
            "CREATE TRIGGER audit_is_numbered AFTER INSERT ON audit "
            "FOR EACH ROW EXECUTE FUNCTION audit_is_to_be_numbered()",
        ),
    },
}
"""What makes the record's tables refuse changes, and has each new record numbered: after which table, per dialect."""
for _table in (leaves, checkpoints, prunings):
    _table.add_is_dependent_on(audit)

for _table, _of_dialects in TRIGGERS.items():
    for _dialect, _statements in _of_dialects.items():
        for _statement in _statements:
            event.listen(_table, "after_create", DDL(_statement).execute_if(dialect=_dialect))
