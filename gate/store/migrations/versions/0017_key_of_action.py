"""Finds the keys of an action, so that old actions can be taken out one by one."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_idempotency_action", "idempotency", ["action_id"])
