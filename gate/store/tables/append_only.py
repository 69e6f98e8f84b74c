"""What makes the tables of the record refuse changes, and has each new record numbered."""

from __future__ import annotations

from sqlalchemy import DDL, Table, event

from gate.domain.months import begins
from gate.store.tables.record import audit, checkpoints, leaves, prunings, unnumbered

_SQLITE_REFUSAL = "BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END"
_POSTGRESQL_REFUSAL = "'BEGIN RAISE EXCEPTION ''the audit record is append-only''; END'"


def _keeps(table: str, key: str) -> dict[str, tuple[str, ...]]:
    """What makes a table refuse changes, per dialect, in the order of creation."""
    twin = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - names of ours
    return {
        "sqlite": (
            f"CREATE TRIGGER {table}_keeps_update BEFORE UPDATE ON {table} {_SQLITE_REFUSAL}",
            f"CREATE TRIGGER {table}_keeps_delete BEFORE DELETE ON {table} {_SQLITE_REFUSAL}",
            # INSERT OR REPLACE removes the old row without a delete trigger ever seeing it.
            f"CREATE TRIGGER {table}_keeps_replace BEFORE INSERT ON {table} WHEN {twin} {_SQLITE_REFUSAL}",
        ),
        "postgresql": (
            f"CREATE TRIGGER {table}_keeps_rows BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()",
            f"CREATE TRIGGER {table}_keeps_table BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
        ),
    }


FIRST_PARTITION, REST = "audit_first", "audit_rest"
"""The partitions that no month made: of rows from before the first month, and of what no other one takes."""


def keeps_table(table: str) -> str:
    """What refuses to empty a partition by its own name (PostgreSQL); its rows are kept by the table it is part of."""
    return (
        f"CREATE TRIGGER {table}_keeps_table BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
    )


_PARTITIONS = (
    f"CREATE TABLE {FIRST_PARTITION} PARTITION OF audit FOR VALUES FROM (MINVALUE) TO ({begins(1)})",
    f"CREATE TABLE {REST} PARTITION OF audit DEFAULT",
    keeps_table(FIRST_PARTITION),
    keeps_table(REST),
)
_POSTGRESQL_FUNCTION = (
    f"CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS {_POSTGRESQL_REFUSAL}"
)
_NEW_RECORD = "INSERT INTO unnumbered (record) VALUES (NEW.seq)"

_NOT_PRUNED = "WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE below > OLD.seq)"

TRIGGERS: dict[Table, dict[str, tuple[str, ...]]] = {
    audit: {
        "sqlite": tuple(
            each.replace("DELETE ON audit", f"DELETE ON audit {_NOT_PRUNED}")
            for each in _keeps("audit", "seq")["sqlite"]
        ),
        "postgresql": (_POSTGRESQL_FUNCTION, *_keeps("audit", "seq")["postgresql"], *_PARTITIONS),
    },
    leaves: _keeps("leaves", "position"),
    checkpoints: _keeps("checkpoints", "size"),
    prunings: _keeps("prunings", "below"),
    unnumbered: {
        "sqlite": (f"CREATE TRIGGER audit_is_numbered AFTER INSERT ON audit BEGIN {_NEW_RECORD}; END",),
        "postgresql": (
            "CREATE FUNCTION audit_is_to_be_numbered() RETURNS trigger LANGUAGE plpgsql AS "
            f"'BEGIN {_NEW_RECORD}; RETURN NULL; END'",
            "CREATE TRIGGER audit_is_numbered AFTER INSERT ON audit "
            "FOR EACH ROW EXECUTE FUNCTION audit_is_to_be_numbered()",
        ),
    },
}
"""What makes the record's tables refuse changes, and has each new record numbered: after which table, per dialect."""
for _table in (leaves, checkpoints, prunings):
    _table.add_is_dependent_on(audit)

for _table, _of_dialects in TRIGGERS.items():
    for _dialect, _statements in _of_dialects.items():
        for _statement in _statements:
            event.listen(_table, "after_create", DDL(_statement).execute_if(dialect=_dialect))
