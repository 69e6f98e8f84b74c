"""The digest of what Slack shows of each action, so that a vote's record can name what the voter saw."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "shown",
        sa.Column("action_id", KEY, nullable=False),
        sa.Column("surface", KEY, nullable=False),
        sa.Column("person", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("action_id", "surface", "person", name="pk_shown"),
    )
