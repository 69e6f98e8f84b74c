"""PostgreSQL below SQLAlchemy: a connection that commits what many commands write, and one that answers what they ask.

A batch takes one round trip, said in a way that fails where anything turns out to be impossible; then nothing of it is
stored, and it takes two: what may be impossible, to see whose that is, and everything else with the COMMIT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import psycopg

from gate.store.address import Address
from gate.store.arrays import array, columns, insert
from gate.store.kept_back import Writes, absences, presumed, unless
from gate.store.pipeline import BEGIN, COMMIT, ROLLBACK, Answer, Pipeline, Statement
from gate.store.questions import AbsenceText, Question, Text
from gate.store.raw import Plan, array_of, by_plan, change, grouped, place
from gate.usecases.ports import StoreUnavailable

PATIENCE = "SET lock_timeout = '500ms'"
"""A batch waits for nobody for long: whoever is in its way is waited for by the one command that needs it."""

_Told = asyncio.Future[list[Any]]


class PostgresReader:
    """Implements `batches.Reader`: what is asked while an answer is under way is asked together, in one round trip,
    and what is the same only once."""

    def __init__(self, address: Address) -> None:
        self._line = Pipeline(address)
        self._asked: dict[tuple[Text, tuple[Any, ...]], _Told] = {}
        self._reading: asyncio.Task[None] | None = None

    async def ask(self, question: Question, values: Mapping[str, Any]) -> list[Any]:
        key = (question.on(True), tuple(values.items()))
        told = self._asked.get(key)
        if told is None:
            told = self._asked[key] = asyncio.get_running_loop().create_future()
            if self._reading is None:
                self._reading = asyncio.create_task(self._read(), name="store reads")
        # Shielded, because somebody else may wait for the same answer.
        return await asyncio.shield(told)

    async def close(self) -> None:
        if self._reading is not None:
            await self._reading
        await self._line.close()

    async def _read(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                found = await self._answered(list(asked))
            except Exception as problem:
                for told in asked.values():
                    told.set_exception(problem)
                    told.exception()  # whoever asked may be gone
                continue
            for told, rows in zip(asked.values(), found, strict=True):
                told.set_result(rows)
        self._reading = None

    async def _answered(self, asked: Sequence[tuple[Text, tuple[Any, ...]]]) -> list[list[Any]]:
        """A connection that was lost while nobody used it costs no answer: a question may be asked again."""
        try:
            return await self._asked_once(asked)
        except StoreUnavailable:
            return await self._asked_once(asked)

    async def _asked_once(self, asked: Sequence[tuple[Text, tuple[Any, ...]]]) -> list[list[Any]]:
        try:
            found = await self._line.run(
                *(Statement(text.sql, text.values(dict(values))) for text, values in asked)
            )
        except psycopg.Error as problem:
            await self._line.close()  # it is lost, or has a plan of before a migration
            if isinstance(problem, psycopg.OperationalError):
                raise _unavailable(problem) from problem
            raise
        return [text.rows(answer.rows) for (text, _), answer in zip(asked, found, strict=True)]


class PostgresWriter:
    """Implements `batches.Writer`."""

    def __init__(self, address: Address) -> None:
        self._line = Pipeline(address, PATIENCE)
        self._hopeful = True

    async def write(self, commands: Sequence[Writes]) -> list[bool]:
        try:
            return await self._written(commands)
        except psycopg.Error as problem:
            its_own = isinstance(problem, _ITS_OWN)
            try:
                if not its_own and isinstance(problem, psycopg.OperationalError):
                    await self._line.close()
                else:
                    await self._line.run(ROLLBACK)
            except psycopg.Error:
                await self._line.close()
            if isinstance(problem, psycopg.OperationalError) and not its_own:
                raise _unavailable(problem) from problem
            raise
        except BaseException:
            await self._line.close()
            raise

    async def _written(self, commands: Sequence[Writes]) -> list[bool]:
        if self._hopeful and await self._written_at_once(commands):
            return [True] * len(commands)
        lost: set[int] = set()
        while True:
            resting = _Resting(commands, lost)
            found = await self._line.run(BEGIN, *resting.statements)
            if resting.holds(found[1:]):
                break
            await self._line.run(ROLLBACK)
        kept = [each for number, each in enumerate(commands) if number not in lost]
        if kept:
            _demand_committed(await self._line.run(*_rest(kept), COMMIT))
        else:
            await self._line.run(ROLLBACK)
        self._hopeful = not lost
        return [number not in lost for number in range(len(commands))]

    async def _written_at_once(self, commands: Sequence[Writes]) -> bool:
        """False: something was impossible, and nothing is stored."""
        resting = _Resting(commands, set(), or_fail=True)
        try:
            _demand_committed(await self._line.run(BEGIN, *resting.statements, *_rest(commands), COMMIT))
        except psycopg.Error as problem:
            if isinstance(problem, psycopg.OperationalError) and not isinstance(problem, _ITS_OWN):
                raise
            await self._line.run(ROLLBACK)
            return False
        return True

    async def close(self) -> None:
        await self._line.close()


_ITS_OWN = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
"""What one command of a batch may have run into, while the others would not."""


def _demand_committed(answers: Sequence[Answer]) -> None:
    if answers[-1].did != b"COMMIT":
        raise RuntimeError("PostgreSQL took back what it was to commit")


@cache
def _or_fail(sql: str, *, wrong: str = "= 0", changes: bool = False) -> str:
    """The same, failing where so many rows are found or changed. The server's log shows these words."""
    told = f"CASE WHEN count(*) {wrong} THEN CAST('signoff: outrun ' || count(*) AS int4) END"
    if changes:
        return f"WITH found AS ({sql} RETURNING 1) SELECT {told} FROM found"  # noqa: S608 - text of ours
    return f"SELECT {told} FROM ({sql}) AS found"  # noqa: S608


