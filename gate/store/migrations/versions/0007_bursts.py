"""Messages that stand for many requests, and what was sent to whom last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "digests",
        sa.Column("id", KEY, nullable=False),
        sa.Column("agent_id", KEY, nullable=False),
        sa.Column("channel", KEY, nullable=False),
        sa.Column("ts", KEY),
        sa.Column("posting_since", sa.BigInteger()),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("rendered_sha256", KEY),
        sa.Column("leased_until", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_digests"),
    )
    op.create_index(
        "uq_digests_open",
        "digests",
        ["agent_id", "channel"],
        unique=True,
        sqlite_where=sa.text("closed IS 0"),
        postgresql_where=sa.text("closed IS false"),
    )
    op.create_index("ix_digests_placed", "digests", ["channel", "posting_since"])
    op.add_column("cards", sa.Column("digest", KEY))
    op.create_index("ix_cards_digest", "cards", ["digest"])
    op.create_index("ix_cards_placed", "cards", ["channel", "posting_since"])
    op.create_table(
        "pings",
        sa.Column("person", KEY, nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("merged", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("person", "urgent", name="pk_pings"),
    )
    op.add_column("outbox", sa.Column("person", KEY))
    op.add_column("outbox", sa.Column("why", KEY))
    op.create_index(
        "ix_outbox_person",
        "outbox",
        ["person"],
        sqlite_where=sa.text("dead IS 0"),
        postgresql_where=sa.text("dead IS false"),
    )
