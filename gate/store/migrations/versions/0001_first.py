"""The first schema.

What it makes is written out here, not taken from `tables.py`, which moves on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.BigInteger()
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

APPEND_ONLY = {
    "sqlite": (
        "CREATE TRIGGER audit_keeps_update BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END",
        "CREATE TRIGGER audit_keeps_delete BEFORE DELETE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END",
        "CREATE TRIGGER audit_keeps_replace BEFORE INSERT ON audit "
        "WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq) "
        "BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''the audit record is append-only''; END'",
        "CREATE TRIGGER audit_keeps_rows BEFORE UPDATE OR DELETE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()",
        "CREATE TRIGGER audit_keeps_table BEFORE TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
    ),
}


def upgrade() -> None:
    op.create_table(
        "actions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("status", KEY, nullable=False),
        sa.Column("agent_id", KEY, nullable=False),
        sa.Column("agent_name", KEY, nullable=False),
        sa.Column("team", KEY, nullable=False),
        sa.Column("topic", KEY, nullable=False),
        sa.Column("tool", KEY),
        sa.Column("environment", KEY),
        sa.Column("risk", KEY, nullable=False),
        sa.Column("amount_usd", sa.Double()),
        sa.Column("affected_users", sa.BigInteger()),
        sa.Column("payload_sha256", KEY, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("sla_at", INSTANT),
        sa.Column("decided_at", INSTANT),
        sa.Column("decided_by", KEY),
        sa.Column("decision_note", KEY),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False),
        sa.Column("reassignments", sa.Integer(), nullable=False),
        sa.Column("escalation_step", sa.Integer(), nullable=False),
        sa.Column("breached", sa.Boolean(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("redeemed_jti", KEY),
        sa.Column("grants_revoked", sa.Boolean(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("proposal", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text()),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("called", sa.Text(), nullable=False),
        sa.Column("rejection", sa.Text()),
        sa.Column("outcome", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_actions"),
    )
    op.create_index("ix_actions_like_it", "actions", ["agent_id", "topic", "created_at"])
    op.create_index("ix_actions_newest", "actions", ["created_at", "id"])
    op.create_index(
        "ix_actions_open",
        "actions",
        ["agent_id", "status"],
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_actions_queue",
        "actions",
        ["sla_at", "id"],
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_actions_retries", "actions", ["agent_id", "payload_sha256", "created_at"])
    op.create_table(
        "agents",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("key_sha256", KEY, nullable=False),
        sa.Column("old_key_sha256", KEY),
        sa.Column("old_until", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
        sa.UniqueConstraint("key_sha256", name="uq_agents_key_sha256"),
        sa.UniqueConstraint("name", name="uq_agents_name"),
        sa.UniqueConstraint("old_key_sha256", name="uq_agents_old_key_sha256"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", SEQUENCE, sa.Identity(always=True), nullable=False),
        sa.Column("action_id", KEY),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("actor", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("canonical", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", KEY, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_action", "audit", ["action_id", "seq"])
    op.create_table(
        "cards",
        sa.Column("action_id", KEY, nullable=False),
        sa.Column("channel", KEY, nullable=False),
        sa.Column("ts", KEY),
        sa.Column("posting_since", INSTANT, nullable=False),
        sa.Column("rendered_sha256", KEY),
        sa.PrimaryKeyConstraint("action_id", name="pk_cards"),
    )
    op.create_table(
        "heartbeat",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_heartbeat"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", KEY, nullable=False),
        sa.Column("action_id", KEY, nullable=False),
        sa.Column("channel", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("leased_until", INSTANT),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", KEY),
        sa.Column("dead", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["channel", "due_at", "id"],
        sqlite_where=sa.text("dead IS 0"),
        postgresql_where=sa.text("dead IS false"),
    )
    op.create_index(
        "ix_outbox_line",
        "outbox",
        ["action_id", "channel", "id"],
        sqlite_where=sa.text("dead IS 0"),
        postgresql_where=sa.text("dead IS false"),
    )
    op.create_table(
        "pins",
        sa.Column("person", KEY, nullable=False),
        sa.Column("team_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("pinned_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("person", name="pk_pins"),
        sa.UniqueConstraint("team_id", "user_id", name="uq_pins_team_id"),
    )
    op.create_table(
        "snapshots",
        sa.Column("digest", KEY, nullable=False),
        sa.Column("version", KEY, nullable=False),
        sa.Column("documents", sa.Text(), nullable=False),
        sa.Column("loaded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_snapshots"),
    )
    op.create_table(
        "deadlines",
        sa.Column("action_id", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"], name="fk_deadlines_action_id"),
        sa.PrimaryKeyConstraint("action_id", name="pk_deadlines"),
    )
    op.create_index("ix_deadlines_due", "deadlines", ["due_at", "action_id"])
    op.create_table(
        "grants",
        sa.Column("jti", KEY, nullable=False),
        sa.Column("action_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("payload_sha256", KEY, nullable=False),
        sa.Column("audience", KEY, nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("redeemed_at", INSTANT),
        sa.Column("redeemed_by", KEY),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"], name="fk_grants_action_id"),
        sa.PrimaryKeyConstraint("jti", name="pk_grants"),
    )
    op.create_index("ix_grants_latest", "grants", ["action_id", "version", "issued_at", "jti"])
    op.create_index(
        "uq_grants_redeemed",
        "grants",
        ["action_id", "version"],
        unique=True,
        sqlite_where=sa.text("state = 'redeemed'"),
        postgresql_where=sa.text("state = 'redeemed'"),
    )
    op.create_table(
        "idempotency",
        sa.Column("agent_id", KEY, nullable=False),
        sa.Column("key_sha256", KEY, nullable=False),
        sa.Column("body_sha256", KEY, nullable=False),
        sa.Column("action_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["action_id"],
            ["actions.id"],
            name="fk_idempotency_action_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("agent_id", "key_sha256", name="pk_idempotency"),
    )
    op.create_table(
        "reassignments",
        sa.Column("action_id", KEY, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("by", KEY, nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("reason", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"], name="fk_reassignments_action_id"),
        sa.PrimaryKeyConstraint("action_id", "seq", name="pk_reassignments"),
    )
    op.create_table(
        "versions",
        sa.Column("action_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("payload_sha256", KEY, nullable=False),
        sa.Column("policy_digest", KEY, nullable=False),
        sa.Column("rule", KEY, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("editor", KEY),
        sa.Column("comment", KEY),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"], name="fk_versions_action_id"),
        sa.PrimaryKeyConstraint("action_id", "number", name="pk_versions"),
    )
    op.create_table(
        "votes",
        sa.Column("action_id", KEY, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("person", KEY, nullable=False),
        sa.Column("choice", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("comment", KEY),
        sa.Column("on_behalf_of", KEY),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"], name="fk_votes_action_id"),
        sa.PrimaryKeyConstraint("action_id", "seq", name="pk_votes"),
    )

    for statement in APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)
