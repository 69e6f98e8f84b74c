"""Makes a gate's database as large as years of work would: what some real actions left in it, many times over.

A real gate has taken the actions that are multiplied here, over HTTP, so each row has the shape and size it has in an
installation. A copy has an id, a grant, a digest, an idempotency key, an agent and times of its own, spread over the
months before this one; its records are numbered in those months and are leaves of the one tree, which is grown from
where the gate left it, so that the gate's next checkpoint proves to begin with the one before. Two things are not what
a gate would have written: a copy's sealed texts open in no action but the one they were copied from, and its leaf is
the hash of a number. So copies can be counted, passed over and looked for, and cannot be shown.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, DropIndex

from gate.config import Settings
from gate.domain.merkle import HASH_BYTES, Frontier
from gate.domain.months import begins, month_of
from gate.ids import TimeSortedIds
from gate.store.address import parse_address
from gate.store.columns import Instant, to_micros
from gate.store.postgres import plain_url
from gate.store.tables import TRIGGERS, actions, audit, checkpoints, leaves, metadata, subtrees
from gate.store.tree import STRIDE
from gate.wiring.desk import open_desk
from tests.contract.records import SetClock

MONTHS = 11
AGENTS = 20
"""One of them is the one whose actions are multiplied."""
PORTION = 20_000
SIGNED = 64
"""A checkpoint over so many records."""
_NOT_COPIED = {"outbox", "deadlines", "audit"}
"""What waits to be done is for other benchmarks; records are numbered as they are copied."""
_COPIED = [
    table for table in metadata.sorted_tables if "action_id" in table.c and table.name not in _NOT_COPIED
]
_MAPPED = "n of id agent_id jti digest key shift first"
_KEPT = "seeded_records"


async def grow(settings: Settings, count: int, *, like: Sequence[str], oldest: Sequence[str]) -> None:
    """`count` more actions, in turn like those with the ids `like`; the actions `oldest` are made older than all of
    these. No gate may run on the database meanwhile."""
    last = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    first = last - timedelta(days=30 * MONTHS)
    async with open_desk(settings) as desk:
        for month in range(month_of(first), month_of(last)):
            async with desk.store.writing() as tx:
                await tx.months.prepare(month)
    with _opened(settings.database_url) as database:
        _Growth(database, like, first, (last - timedelta(minutes=1) - first) / count).add(count)
        for place, action_id in enumerate(oldest):
            before = [to_micros(first - timedelta(days=1)) + place, action_id]
            database.run("UPDATE actions SET created_at = ? WHERE id = ?", before)


class _Database:
    """The few statements that differ between the engines."""

    def __init__(self, connection: Any, *, postgres: bool) -> None:
        self._connection = connection
        self.postgres = postgres

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        cursor = self._connection.execute(sql.replace("?", "%s") if self.postgres else sql, values)
        return cursor.fetchall() if cursor.description else []

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        names = ", ".join(f'"{name}"' for name in columns)
        if self.postgres:
            with self._connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join("?" * len(columns))
            self._connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608

    def commit(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")

    def ddl(self, element: Any) -> None:
        dialect = postgresql.dialect() if self.postgres else sqlite.dialect()
        self._connection.execute(str(element.compile(dialect=dialect)))


@contextmanager
def _opened(url: str) -> Iterator[_Database]:
    """Set up to write much at once: a database that is lost to a crash here is made again. Indexes are made anew at
    the end, and what keeps rows from being changed is put back."""
    address = parse_address(url)
    made: Any
    if address.path is None:
        made = psycopg.connect(plain_url(address), autocommit=True)
        settings = (
            "session_replication_role = replica",
            "synchronous_commit = off",
            "maintenance_work_mem = '512MB'",
        )
        before, after = [f"SET {each}" for each in settings], ["VACUUM (ANALYZE)", "CHECKPOINT"]
    else:
        made = sqlite3.connect(address.path, isolation_level=None)
        before = [
            f"PRAGMA {each}" for each in ("synchronous = OFF", "cache_size = -1000000", "temp_store = MEMORY")
        ]
        named = [each.split()[2] for table in TRIGGERS for each in TRIGGERS[table]["sqlite"]]
        before += [f"DROP TRIGGER {name}" for name in named]
        after = [each for table in TRIGGERS for each in TRIGGERS[table]["sqlite"]]
        after.append("PRAGMA wal_checkpoint(TRUNCATE)")
    try:
        database = _Database(made, postgres=address.path is None)
        for statement in before:
            database.run(statement)
        mine = {index for table in (actions, *_COPIED, audit, leaves) for index in table.indexes}
        indexes = sorted(mine, key=lambda index: str(index.name))
        for index in indexes:
            database.ddl(DropIndex(index))
        database.run("BEGIN")
        yield database
        database.run("COMMIT")
        for index in indexes:
            database.ddl(CreateIndex(index))
        for statement in after:
            database.run(statement)
    finally:
        made.close()


class _Growth:
    """Copies portion after portion, in the order of time."""

    def __init__(self, database: _Database, like: Sequence[str], first: datetime, apart: timedelta) -> None:
        self._database = database
        self._first, self._apart = first, apart
        self._clock = SetClock()
        self._ids = TimeSortedIds(self._clock)
        self._draw = random.Random(7)  # noqa: S311 - made-up digests
        self._numbers: dict[int, int] = {}
        ((size, frontier),) = database.run("SELECT size, frontier FROM tree")
        packed = bytes(frontier)
        roots = [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]
        self._tree = Frontier(size=size, roots=tuple(roots))
        ((self._note,),) = database.run("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
        kinds = "n BIGINT, of TEXT, id TEXT, agent_id TEXT, jti TEXT, digest TEXT, key TEXT, shift BIGINT, first BIGINT"
        database.run(f"CREATE TEMP TABLE seeded ({kinds})")
        database.run(f"CREATE TEMP TABLE {_KEPT} (of TEXT, place BIGINT, seq BIGINT)")
        self._like: list[tuple[str, int, str, int]] = []
        for action_id in like:
            ((agent_id, at),) = database.run(
                "SELECT agent_id, created_at FROM actions WHERE id = ?", [action_id]
            )
            records = database.run("SELECT seq FROM audit WHERE action_id = ? ORDER BY seq", [action_id])
            told = [(action_id, place, seq) for place, (seq,) in enumerate(records)]
            database.fill(_KEPT, ("of", "place", "seq"), told)
            self._like.append((action_id, at, agent_id, len(told)))

    def add(self, count: int) -> None:
        for start in range(0, count, PORTION):
            self._portion(range(start, min(start + PORTION, count)))
            self._database.commit()
        head = {"size": self._tree.size, "frontier": b"".join(self._tree.roots)}
        self._database.run("UPDATE tree SET size = ?, frontier = ?", list(head.values()))

    def _portion(self, numbers: range) -> None:
        self._database.run("DELETE FROM seeded")
        mapped: list[tuple[Any, ...]] = []
        numbered: list[tuple[int, int]] = []
        for n in numbers:
            of, at, agent_id, records = self._like[n % len(self._like)]
            self._clock.at = self._first + n * self._apart
            month = month_of(self._clock.at)
            first = self._numbers.get(month, begins(month) + 1)
            self._numbers[month] = first + records
            numbered += [(first + place, to_micros(self._clock.at)) for place in range(records)]
            whose = (n + n // len(self._like)) % AGENTS  # each of them does everything
            mine = agent_id if whose == 0 else f"{agent_id[:-2]}{whose:02}"
            digest, key = (self._draw.randbytes(32).hex() for _ in range(2))
            ids = self._ids.new("act"), self._ids.new("gr")
            mapped.append((n, of, ids[0], mine, ids[1], digest, key, to_micros(self._clock.at) - at, first))
        self._database.fill("seeded", _MAPPED.split(), mapped)
        for table in (actions, *_COPIED, audit):
            self._copy(table)
        self._number(numbered)

    def _copy(self, table: Table) -> None:
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        values = ", ".join(_value(column) for column in table.columns)
        override = "OVERRIDING SYSTEM VALUE " if self._database.postgres and table is audit else ""
        source = f'"{table.name}" t JOIN seeded s ON s.of = t.{"id" if table is actions else "action_id"}'
        if table is audit:
            source += f" JOIN {_KEPT} k ON k.seq = t.seq"
        order = "s.first + k.place" if table is audit else "s.n"
        self._database.run(
            f'INSERT INTO "{table.name}" ({names}) {override}SELECT {values} FROM {source} ORDER BY {order}'  # noqa: S608
        )

    def _number(self, records: Sequence[tuple[int, int]]) -> None:
        """What the sequencer does with new records, but for the signatures."""
        start = self._tree.size
        hashes = [hashlib.sha256(f"leaf {start + place}".encode()).digest() for place in range(len(records))]
        kept: list[tuple[int, int, bytes]] = []
        signed: list[tuple[int, bytes, str, int]] = []
        for begin in range(0, len(hashes), SIGNED):
            self._tree, completed = self._tree.extended(hashes[begin : begin + SIGNED])
            kept += [(level, place, found) for (level, place), found in completed if level % STRIDE == 0]
            at = records[min(begin + SIGNED, len(records)) - 1][1]
            signed.append((self._tree.size, self._tree.root(), self._note, at))
        rows = (
            (start + place, record, found)
            for place, ((record, _), found) in enumerate(zip(records, hashes, strict=True))
        )
        self._database.fill(leaves.name, ("position", "record", "hash"), rows)
        self._database.fill(subtrees.name, ("level", "position", "hash"), kept)
        self._database.fill(checkpoints.name, ("size", "root", "note", "at"), signed)


def _value(column: Column[Any]) -> str:
    """What a copy has in this column."""
    mapped = {"action_id": "s.id", "agent_id": "s.agent_id", "jti": "s.jti", "payload_sha256": "s.digest"}
    if column.table is actions and column.name == "id":
        return "s.id"
    if column.name in mapped:
        return mapped[column.name]
    if column.name == "key_sha256":
        return "s.key"
    if column.name == "redeemed_jti":
        return "CASE WHEN t.redeemed_jti IS NULL THEN NULL ELSE s.jti END"
    if column.name in ("twin", "digest"):
        return "NULL"
    if column.table is audit and column.name == "seq":
        return "s.first + k.place"
    return f't."{column.name}" + s.shift' if isinstance(column.type, Instant) else f't."{column.name}"'
