"""The contract of `ports.Actions` about emergency releases: kept whole, and found while nobody has reviewed them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from gate.domain.emergency import Emergency, Finding, Review
from gate.domain.request import ActionRecord, Deadline, DeadlineKind, Status
from gate.store import SqlStore
from tests.contract.conftest import blocking_engine
from tests.contract.records import action, later


def broken(number: int = 1, *, due: float = 100, by: str = "bo") -> ActionRecord:
    """`act_0001` and so on, released in an emergency and not reviewed; the review is due in `due` seconds."""
    record = action(number)
    emergency = Emergency(
        person=by,
        reason="Customers cannot pay",
        at=later(1),
        until=later(1) + timedelta(minutes=15),
        supervisors=("cho", "dee"),
        review_due_at=later(due),
        via=("slack", "pagerduty"),
    )
    return replace(
        record,
        status=Status.APPROVED,
        decided_at=later(1),
        decided_by=by,
        emergency=emergency,
        deadline=Deadline(kind=DeadlineKind.REVIEW, due_at=later(due), seq=2),
    )


def reviewed(record: ActionRecord) -> ActionRecord:
    assert record.emergency is not None
    review = Review(person="cho", finding=Finding.UNJUSTIFIED, comment="Ana was there", at=later(50))
    return replace(
        record,
        revision=record.revision + 1,
        emergency=replace(record.emergency, review=review, overdue=2),
        grants_revoked=True,
        deadline=None,
    )


async def put(store: SqlStore, *records: ActionRecord) -> None:
    async with store.writing() as tx:
        for record in records:
            assert await tx.actions.add(record, idempotency_key=None, body_sha256="b")


async def waiting(store: SqlStore, limit: int = 9) -> list[str]:
    async with store.reading() as tx:
        return [record.id for record in await tx.actions.in_review(limit=limit)]


async def test_an_emergency_comes_back_as_it_was_stored(store: SqlStore) -> None:
    """INV-17: person, reason, expiry, who was called, and the armed review."""
    made = broken()
    await put(store, made)
    async with store.writing() as tx:
        assert await tx.actions.get(made.id) == made
        done = reviewed(made)
        assert await tx.actions.save(done, expected_revision=made.revision)
    async with store.reading() as tx:
        assert await tx.actions.get(made.id) == done


async def test_open_reviews_are_found_the_longest_due_first(store: SqlStore) -> None:
    await put(store, action(1), broken(2, due=300), broken(3, due=100), broken(4, due=200))
    assert await waiting(store) == ["act_0003", "act_0004", "act_0002"]
    assert await waiting(store, 1) == ["act_0003"]
    async with store.writing() as tx:
        record = await tx.actions.get("act_0003")
        assert record is not None
        assert await tx.actions.save(reviewed(record), expected_revision=record.revision)
    assert await waiting(store) == ["act_0004", "act_0002"]


async def test_an_unreviewed_release_without_an_armed_review_cannot_be_stored(store: SqlStore) -> None:
    """INV-17: no code path leaves one behind that nobody is asked about."""
    with pytest.raises(ValueError, match="armed exactly"):
        await put(store, replace(broken(), deadline=None))
    await put(store, broken())
    async with store.writing() as tx:
        record = await tx.actions.get("act_0001")
        assert record is not None
        disarmed = replace(record, deadline=None, revision=record.revision + 1)
        with pytest.raises(ValueError, match="armed exactly"):
            await tx.actions.save(disarmed, expected_revision=record.revision)
        left = replace(reviewed(record), deadline=record.deadline)
        with pytest.raises(ValueError, match="armed exactly"):
            await tx.actions.save(left, expected_revision=record.revision)


async def test_open_reviews_are_read_from_their_own_index(store: SqlStore) -> None:
    """However many requests wait, the few reviews cost no more."""
    await put(store, *(action(n) for n in range(1, 40)), broken(40))
    statements: list[str] = []
    reader = store._engines[1].sync_engine  # the statement as it is really sent
    event.listen(reader, "before_cursor_execute", lambda _c, _cur, sql, *_: statements.append(sql))
    assert await waiting(store) == ["act_0040"]
    sent = next(sql for sql in statements if "deadlines" in sql)
    engine = blocking_engine(store)
    try:
        with engine.connect() as connection:
            if store.address.postgres:
                connection.execute(text("SET enable_seqscan = off"))  # forty rows would be scanned rightly
                sent = re.sub(r"%\(\w+\)s", "1", sent)
                plan = " ".join(connection.exec_driver_sql(f"EXPLAIN {sent}").scalars())
            else:
                asked = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sent}", (1,) * sent.count("?"))
                plan = " ".join(row.detail for row in asked)
    finally:
        engine.dispose()
    assert "ix_deadlines_review" in plan, plan
