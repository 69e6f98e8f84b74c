"""The Merkle tree over the audit record, and its checkpoints; records there are already wait to be numbered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

SQLITE_REFUSAL = "BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END"
NEW_RECORD = "INSERT INTO unnumbered (record) VALUES (NEW.seq)"


def keeps(table: str, key: str) -> dict[str, tuple[str, ...]]:
    twin = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - names of ours
    return {
        "sqlite": (
            f"CREATE TRIGGER {table}_keeps_update BEFORE UPDATE ON {table} {SQLITE_REFUSAL}",
            f"CREATE TRIGGER {table}_keeps_delete BEFORE DELETE ON {table} {SQLITE_REFUSAL}",
            f"CREATE TRIGGER {table}_keeps_replace BEFORE INSERT ON {table} WHEN {twin} {SQLITE_REFUSAL}",
        ),
        "postgresql": (
            f"CREATE TRIGGER {table}_keeps_rows BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()",
            f"CREATE TRIGGER {table}_keeps_table BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
        ),
    }


NUMBERED = {
    "sqlite": (f"CREATE TRIGGER audit_is_numbered AFTER INSERT ON audit BEGIN {NEW_RECORD}; END",),
    "postgresql": (
        "CREATE FUNCTION audit_is_to_be_numbered() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN {NEW_RECORD}; RETURN NULL; END'",
        "CREATE TRIGGER audit_is_numbered AFTER INSERT ON audit "
        "FOR EACH ROW EXECUTE FUNCTION audit_is_to_be_numbered()",
    ),
}


def upgrade() -> None:
    op.create_table(
        "leaves",
        sa.Column("position", SEQUENCE, nullable=False, autoincrement=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_leaves"),
        sa.UniqueConstraint("record", name="uq_leaves_record"),
    )
    op.create_index("ix_leaves_hash", "leaves", ["hash"])
    op.create_table(
        "subtrees",
        sa.Column("level", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("position", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name="pk_subtrees"),
    )
    tree = op.create_table(
        "tree",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tree"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", SEQUENCE, nullable=False, autoincrement=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_checkpoints"),
    )
    op.create_table(
        "unnumbered",
        sa.Column("record", SEQUENCE, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("record", name="pk_unnumbered"),
    )
    dialect = op.get_bind().dialect.name
    # The trigger first: its lock keeps records out until this transaction ends, so that none falls in between.
    for statement in (
        *NUMBERED[dialect],
        *keeps("leaves", "position")[dialect],
        *keeps("checkpoints", "size")[dialect],
    ):
        op.execute(statement)
    op.execute("INSERT INTO unnumbered (record) SELECT seq FROM audit")
    op.bulk_insert(tree, [{"id": 1, "size": 0, "frontier": b""}])
