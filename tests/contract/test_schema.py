"""The schema: migrated equals declared on both engines, and a start refuses what it does not fit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from gate.store import DatabaseRefused, SchemaMismatch, migrate, open_store, standing, tables
from gate.store.address import Address, parse_address
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
            parts = (
                "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
                "JOIN pg_class c ON c.oid = i.inhrelid ORDER BY 1"
            )
            found["partitions"] = [tuple(row) for row in connection.execute(text(parts))]
        found["triggers"] = [tuple(row) for row in connection.execute(text(query))]
    return found


def _index(index: Any) -> str:
    where = {key: str(value) for key, value in index.get("dialect_options", {}).items()}
    return repr((index["name"], index["column_names"], bool(index["unique"]), sorted(where.items())))


def test_a_migrated_schema_equals_the_declared_one(empty_url: str) -> None:
    """Fresh equals migrated, down to triggers and partial indexes."""
    migrate.upgrade(empty_url)
    engine = standing.engine_of(parse_address(empty_url))
    try:
        migrated = described(engine)
        with engine.begin() as connection:
            names = {"include_name": lambda name, kind, _: kind != "table" or name in tables.metadata.tables}
            context = MigrationContext.configure(connection, opts=names)
            assert compare_metadata(context, tables.metadata) == []
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
    if engine.dialect.name == "sqlite":
        assert len(migrated["triggers"]) == 13
        assert set(migrated) == {*tables.metadata.tables, "triggers"}
    else:  # a row's triggers stand at each partition again
        assert len(migrated["triggers"]) == 11 + 2 * 3
        assert set(migrated) == {
            *tables.metadata.tables,
            tables.FIRST_PARTITION,
            tables.REST,
            "triggers",
            "partitions",
        }


def test_an_upgrade_reaches_the_head_and_can_be_repeated(empty_url: str) -> None:
    assert migrate.current(empty_url) is None
    assert not standing.at_newest(_made(empty_url))
    assert migrate.upgrade(empty_url) == migrate.head() == standing.newest()
    assert migrate.current(empty_url) == migrate.head()
    assert standing.at_newest(parse_address(empty_url))
    assert migrate.upgrade(empty_url) == migrate.head()


def _made(url: str) -> Address:
    """The address of a database whose file, where it has one, is there."""
    address = parse_address(url)
    if address.path is not None:
        prepare_file(address.path)
    return address


@pytest.mark.parametrize("stands", ["0016", "9999", None])
def test_what_is_not_exactly_the_newest_is_left_to_the_migrations(
    database_url: str, stands: str | None
) -> None:
    """INV-54: also a second revision in the table, as a migration that was broken off by hand leaves."""
    engine = standing.engine_of(parse_address(database_url))
    with engine.begin() as connection:
        if stands is None:
            connection.execute(text("DELETE FROM alembic_version"))
        else:
            connection.execute(text("INSERT INTO alembic_version VALUES (:v)"), {"v": stands})
    engine.dispose()
    assert not standing.at_newest(parse_address(database_url))


def test_asking_for_the_revision_creates_nothing(tmp_path: Any) -> None:
    path = tmp_path / "none" / "gate.db"
    assert migrate.current(f"sqlite:///{path}") is None
    assert not path.parent.exists()


def narrowed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What of a schema the code that was written for it could miss, or stumble over, in the next one."""
    found = [f"{table} is gone" for table in before.keys() - after.keys()]
    for table in (before.keys() & after.keys()) - {"triggers", "partitions"}:
        old = {c["name"].strip("'"): c for c in before[table]["columns"]}
        new = {c["name"].strip("'"): c for c in after[table]["columns"]}
        found += [f"{table}.{name} is gone" for name in old.keys() - new.keys()]
        found += [f"{table}.{name} has changed" for name in old.keys() & new.keys() if old[name] != new[name]]
        found += [
            f"{table}.{name} must be given"
            for name in new.keys() - old.keys()
            if new[name]["nullable"] == "False" and new[name]["default"] == "None"
        ]
        for rule in ("primary key", "foreign keys", "unique", "checks"):
            if before[table][rule] != after[table][rule]:
                found.append(f"{table}: other {rule}")
        unique = {index for index in after[table]["indexes"] if ", True, " in index}
        found += [f"{table}: {index} is new" for index in unique - set(before[table]["indexes"])]
    return sorted(found)


