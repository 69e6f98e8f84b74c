"""Which stretches of the record were exported and may be taken out; SQLite's trigger that keeps rows looks there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REFUSAL = "BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END"
NOT_PRUNED = "WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE below > OLD.seq)"
TWIN = "EXISTS (SELECT 1 FROM prunings WHERE below = NEW.below)"

TRIGGERS = {
    "sqlite": (
        f"CREATE TRIGGER prunings_keeps_update BEFORE UPDATE ON prunings {REFUSAL}",
        f"CREATE TRIGGER prunings_keeps_delete BEFORE DELETE ON prunings {REFUSAL}",
        f"CREATE TRIGGER prunings_keeps_replace BEFORE INSERT ON prunings WHEN {TWIN} {REFUSAL}",
        "DROP TRIGGER audit_keeps_delete",
        f"CREATE TRIGGER audit_keeps_delete BEFORE DELETE ON audit {NOT_PRUNED} {REFUSAL}",
    ),
    "postgresql": (
        "CREATE TRIGGER prunings_keeps_rows BEFORE UPDATE OR DELETE ON prunings "
        "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()",
        "CREATE TRIGGER prunings_keeps_table BEFORE TRUNCATE ON prunings "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
    ),
}


def upgrade() -> None:
    op.create_table(
        "prunings",
        sa.Column("below", SEQUENCE, nullable=False, autoincrement=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("oldest", sa.BigInteger(), nullable=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
        sa.Column("bundle", KEY, nullable=False),
        sa.Column("bundle_sha256", KEY, nullable=False),
        sa.Column("leaf", KEY, nullable=False),
        sa.Column("by", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("below", name="pk_prunings"),
    )
    for statement in TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)
