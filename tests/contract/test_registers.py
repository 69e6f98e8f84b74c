"""The contract of the audit record and of cards, pins, agents and policy snapshots."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import sqlalchemy.exc
from sqlalchemy import func, select, text

from gate.domain.action import Agent
from gate.domain.audit import canonical_bytes, digest
from gate.store import SqlStore, UnreadableRow, tables
from gate.store.audit import ADRIFT, NEAR, SqlAudit
from gate.store.newest import Made
from gate.usecases.ports import (
    AuditFilter,
    Card,
    Listed,
    Listing,
    Pin,
    Snapshot,
    StoredAgent,
    Turn,
)
from tests.contract.conftest import blocking_engine
from tests.contract.records import NOW, audited, later


async def test_the_record_is_kept_as_exactly_its_canonical_bytes(store: SqlStore) -> None:
    """INV-44: what is digested is what is stored."""
    record = audited(detail={"ünï": "\x00\\", "n": 2**53 - 1, "list": [True, None, {"b": 1, "a": 2}]})
    async with store.writing() as tx:
        await tx.audit.append(record)
        assert await tx.audit.of_action("act_0001") == (record,)
    engine = blocking_engine(store)
    with engine.connect() as connection:
        row = connection.execute(select(tables.audit)).one()
    engine.dispose()
    assert bytes(row.canonical) == canonical_bytes(record)
    assert row.sha256 == digest(record) == hashlib.sha256(row.canonical).hexdigest()
    assert (row.seq, row.kind, row.actor, row.at) == (1, record.kind, record.actor, record.at)


async def test_records_of_an_action_come_in_the_order_of_writing(store: SqlStore) -> None:
    records = [audited("approval.requested"), audited("approval.vote"), audited("approval.granted", at=NOW)]
    async with store.writing() as tx:
        for record in records:
            await tx.audit.append(record)
            await tx.audit.append(audited(action="act_0002"))
        await tx.audit.append(audited("policy.loaded", action=None))
        assert await tx.audit.of_action("act_0001") == tuple(records)
        assert await tx.audit.of_action("act_none") == ()


async def test_the_record_is_listed_by_page_the_oldest_first(store: SqlStore) -> None:
    kinds = ["action.allowed", "approval.vote", "approval.granted", "approvalx", "grant.issued"]
    actors = ["policy", "person:ana", "person:Ana", "agent:agt_1", "agent:agt_1"]
    written = [
        audited(kind, actor=actor, at=later(n), action=f"act_{n % 2:04d}")
        for n, (kind, actor) in enumerate(zip(kinds, actors, strict=True))
    ]
    async with store.writing() as tx:
        for record in written:
            await tx.audit.append(record)

    async def listed(limit: int = 2, **which) -> list[str]:
        found, cursor = [], None
        while True:
            async with store.reading() as tx:
                page = await tx.audit.page(AuditFilter(**which), cursor=cursor, limit=limit)
            found += page.items
            cursor = page.cursor
            if cursor is None:
                return [record.kind for record in found]

    assert await listed() == kinds
    assert await listed(5) == kinds
    assert await listed(kind="approval.*") == ["approval.vote", "approval.granted"]
    assert await listed(kind="approval.vote") == ["approval.vote"]
    assert await listed(actor="agent:*") == ["approvalx", "grant.issued"]
    assert await listed(actor="person:ana") == ["approval.vote"]
    assert await listed(action="act_0001", since=later(2)) == ["approvalx"]
    assert await listed(kind="*") == kinds


async def test_a_page_since_a_time_begins_near_it_and_passes_nothing_over(store: SqlStore) -> None:
    """Rows of two months, some written half an hour out of order; what is older is not read through."""
    minutes = [n + (30 if n % 7 == 0 else 0) for n in range(900)]
    for part in (minutes[:450], minutes[450:]):
        async with store.writing() as tx:
            await tx.audit.append(*(audited(at=later(60 * n), detail={"n": n}) for n in part))
        async with store.writing() as tx:
            await tx.months.prepare(5)
        async with store.writing() as tx:
            await tx.months.begin(5)
    for since in (0, 3, 449, 480, 700, 895, 2_000):
        async with store.reading() as tx:
            page = await tx.audit.page(AuditFilter(since=later(60 * since)), cursor=None, limit=1000)
        assert [record.detail["n"] for record in page.items] == [n for n in minutes if n >= since]
        async with store.reading() as tx:
            bound = SqlAudit(tx._bound, Made())
            left = tables.audit.c.seq > await bound._before(later(60 * since) - ADRIFT)
            looked_at = await tx._bound.scalar(select(func.count()).select_from(tables.audit).where(left))
        assert looked_at <= len(page.items) + 60 + 30 + NEAR


@pytest.mark.parametrize("cursor", ["", "x", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk"])
async def test_an_audit_cursor_that_is_none_is_refused(store: SqlStore, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        async with store.reading() as tx:
            await tx.audit.page(AuditFilter(), cursor=cursor, limit=3)


COPIED = "SELECT seq, action_id, 'x', actor, at, canonical, sha256 FROM audit"


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param({"both": "UPDATE audit SET kind = 'x'"}, id="update"),
        pytest.param({"both": "UPDATE audit SET sha256 = NULL WHERE seq = 1"}, id="update one"),
        pytest.param({"both": "DELETE FROM audit"}, id="delete"),
        pytest.param({"both": "DELETE FROM audit WHERE seq = 1"}, id="delete one"),
        pytest.param(
            {"sqlite": f"INSERT OR REPLACE INTO audit {COPIED}", "postgresql": "TRUNCATE audit CASCADE"},
            id="replace or truncate",
        ),
    ],
)
async def test_the_database_refuses_to_change_the_record(store: SqlStore, statements: dict[str, str]) -> None:
    """INV-48: not the proof that comes later, the first fence: append-only for every connection."""
    engine_name = "postgresql" if store.address.postgres else "sqlite"
    statement = statements.get("both") or statements[engine_name]
    async with store.writing() as tx:
        await tx.audit.append(audited())
    engine = blocking_engine(store)
    try:
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()
    async with store.reading() as tx:
        assert await tx.audit.of_action("act_0001") == (audited(),)


async def test_a_record_whose_bytes_were_changed_is_named(store: SqlStore) -> None:
    async with store.writing() as tx:
        await tx.audit.append(audited())
    forged = canonical_bytes(audited(actor="person:eve"))
    engine = blocking_engine(store)
    with engine.begin() as connection:
        if store.address.postgres:
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        else:
            connection.execute(text("DROP TRIGGER audit_keeps_update"))
        connection.execute(text("UPDATE audit SET canonical = :forged"), {"forged": forged})
    engine.dispose()
    with pytest.raises(UnreadableRow, match=r"Audit record 1 cannot be read: its bytes"):
        async with store.reading() as tx:
            await tx.audit.of_action("act_0001")


async def test_a_card_is_put_and_put_again(store: SqlStore) -> None:
    posting = Card(action_id="act_1", channel="C1", ts=None, posting_since=NOW)
    posted = replace(posting, ts="1730.0001", rendered_sha256="a" * 64)
    async with store.writing() as tx:
        assert await tx.cards.get("act_1") is None
        await tx.cards.put(posting)
        assert await tx.cards.get("act_1") == posting
        await tx.cards.put(posted)
        await tx.cards.put(Card(action_id="act_2", channel="C1", ts="2", posting_since=NOW))
        assert await tx.cards.get("act_1") == posted


async def test_nobody_is_pinned_twice(store: SqlStore) -> None:
    pin = Pin(person="ana", team_id="T1", user_id="U1", pinned_at=NOW)
    async with store.writing() as tx:
        assert await tx.pins.add(pin)
        assert not await tx.pins.add(replace(pin, user_id="U2"))
        assert not await tx.pins.add(replace(pin, person="bo"))
        assert await tx.pins.add(Pin(person="bo", team_id="T2", user_id="U1", pinned_at=NOW))
        assert await tx.pins.by_person("ana") == pin
        assert await tx.pins.by_user("T1", "U1") == pin
        assert await tx.pins.by_user("T1", "U2") is None
        assert await tx.pins.by_person("cho") is None
        assert [p.person for p in await tx.pins.all()] == ["ana", "bo"]


async def test_a_list_read_elsewhere_is_kept_with_its_age(store: SqlStore, other_store: SqlStore) -> None:
    """The newest reading of each list replaces the one before, for every replica and after a restart."""
    group = Listing(source="usergroup:S0SEC", read_at=NOW, listed=Listed(team_id="T1", users=("U1", "U2")))
    turn = Turn(email="ana@example.com", start=NOW, end=None)
    schedule = Listing(source="schedule:PABC123", read_at=NOW, listed=Listed(turns=(turn,)))
    async with store.writing() as tx:
        await tx.listings.put(group)
        await tx.listings.put(schedule)
    newer = replace(group, read_at=later(60), listed=Listed(team_id="T1", users=("U2",)))
    async with store.writing() as tx:
        await tx.listings.put(newer)
    async with other_store.reading() as tx:
        assert await tx.listings.all() == (schedule, newer)


STORED = StoredAgent(
    agent=Agent(id="agt_1", name="bot", team="t", owner="own", audiences=frozenset({"b", "a"})),
    key_sha256="k1",
    created_at=NOW,
)


async def test_an_agent_is_found_by_its_key_and_name(store: SqlStore) -> None:
    async with store.writing() as tx:
        assert await tx.agents.add(STORED)
        assert await tx.agents.by_key("k1", NOW) == STORED.agent
        assert await tx.agents.by_key("k2", NOW) is None
        assert await tx.agents.by_name("bot") == STORED
        assert await tx.agents.by_name("Bot") is None


async def test_a_name_and_a_key_are_taken_once(store: SqlStore) -> None:
    async with store.writing() as tx:
        assert await tx.agents.add(STORED)
        assert not await tx.agents.add(
            replace(STORED, agent=replace(STORED.agent, id="agt_2"), key_sha256="k2")
        )
        assert not await tx.agents.add(replace(STORED, agent=replace(STORED.agent, id="agt_2", name="b")))
        assert await tx.agents.all() == (STORED,)


async def test_a_rotated_key_lives_until_its_overlap_ends(store: SqlStore) -> None:
    rotated = replace(STORED, key_sha256="k2", old_key_sha256="k1", old_until=later(60))
    async with store.writing() as tx:
        await tx.agents.add(STORED)
        await tx.agents.replace(rotated)
        assert await tx.agents.by_key("k2", later(99)) == STORED.agent
        assert await tx.agents.by_key("k1", later(59.999999)) == STORED.agent
        assert await tx.agents.by_key("k1", later(60)) is None
        assert await tx.agents.by_name("bot") == rotated


async def test_a_revoked_key_is_dead_at_once(store: SqlStore) -> None:
    async with store.writing() as tx:
        await tx.agents.add(replace(STORED, old_key_sha256="k0", old_until=later(60)))
        await tx.agents.replace(
            replace(STORED, old_key_sha256="k0", old_until=later(60), revoked_at=later(1))
        )
        assert await tx.agents.by_key("k1", NOW) is None
        assert await tx.agents.by_key("k0", NOW) is None


async def test_replacing_an_unknown_agent_is_an_error(store: SqlStore) -> None:
    with pytest.raises(LookupError, match="agt_1"):
        async with store.writing() as tx:
            await tx.agents.replace(STORED)


async def test_agents_are_listed_by_name(store: SqlStore) -> None:
    others = [
        replace(STORED, agent=replace(STORED.agent, id=f"agt_{name}", name=name), key_sha256=name)
        for name in ("b", "B", "ä", "a")
    ]
    async with store.writing() as tx:
        for other in others:
            assert await tx.agents.add(other)
        assert [stored.agent.name for stored in await tx.agents.all()] == ["B", "a", "b", "ä"]


async def test_a_snapshot_is_stored_once_and_never_changed(store: SqlStore) -> None:
    """INV-16: what decided can be read again, word for word."""
    first = Snapshot(digest="sha256:1", version="v1", documents=(("a.yaml", "x: é\n\x00"),), loaded_at=NOW)
    second = Snapshot(digest="sha256:0", version="v1", documents=(), loaded_at=later(1))
    async with store.writing() as tx:
        assert await tx.snapshots.put(first)
        assert await tx.snapshots.put(second)
        assert not await tx.snapshots.put(replace(first, documents=(), loaded_at=later(2)))
        assert await tx.snapshots.get("sha256:1") == first
        assert await tx.snapshots.get("sha256:2") is None
        assert await tx.snapshots.all() == (first, second)
