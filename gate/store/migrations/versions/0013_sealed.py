"""The key of each action's seal, wrapped, and what of its verdict is sealed; actions there are stay plain until
`gate keys seal`. Older versions cannot read what is sealed, so they may not run beside this one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("actions", sa.Column("data_key", sa.Text()))
    op.add_column("actions", sa.Column("judged", sa.Text()))
    op.execute("UPDATE compatibility SET since = '0013'")
