"""What waits for whom: kept in step with every change of an action, counted from indexes up to a cap."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import delete, event, text

from gate.domain.request import ActionRecord, Choice, Status, Vote
from gate.domain.routing import Load
from gate.domain.verdict import ApprovalPlan
from gate.store import SqlStore, tables
from tests.contract.conftest import blocking_engine
from tests.contract.records import NOW, SetClock, action, approved, later


async def added(store: SqlStore, *records: ActionRecord) -> None:
    async with store.writing() as tx:
        for record in records:
            assert await tx.actions.add(record, idempotency_key=None, body_sha256="b")


async def loads(store: SqlStore, *people: str, cap: int = 100) -> dict[str, Load]:
    async with store.reading() as tx:
        return dict(await tx.asks.loads(people, cap=cap))


async def test_open_asks_are_counted_by_person(store: SqlStore) -> None:
    await added(store, action(1, asked=("ana", "bo")), action(2, asked=("ana",), at=later(60)))
    await added(store, action(3, status=Status.ALLOWED))
    assert await loads(store, "ana", "bo", "cho") == {
        "ana": Load(open=2, asked_at=later(60)),
        "bo": Load(open=1, asked_at=NOW),
        "cho": Load(),
    }


async def test_whoever_is_asked_later_counts_from_then_on_and_once(store: SqlStore, clock: SetClock) -> None:
    first = action(1, asked=("ana",))
    await added(store, first)
    clock.at = later(90)
    wider = replace(first, revision=2, asked=("ana", "bo"))
    async with store.writing() as tx:
        assert await tx.actions.save(wider, expected_revision=1)
    clock.at = later(180)
    async with store.writing() as tx:
        assert await tx.actions.save(replace(wider, revision=3, held=True), expected_revision=2)
    assert await loads(store, "ana", "bo") == {
        "ana": Load(open=1, asked_at=NOW),
        "bo": Load(open=1, asked_at=later(90)),
    }


async def test_an_ask_is_open_exactly_while_its_action_is_pending(store: SqlStore) -> None:
    first = action(1, asked=("ana", "bo"), plan=ApprovalPlan(groups=("finance",), quorum=2))
    await added(store, first, action(2, asked=("ana",)))
    voted = replace(
        first,
        revision=2,
        votes=(Vote(person="ana", choice=Choice.APPROVE, version=1, at=later(1)),),
    )
    async with store.writing() as tx:
        assert await tx.actions.save(voted, expected_revision=1)
    assert (await loads(store, "ana"))["ana"].open == 2
    async with store.writing() as tx:
        assert await tx.actions.save(approved(voted, "bo"), expected_revision=2)
    assert await loads(store, "ana", "bo") == {
        "ana": Load(open=1, asked_at=NOW),
        "bo": Load(open=0, asked_at=NOW),
    }
    async with store.reading() as tx:
        assert await tx.asks.waiting_for("ana", limit=5) == ("act_0002",)
        assert await tx.asks.waiting_for("bo", limit=5) == ()


async def test_several_claimed_at_once_close_theirs(store: SqlStore) -> None:
    await added(store, *(action(n, asked=("ana",)) for n in range(1, 4)))
    async with store.writing() as tx:
        claimed = await tx.actions.claim(["act_0001", "act_0002"])
        assert await tx.actions.save_claimed([approved(each) for each in claimed])
    assert (await loads(store, "ana"))["ana"].open == 1


async def test_a_refused_save_changes_no_ask(store: SqlStore) -> None:
    await added(store, action(1, asked=("ana",)))
    async with store.writing() as tx:
        assert not await tx.actions.save(approved(replace(action(1), revision=7)), expected_revision=7)
    assert (await loads(store, "ana"))["ana"].open == 1


async def test_counts_stop_at_the_cap(store: SqlStore) -> None:
    await added(store, *(action(n, asked=("ana",)) for n in range(1, 8)))
    assert (await loads(store, "ana", cap=5))["ana"].open == 5
    async with store.reading() as tx:
        assert len(await tx.asks.waiting_for("ana", limit=3)) == 3


async def test_approvals_are_told_newest_first_and_rejections_not_at_all(store: SqlStore) -> None:
    votes = [
        Vote(person="ana", choice=Choice.APPROVE, version=1, at=later(10)),
        Vote(person="ana", choice=Choice.REJECT, version=1, at=later(20)),
        Vote(person="ana", choice=Choice.APPROVE, version=1, at=later(30)),
        Vote(person="bo", choice=Choice.APPROVE, version=1, at=later(40)),
        Vote(person="ana", choice=Choice.APPROVE, version=1, at=later(50)),
    ]
    await added(store, *(action(n, votes=(vote,)) for n, vote in enumerate(votes, 1)))
    async with store.reading() as tx:
        found = await tx.asks.approvals_of(("ana", "bo", "cho"), limit=2)
    assert found == {"ana": (later(50), later(30)), "bo": (later(40),), "cho": ()}


async def test_many_people_are_looked_up_in_portions(store: SqlStore) -> None:
    people = [f"p{n}" for n in range(250)]
    await added(store, action(1, asked=tuple(people)))
    found = await loads(store, *people)
    assert len(found) == 250
    assert set(found.values()) == {Load(open=1, asked_at=NOW)}


async def _crowd(store: SqlStore) -> None:
    """A person for whom much waits and who has approved much, among many others."""
    for start in range(0, 200, 20):
        crowd = [[f"p{(n * 7 + k) % 90}" for k in range(30)] for n in range(start, start + 20)]
        for people in crowd[::4]:
            people[15] = "ana"
        await added(
            store,
            *(
                action(
                    start + n,
                    asked=tuple(people),
                    votes=tuple(
                        Vote(person=who, choice=Choice.APPROVE, version=1, at=later(n))
                        for who in people[5:25]
                    ),
                )
                for n, people in enumerate(crowd)
            ),
        )
    engine = blocking_engine(store)
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()


QUESTIONS = {
    "loads": (lambda tx: tx.asks.loads(("ana", "p4"), cap=200), ("ix_asks_open", "ix_asks_last")),
    "approvals": (lambda tx: tx.asks.approvals_of(("ana", "p4"), limit=50), ("ix_votes_person",)),
    "waiting": (lambda tx: tx.asks.waiting_for("ana", limit=50), ("ix_asks_open",)),
}


@pytest.mark.parametrize("question", list(QUESTIONS))
async def test_the_plans_use_the_indexes(store: SqlStore, question: str) -> None:
    ask, through = QUESTIONS[question]
    await _crowd(store)
    sent: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        if "asks" in sql or "votes" in sql:
            sent.append((sql, values))

    event.listen(store._engines[0].sync_engine, "before_cursor_execute", remember)
    async with store.writing() as tx:
        await ask(tx)
    engine = blocking_engine(store)
    with engine.connect() as connection:
        explain = "EXPLAIN " if store.address.postgres else "EXPLAIN QUERY PLAN "
        rows = [row for sql, values in sent for row in connection.exec_driver_sql(explain + sql, values)]
    engine.dispose()
    told = "\n".join(" ".join(str(part) for part in row) for row in rows)
    for index in through:
        assert index in told, told
    assert "Seq Scan" not in told, told
    assert "SCAN asks" not in told, told
    assert "SCAN votes" not in told, told


async def test_what_was_pending_before_there_were_asks_is_filled_in(store: SqlStore) -> None:
    await added(store, action(1, asked=("ana", "bo")), action(2, asked=("ana",), at=later(60)))
    async with store.writing() as tx:
        assert await tx.actions.save(approved(action(1, asked=("ana", "bo"))), expected_revision=1)
    engine = blocking_engine(store)
    with engine.begin() as connection:
        connection.execute(delete(tables.asks))
        with Operations.context(MigrationContext.configure(connection)):
            import_module("gate.store.migrations.versions.0006_care")._fill_in()
    engine.dispose()
    assert await loads(store, "ana", "bo") == {"ana": Load(open=1, asked_at=later(60)), "bo": Load()}
