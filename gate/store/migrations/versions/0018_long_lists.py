"""Finds the few among the many: actions of one agent or topic, what was not simply allowed, rare records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

UNUSUAL = "status != 'allowed'"
RARE = "(kind NOT IN ('action.allowed', 'grant.issued', 'grant.redeemed', 'outcome.reported'))"
OF_PERSON = "actor >= 'person:' AND actor < 'person;'"


def upgrade() -> None:
    op.create_index("ix_actions_of_agent", "actions", ["agent_id", "created_at", "id"])
    op.create_index("ix_actions_of_topic", "actions", ["topic", "created_at", "id"])
    for name, table, columns, where in (
        ("ix_actions_unusual", "actions", ["status", "created_at", "id"], UNUSUAL),
        ("ix_audit_rare", "audit", ["kind", "seq"], RARE),
        ("ix_audit_person", "audit", ["actor", "seq"], OF_PERSON),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
