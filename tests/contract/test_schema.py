"""The schema: migrated equals declared on both engines, and a start refuses what it does not fit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from gate.store import DatabaseRefused, SchemaMismatch, migrate, open_store, tables
from gate.store.address import parse_address
from gate.store.sqlite import prepare_file
from gate.usecases.ports import StoreUnavailable
from tests.contract.records import SetClock, action


def described(engine: Engine) -> dict[str, Any]:
    """Everything a schema consists of, in words that compare."""
    found: dict[str, Any] = {}
    with engine.connect() as connection:
        schema = inspect(connection)
        for table in sorted(set(schema.get_table_names()) - {"alembic_version"}):
            found[table] = {
                "columns": [{k: repr(v) for k, v in column.items()} for column in schema.get_columns(table)],
                "primary key": schema.get_pk_constraint(table),
                "foreign keys": sorted(map(repr, schema.get_foreign_keys(table))),
                "unique": sorted(map(repr, schema.get_unique_constraints(table))),
                "checks": sorted(map(repr, schema.get_check_constraints(table))),
                "indexes": sorted(map(_index, schema.get_indexes(table))),
            }
        if engine.dialect.name == "sqlite":
            query = "SELECT type, name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
        else:
            query = (
                "SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal "
                "UNION SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc "
                "WHERE pronamespace = 'public'::regnamespace ORDER BY 1, 2"
            )
        found["triggers"] = [tuple(row) for row in connection.execute(text(query))]
    return found


def _index(index: Any) -> str:
    where = {key: str(value) for key, value in index.get("dialect_options", {}).items()}
    return repr((index["name"], index["column_names"], bool(index["unique"]), sorted(where.items())))


def test_a_migrated_schema_equals_the_declared_one(empty_url: str) -> None:
    """Fresh equals migrated, down to triggers and partial indexes."""
    migrate.upgrade(empty_url)
    engine = migrate.engine_of(parse_address(empty_url))
    try:
        migrated = described(engine)
        with engine.begin() as connection:
            differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
            assert differences == []
            if engine.dialect.name == "postgresql":
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
            else:
                for trigger in connection.exec_driver_sql(
                    "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                ).scalars():
                    connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
                tables.metadata.drop_all(connection)
            tables.metadata.create_all(connection)
        declared = described(engine)
    finally:
        engine.dispose()
    assert migrated == declared
    assert len(migrated["triggers"]) == (10 if engine.dialect.name == "sqlite" else 9)
    assert set(migrated) == {*tables.metadata.tables, "triggers"}


def test_an_upgrade_reaches_the_head_and_can_be_repeated(empty_url: str) -> None:
    assert migrate.current(empty_url) is None
    assert migrate.upgrade(empty_url) == migrate.head()
    assert migrate.current(empty_url) == migrate.head()
    assert migrate.upgrade(empty_url) == migrate.head()


def test_asking_for_the_revision_creates_nothing(tmp_path: Any) -> None:
    path = tmp_path / "none" / "gate.db"
    assert migrate.current(f"sqlite:///{path}") is None
    assert not path.parent.exists()


async def test_a_fresh_database_is_migrated_at_the_start(empty_url: str) -> None:
    async with open_store(empty_url, clock=SetClock()) as store, store.writing() as tx:
        assert await tx.actions.add(action(), idempotency_key=None, body_sha256="b")
    assert migrate.current(empty_url) == migrate.head()


async def test_replicas_that_start_together_migrate_once(postgres_url: str) -> None:
    stores = [open_store(postgres_url, clock=SetClock()) for _ in range(4)]
    await asyncio.gather(*(store.start() for store in stores))
    for store in stores:
        await store.check()
        await store.close()


def _set_revision(url: str, revision: str) -> None:
    engine = migrate.engine_of(parse_address(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": revision})
    engine.dispose()


async def test_a_newer_schema_is_refused_with_what_to_do(database_url: str) -> None:
    _set_revision(database_url, "9999")
    with pytest.raises(SchemaMismatch, match=r"9999.*newer.*newer Signoff.*`gate migrate` never goes back"):
        await open_store(database_url, clock=SetClock()).start()
    with pytest.raises(SchemaMismatch, match="9999"):
        migrate.upgrade(database_url)
    assert migrate.current(database_url) == "9999"


async def test_an_older_schema_is_refused_with_what_to_do(
    database_url: str,
) -> None:
    """A database that stands where the first version left it."""
    _set_revision(database_url, "0001")
    needs = f"at schema 0001 and this version needs {migrate.head()}: run `gate migrate`"
    with pytest.raises(SchemaMismatch, match=needs):
        await open_store(database_url, clock=SetClock()).start()


async def test_a_refused_start_gives_the_file_free(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'gate.db'}"
    migrate.upgrade(url)
    _set_revision(url, "9999")
    with pytest.raises(SchemaMismatch):
        await open_store(url, clock=SetClock()).start()
    _set_revision(url, migrate.head())
    async with open_store(url, clock=SetClock()) as store:
        await store.check()


async def test_a_database_of_somebody_else_is_left_alone(empty_url: str) -> None:
    address = parse_address(empty_url)
    if address.path is not None:
        address.path.parent.mkdir()
        address.path.touch(mode=0o600)
    engine = migrate.engine_of(address)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE invoices (id INTEGER PRIMARY KEY)"))
    with pytest.raises(DatabaseRefused, match="invoices"):
        await open_store(empty_url, clock=SetClock()).start()
    with pytest.raises(DatabaseRefused, match="invoices"):
        migrate.upgrade(empty_url)
    assert inspect(engine).get_table_names() == ["invoices"]
    engine.dispose()


def test_a_migration_that_breaks_off_leaves_nothing_half_done(empty_url: str) -> None:
    """DDL is part of the transaction on both engines."""
    address = parse_address(empty_url)
    if address.path is not None:
        prepare_file(address.path)
    engine = migrate.engine_of(address)
    with engine.connect() as connection:
        migrate.run(connection)
        assert "actions" in inspect(connection).get_table_names()
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    assert migrate.upgrade(empty_url) == migrate.head()


async def test_a_start_without_a_server_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await open_store("postgresql://gate@127.0.0.1:1/gate", clock=SetClock()).start()