class _Resting:
    """As for SQLite: what may turn out impossible, as statements, and whose each of them is. With `or_fail` they fail
    where it does."""

    def __init__(self, commands: Sequence[Writes], lost: set[int], *, or_fail: bool = False) -> None:
        self._lost = lost
        self._or_fail = or_fail
        self.statements: list[Statement] = []
        self._told: list[Callable[[Answer], None]] = []
        self._begun: set[int] = set()
        for (question, values), whose in presumed(commands, lost).items():
            text = question.on(True)
            self._look(Statement(text.sql, text.values(dict(values))), whose)
        for absence, wanted in absences(commands, lost).items():
            # Planned each time: a plan kept from when the table was small may go by another index for ever.
            sql, values = wanted_rows(absence.on(True), wanted)
            sql = _or_fail(sql, wrong="> 0") if or_fail else sql
            self._ask(Statement(sql, values, prepared=False), self._there)
        live = [(number, each) for number, each in enumerate(commands) if number not in lost]
        for number, each in live:
            for table, where in each.held:
                how = change(table, where, {}, postgres=True)
                self._look(Statement(how.look, how.values(where, {})), {number})
            for table, where, values in each.changes:
                how = change(table, where, values, postgres=True)
                move = _or_fail(how.move, wrong="<> 1", changes=True) if or_fail else how.move
                self._ask(Statement(move, how.values(where, values)), partial(self._moved, number))
        claims = [(number, table, row) for number, each in live for table, row in each.claims]
        for how, of in by_plan(claims, postgres=True).items():
            rows = [how.values(row) for _, row in of]
            keys = [
                (number, tuple(row[at] for at in how.of_key))
                for (number, _), row in zip(of, rows, strict=True)
            ]
            others = "" if or_fail else f" ON CONFLICT DO NOTHING RETURNING {how.returning}"
            self._ask(Statement(insert(how) + others, columns(how, rows)), partial(self._claimed, keys))

    def _look(self, statement: Statement, whose: set[int]) -> None:
        sql = _or_fail(statement.sql) if self._or_fail else statement.sql
        self._ask(Statement(sql, statement.values), partial(self._sure, whose))

    def holds(self, answers: Sequence[Answer]) -> bool:
        """Note whose commands are lost. False: something of one of them was written, so all is to be done again without
        it."""
        for tell, answer in zip(self._told, answers, strict=True):
            tell(answer)
        return not self._begun & self._lost

    def _ask(self, statement: Statement, told: Callable[[Answer], None]) -> None:
        self.statements.append(statement)
        self._told.append(told)

    def _sure(self, whose: set[int], answer: Answer) -> None:
        if not answer.rows:
            self._lost |= whose

    def _there(self, answer: Answer) -> None:
        self._lost.update(number for (number,) in answer.rows)

    def _moved(self, number: int, answer: Answer) -> None:
        (self._begun if answer.count == 1 else self._lost).add(number)

    def _claimed(self, keys: Sequence[tuple[int, tuple[Any, ...]]], answer: Answer) -> None:
        won = set(answer.rows)
        for number, key in keys:
            if key in won:
                won.remove(key)
                self._begun.add(number)
            else:
                self._lost.add(number)


