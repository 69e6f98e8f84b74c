"""Which versions may still run on this schema, so that old and new ones run side by side during an upgrade."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    made = op.create_table(
        "compatibility",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", KEY, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_compatibility"),
    )
    op.bulk_insert(made, [{"id": 1, "since": revision}])
