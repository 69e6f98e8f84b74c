"""A transaction's writes, kept back until they are committed together with those of others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from sqlalchemy import Executable, Select, Table

from gate.store.bound import Bound
from gate.store.questions import Absence, Question
from gate.usecases.ports import AloneOnly

S = TypeVar("S", bound=Select)

Where = Mapping[str, Any]
Asking = Callable[[Question, Mapping[str, Any]], Awaitable[Sequence[Any]]]
Reading = Callable[[Executable], Awaitable[Sequence[Any]]]


Presumed = tuple[Question, tuple[tuple[str, Any], ...]]
"""A question that has to find a row, with its values."""


@dataclass(slots=True)
class Writes:
    """What one command writes. First what it rests on: rows that still have these values (`held`, and `presumed`, which
    many may share and nobody locks), rows that must not be there (`absent`), rows to change that must move (`changes`),
    rows that must be new (`claims`). Where one of them does not hold, nothing of it is written. Then the rest, which
    cannot fail: rows to add by table, to add unless there is such a one, to put over others, to change or remove
    wherever found."""

    held: list[tuple[Table, Where]] = field(default_factory=list)
    presumed: list[Presumed] = field(default_factory=list)
    absent: list[tuple[Absence, tuple[Any, ...]]] = field(default_factory=list)
    changes: list[tuple[Table, Where, Mapping[str, Any]]] = field(default_factory=list)
    claims: list[tuple[Table, dict[str, Any]]] = field(default_factory=list)
    rows: dict[Table, list[dict[str, Any]]] = field(default_factory=dict)
    unless: list[tuple[Table, str, Where, dict[str, Any]]] = field(default_factory=list)
    over: list[tuple[Table, dict[str, Any]]] = field(default_factory=list)
    sweeps: list[tuple[Table, Where, Mapping[str, Any]]] = field(default_factory=list)
    removed: list[tuple[Table, str, Any]] = field(default_factory=list)

    @property
    def anything(self) -> bool:
        """Whether there is anything to commit."""
        return bool(
            self.rows
            or self.changes
            or self.claims
            or self.unless
            or self.over
            or self.sweeps
            or self.removed
        )


def unless(
    commands: Sequence[Writes],
) -> dict[tuple[Table, str, tuple[tuple[str, Any], ...]], dict[Any, dict[str, Any]]]:
    """The rows to add unless there is such a one, by what makes them such and the value that they have in common with
    it: of several the first."""
    found: dict[tuple[Table, str, tuple[tuple[str, Any], ...]], dict[Any, dict[str, Any]]] = {}
    for each in commands:
        for table, column, where, row in each.unless:
            found.setdefault((table, column, tuple(where.items())), {}).setdefault(row[column], row)
    return found


def presumed(commands: Sequence[Writes], lost: set[int]) -> dict[Presumed, set[int]]:
    """What the commands that are not lost presume to be there, and the numbers of those who do."""
    found: dict[Presumed, set[int]] = {}
    for number, each in enumerate(commands):
        if number not in lost:
            for one in each.presumed:
                found.setdefault(one, set()).add(number)
    return found


def absences(commands: Sequence[Writes], lost: set[int]) -> dict[Absence, list[tuple[int, tuple[Any, ...]]]]:
    """What the commands that are not lost presume not to be there, with the number of whoever does."""
    found: dict[Absence, list[tuple[int, tuple[Any, ...]]]] = {}
    for number, each in enumerate(commands):
        if number not in lost:
            for absence, values in each.absent:
                found.setdefault(absence, []).append((number, values))
    return found


class KeptBack(Bound):
    """Reads what is committed; nothing it writes is seen by anybody, itself included, before the commit.

    Whatever asks whether a write succeeded is told yes: where that turns out wrong, nothing is committed, and the
    transaction ends in `Outrun`. What needs more than that (locks, counts of rows) raises `AloneOnly`.
    """

    alone = False

    def __init__(
        self, *, postgres: bool, asking: Asking, reading: Reading, beside: int = 0, presuming: bool = False
    ) -> None:
        self.postgres = postgres
        self.writable = True
        self.beside = beside
        self.presuming = presuming
        self.writes = Writes()
        self._asking = asking
        self._reading = reading

    @property
    def locks(self) -> bool:
        return False

    async def ask(self, question: Question, **values: Any) -> Sequence[Any]:
        return await self._asking(question, values)

    async def rows(self, statement: Executable) -> Sequence[Any]:
        return await self._reading(statement)

    async def row(self, statement: Executable) -> Any:
        found = await self._reading(statement)
        return found[0] if found else None

    async def scalar(self, statement: Executable) -> Any:
        ((value,),) = await self._reading(statement)
        return value

    async def moved(self, statement: Executable, parameters: Any = None) -> NoReturn:
        raise AloneOnly

    async def change(self, table: Table, where: Where, values: Mapping[str, Any]) -> bool:
        """What this transaction adds itself is changed before it is added."""
        key = [column.name for column in table.primary_key]
        for row in self._added(table):
            if all(row[name] == where.get(name) for name in key):
                if any(row[name] != value for name, value in where.items()):
                    return False
                row.update(values)
                return True
        self.writes.changes.append((table, where, values))
        return True

    def _added(self, table: Table) -> Iterator[dict[str, Any]]:
        yield from self.writes.rows.get(table, ())
        yield from (row for of, row in self.writes.claims if of is table)

    async def change_all(self, table: Table, wheres: Sequence[Where], values: Mapping[str, Any]) -> None:
        self.writes.sweeps += ((table, where, values) for where in wheres)

    async def remove(self, table: Table, column: str, keys: Sequence[Any]) -> None:
        self.writes.removed += ((table, column, key) for key in keys)

    async def put_unless(self, table: Table, column: str, where: Where, *rows: dict[str, Any]) -> None:
        """Looked up in the commit; of several in one batch the first is inserted."""
        self.writes.unless += ((table, column, where, row) for row in rows)

    def rest_on(self, table: Table, where: Where) -> None:
        self.writes.held.append((table, where))

    def presume(self, question: Question, **values: Any) -> bool:
        if self.presuming:
            self.demand(question, **values)
        return self.presuming

    def demand(self, question: Question, **values: Any) -> None:
        self.writes.presumed.append((question, tuple(values.items())))

    def presume_none(self, absence: Absence, *values: Any) -> bool:
        if self.presuming:
            self.writes.absent.append((absence, values))
        return self.presuming

    async def put(self, table: Table, *rows: dict[str, Any]) -> None:
        if rows:
            self.writes.rows.setdefault(table, []).extend(rows)

    async def put_new(self, table: Table, row: dict[str, Any]) -> bool:
        self.writes.claims.append((table, row))
        return True

    async def put_over(self, table: Table, *rows: dict[str, Any]) -> None:
        self.writes.over += ((table, row) for row in rows)

    def claiming(self, statement: S) -> S:
        raise AloneOnly

    def holding(self, statement: S) -> S:
        raise AloneOnly


class LookOnly(KeptBack):
    """Reads what is committed, each time anew; whatever would write is a mistake of the caller."""

    def __init__(self, *, postgres: bool, asking: Asking, reading: Reading) -> None:
        super().__init__(postgres=postgres, asking=asking, reading=reading)
        self.writable = False

    def _refused(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a look writes nothing")

    change = change_all = remove = put = put_new = put_over = _refused