def _rest(commands: Sequence[Writes]) -> Iterator[Statement]:
    tables = {table: None for each in commands for table in each.rows}
    for table in sorted(tables, key=place):
        rows = [(table, row) for each in commands for row in each.rows.get(table, ())]
        for how, values in grouped(rows, postgres=True).items():
            yield Statement(insert(how), columns(how, values))
    for (table, column, where), found in unless(commands).items():
        look = change(table, {column: "", **dict(where)}, {}, postgres=True)
        for how, values in grouped([(table, row) for row in found.values()], postgres=True).items():
            keys = array("text", [row[how.columns.index(column)] for row in values])
            fixed = look.values({column: "", **dict(where)}, {})[1:]
            yield Statement(_unless(how, column, look.condition), [*columns(how, values), keys, *fixed])
    over = [pair for each in commands for pair in each.over]
    for how, values in grouped(over, postgres=True).items():
        # One at a time: a single statement refuses to put two rows over one another.
        for row in values:
            yield Statement(f"{insert(how)} {how.over}", columns(how, [row]))
    for each in commands:
        for table, where, values in each.sweeps:
            how = change(table, where, values, postgres=True)
            yield Statement(how.update, how.values(where, values))
        for table, column, key in each.removed:
            yield Statement(f'DELETE FROM "{table.name}" WHERE "{column}" = %s', [key])  # noqa: S608 - names of ours


@cache
def _unless(how: Plan, column: str, condition: str) -> str:
    """An INSERT of those rows of which there is none with the same value in a column of text, and the rest of the
    condition. What is there is locked; what somebody else holds does not count."""
    among = condition.replace(f'"{column}" = %s', f'"{column}" = ANY(%s::text[])')
    there = f'SELECT "{column}" FROM {how.name} WHERE {among} FOR SHARE SKIP LOCKED'  # noqa: S608 - names of ours
    return (
        insert(how).replace("SELECT * FROM", f"SELECT {how.names} FROM", 1)
        + f' AS wanted({how.names}) WHERE wanted."{column}" <> ALL (ARRAY({there}))'
    )


def wanted_rows(text: AbsenceText, wanted: Sequence[tuple[int, tuple[Any, ...]]]) -> tuple[str, list[str]]:
    """The statement that finds which of these rows are there, and its parameters."""
    types = [array_of(kind) for kind in text.kinds]
    columns = zip(*(text.values(values) for _, values in wanted), strict=True)
    arrays = [array(kind, column) for kind, column in zip(types, columns, strict=True)]
    return text.unnested(types), [array("int4", [number for number, _ in wanted]), *arrays]


def _unavailable(problem: psycopg.Error) -> StoreUnavailable:
    reason = str(problem).strip().partition("\n")[0]
    return StoreUnavailable(f"The database cannot take a decision now: {reason}")
