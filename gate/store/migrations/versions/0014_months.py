"""The record in partitions on PostgreSQL, one for each month to come; what is there becomes the first of them as it is,
without a row being moved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEY = sa.Text(collation="C")
FIRST_MONTH = 1 << 40
REFUSAL = "EXECUTE FUNCTION audit_is_append_only()"


def keeps_table(table: str) -> str:
    return f"CREATE TRIGGER {table}_keeps_table BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {REFUSAL}"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE")
    last, given = op.get_bind().exec_driver_sql("SELECT last_value, is_called FROM audit_seq_seq").one()
    for trigger in ("audit_keeps_rows", "audit_keeps_table", "audit_is_numbered"):
        op.execute(f"DROP TRIGGER {trigger} ON audit")
    for change in (
        "ALTER TABLE audit ALTER COLUMN seq DROP IDENTITY",
        "ALTER TABLE audit RENAME TO audit_first",
        "ALTER TABLE audit_first RENAME CONSTRAINT pk_audit TO audit_first_pkey",
        "ALTER INDEX ix_audit_action RENAME TO audit_first_action_id_seq_idx",
    ):
        op.execute(change)
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("action_id", KEY),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("actor", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("canonical", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", KEY, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        postgresql_partition_by="RANGE (seq)",
    )
    op.create_index("ix_audit_action", "audit", ["action_id", "seq"])
    op.execute(
        f"ALTER TABLE audit ATTACH PARTITION audit_first FOR VALUES FROM (MINVALUE) TO ({FIRST_MONTH})"
    )
    op.execute("CREATE TABLE audit_rest PARTITION OF audit DEFAULT")
    for statement in (
        f"CREATE TRIGGER audit_keeps_rows BEFORE UPDATE OR DELETE ON audit FOR EACH ROW {REFUSAL}",
        keeps_table("audit"),
        keeps_table("audit_first"),
        keeps_table("audit_rest"),
        "CREATE TRIGGER audit_is_numbered AFTER INSERT ON audit "
        "FOR EACH ROW EXECUTE FUNCTION audit_is_to_be_numbered()",
    ):
        op.execute(statement)
    op.execute(f"SELECT setval('audit_seq_seq', {last}, {str(given).lower()})")
