"""Whose data an action holds, as marks, and when its content was shredded, by whom."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("actions", sa.Column("shredded_at", sa.BigInteger()))
    op.add_column("actions", sa.Column("shredded_by", WORDS))
    op.create_table(
        "subjects",
        sa.Column("mark", WORDS, nullable=False),
        sa.Column("action_id", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("mark", "action_id", name="pk_subjects"),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"], name="fk_subjects_action_id"),
    )
    op.create_index("ix_subjects_action", "subjects", ["action_id"])
