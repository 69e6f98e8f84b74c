"""Who was asked, to be counted by person; equal proposals and messages held; emergency releases and their review."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("actions", sa.Column("joined", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("actions", sa.Column("emergency", sa.Text()))
    op.add_column("actions", sa.Column("twin", KEY))
    op.create_index(
        "uq_actions_twin",
        "actions",
        ["agent_id", "twin"],
        unique=True,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.add_column("outbox", sa.Column("not_before", sa.BigInteger()))
    op.create_index("ix_votes_person", "votes", ["person", "at"])
    op.create_index("ix_votes_newest", "votes", ["at"])
    op.create_index(
        "ix_actions_asked",
        "actions",
        ["created_at"],
        sqlite_where=sa.text('"plan" IS NOT NULL'),
        postgresql_where=sa.text("plan IS NOT NULL"),
    )
    op.create_index(
        "ix_deadlines_review",
        "deadlines",
        ["due_at"],
        sqlite_where=sa.text("kind = 'review'"),
        postgresql_where=sa.text("kind = 'review'"),
    )
    op.create_table(
        "asks",
        sa.Column("action_id", KEY, nullable=False),
        sa.Column("person", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"], name="fk_asks_action_id"),
        sa.PrimaryKeyConstraint("action_id", "person", name="pk_asks"),
    )
    op.create_index("ix_asks_last", "asks", ["person", "at"])
    op.create_index(
        "ix_asks_open",
        "asks",
        ["person"],
        sqlite_where=sa.text("open IS 1"),
        postgresql_where=sa.text("open IS true"),
    )
    _fill_in()


def _fill_in() -> None:
    """Those who were asked for what is pending now; how often they were asked before is forgotten."""
    actions = sa.table("actions", *map(sa.column, ("id", "status", "asked", "created_at")))
    asks = sa.table("asks", *map(sa.column, ("action_id", "person", "at", "open")))
    waiting = sa.select(actions.c.id, actions.c.asked, actions.c.created_at).where(
        actions.c.status == "pending"
    )
    rows = [
        {"action_id": row.id, "person": person, "at": row.created_at, "open": True}
        for row in op.get_bind().execute(waiting)
        for person in dict.fromkeys(json.loads(row.asked)["d"])
    ]
    if rows:
        op.get_bind().execute(sa.insert(asks), rows)
