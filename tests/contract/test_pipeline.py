"""PostgreSQL below the driver's cursors: answers belong to what was said, whatever goes wrong in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from gate.store.address import parse_address
from gate.store.pipeline import BEGIN, COMMIT, ROLLBACK, Pipeline, Statement


@pytest.fixture
async def line(migrated_postgres_url: str) -> AsyncIterator[Pipeline]:
    made = Pipeline(parse_address(migrated_postgres_url))
    yield made
    await made.close()


def said(number: int) -> Statement:
    return Statement("SELECT %s::int4 AS n, 'fifty %%'", [number])


async def test_answers_come_in_the_order_of_what_was_said(line: Pipeline):
    for _ in range(2):
        found = await line.run(said(1), Statement("SELECT 'once' WHERE %s", [False]), said(2))
        assert [list(each.rows) for each in found] == [[(1, "fifty %")], [], [(2, "fifty %")]]


async def test_values_arrive_as_what_they_are(line: Pipeline):
    sql = "SELECT %s::text, %s::int8, %s::bool, %s::float8, %s::bytea, %s::text, %s::bool"
    values = ["a'\\\"$1 %s é\n", -(2**62), True, 0.1, b"\x00\xff\\", None, False]
    for prepared in (True, False):
        (found,) = await line.run(Statement(sql, values, prepared))
        assert list(found.rows) == [tuple(values)]


async def test_what_a_text_cannot_hold_is_refused_and_not_cut_off(line: Pipeline):
    """libpq ends a text at its first NUL: a key `a` must never be stored for one that was `a\\0b`."""
    with pytest.raises(psycopg.DataError, match="NUL"):
        await line.run(said(1), Statement("SELECT %s::text", ["a\0b"]))
    with pytest.raises(TypeError, match="complex"):
        await line.run(Statement("SELECT %s::text", [1j]))
    (found,) = await line.run(said(3))
    assert found.rows[0][0] == 3


async def test_nothing_after_a_failure_is_carried_out(line: Pipeline):
    """And a text that was to be prepared after it is prepared the next time."""
    with pytest.raises(psycopg.errors.DivisionByZero):
        await line.run(BEGIN, Statement("SELECT 1 / %s::int4", [0]), said(7), COMMIT)
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        await line.run(said(7))
    await line.run(ROLLBACK)
    (found,) = await line.run(said(7))
    assert found.rows[0][0] == 7


async def test_more_than_fits_into_the_socket_is_sent_while_answers_are_read(line: Pipeline):
    many = ["x" * 100_000] * 100
    found = await line.run(*(Statement("SELECT %s::text", [each]) for each in many))
    assert [each.rows[0][0] for each in found] == many


async def test_a_lost_connection_is_told_and_made_again(line: Pipeline):
    ((pid,),) = (await line.run(Statement("SELECT pg_backend_pid()")))[0].rows
    with pytest.raises(psycopg.OperationalError):
        await line.run(Statement("SELECT pg_terminate_backend(%s)", [pid]), said(1))
    found = await line.run(said(2), Statement("SELECT pg_backend_pid()"))
    assert found[0].rows[0][0] == 2
    assert found[1].rows[0][0] != pid


async def test_a_connection_lost_while_nobody_used_it_costs_no_answer(
    line: Pipeline, migrated_postgres_url: str
):
    """Nothing was said on it, so it is safe to say it on another, even a COMMIT."""
    ((pid,),) = (await line.run(Statement("SELECT pg_backend_pid()")))[0].rows
    async with await psycopg.AsyncConnection.connect(migrated_postgres_url, autocommit=True) as other:
        await other.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])  # returns once it is gone
    ((after,),) = (await line.run(BEGIN, Statement("SELECT pg_backend_pid()"), COMMIT))[1].rows
    assert after != pid


async def test_an_answer_nobody_waited_for_is_nobody_elses(line: Pipeline, migrated_postgres_url: str):
    """Whoever asks next would take it for its own."""
    async with await psycopg.AsyncConnection.connect(migrated_postgres_url, autocommit=True) as other:
        await other.execute("SELECT pg_advisory_lock(1)")
        asking = asyncio.create_task(line.run(Statement("SELECT 'old', pg_advisory_lock(1)")))
        async with asyncio.timeout(60):
            waiting = 0
            while not waiting:
                held = await other.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                ((waiting,),) = await held.fetchall()
        with pytest.raises(RuntimeError, match="somebody else"):
            await line.run(said(4))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        (found,) = await line.run(said(5))
        assert found.rows[0][0] == 5
