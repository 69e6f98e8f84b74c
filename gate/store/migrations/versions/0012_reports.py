"""When the outcome of a used release is due, which outcomes are unknown, and who took a release back in Slack.

A gate of before takes no deadline it does not know: it would fail on it for ever, and on whatever reads its action.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("actions", sa.Column("report_by", sa.BigInteger()))
    op.add_column("actions", sa.Column("revoked_by", WORDS))
    op.create_index(
        "ix_actions_unknown",
        "actions",
        ["report_by"],
        sqlite_where=sa.text("report_by IS NOT NULL AND outcome IS NOT NULL"),
        postgresql_where=sa.text("report_by IS NOT NULL AND outcome IS NOT NULL"),
    )
    op.execute("UPDATE compatibility SET since = '0012'")