def _since(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT since FROM compatibility"))


def test_a_migration_only_adds_or_says_since_when_versions_fit(empty_url: str) -> None:
    """INV-54: what could stop a version that is still running raises `compatibility.since` to its own number."""
    engine = standing.engine_of(_made(empty_url))
    before: dict[str, Any] | None = None
    for revision in migrate.after("0010"):
        with engine.connect() as connection:
            migrate.run(connection, to=revision)
            connection.commit()
        after = described(engine)
        if before is not None and _since(engine) != revision:
            assert narrowed(before, after) == [], f"{revision} is more than an addition"
        before = after
    engine.dispose()
    assert before is not None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("ALTER TABLE heartbeat ADD COLUMN more BIGINT", []),
        ("ALTER TABLE heartbeat ADD COLUMN more BIGINT NOT NULL DEFAULT 0", []),
        ("CREATE TABLE more (id INTEGER PRIMARY KEY)", []),
        ("CREATE INDEX more ON heartbeat (at)", []),
        ("CREATE UNIQUE INDEX more ON heartbeat (at)", ["heartbeat: "]),
        ("ALTER TABLE heartbeat DROP COLUMN at", ["heartbeat.at is gone"]),
        (
            "ALTER TABLE heartbeat RENAME COLUMN at TO since",
            ["heartbeat.at is gone", "heartbeat.since must"],
        ),
        ("DROP TABLE heartbeat", ["heartbeat is gone"]),
    ],
)
def test_what_is_more_than_an_addition_is_seen(database_url: str, change: str, says: list[str]) -> None:
    engine = standing.engine_of(parse_address(database_url))
    before = described(engine)
    with engine.begin() as connection:
        connection.execute(text(change))
    found = narrowed(before, described(engine))
    engine.dispose()
    assert len(found) == len(says)
    assert all(problem.startswith(start) for problem, start in zip(found, says, strict=True))


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
    engine = standing.engine_of(parse_address(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": revision})
    engine.dispose()


async def test_a_newer_schema_that_this_version_still_fits_is_served(database_url: str) -> None:
    """INV-54: an upgrade adds first, so that old replicas run on, and may be restarted, until all are new."""
    engine = standing.engine_of(parse_address(database_url))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE actions ADD COLUMN of_the_next_version TEXT"))
        connection.execute(text("CREATE TABLE of_the_next_version (id INTEGER PRIMARY KEY)"))
    engine.dispose()
    _set_revision(database_url, "9999")
    async with open_store(database_url, clock=SetClock()) as store, store.writing() as tx:
        assert await tx.actions.add(action(), idempotency_key=None, body_sha256="b")
    with pytest.raises(SchemaMismatch, match="never goes back"):
        migrate.upgrade(database_url)
    assert migrate.current(database_url) == "9999"


async def test_a_newer_schema_is_refused_with_what_to_do(database_url: str) -> None:
    """INV-54: also where it says since when versions fit it, and this one does not."""
    engine = standing.engine_of(parse_address(database_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE compatibility SET since = '9998'"))
    _set_revision(database_url, "9999")
    with pytest.raises(SchemaMismatch, match="would have to know 9998"):
        await open_store(database_url, clock=SetClock()).start()
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE compatibility"))
    engine.dispose()
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
    _set_revision(url, "0001")
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
    engine = standing.engine_of(address)
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
    engine = standing.engine_of(address)
    with engine.connect() as connection:
        migrate.run(connection)
        assert "actions" in inspect(connection).get_table_names()
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    assert migrate.upgrade(empty_url) == migrate.head()


async def test_a_start_without_a_server_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await open_store("postgresql://gate@127.0.0.1:1/gate", clock=SetClock()).start()


def test_what_belongs_to_an_action_is_found_by_an_index() -> None:
    """Else to remove one old action would be to look at every row of such a table."""
    of_actions = [
        table
        for table in tables.metadata.tables.values()
        if any(key.column.table is tables.actions for key in table.foreign_keys)
    ]
    assert tables.idempotency in of_actions
    for table in of_actions:
        firsts = {next(iter(index.columns)).name for index in table.indexes if index.columns}
        assert "action_id" in {*firsts, next(iter(table.primary_key.columns)).name}, table.name
