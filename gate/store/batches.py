"""Commits what concurrent commands write in one transaction.

A batch forms by itself while the one before is committed; nobody ever waits for more company. A command is answered
after the commit of its batch. What one command rests on may have changed: then that one is told, and the others are
committed. Where a batch fails for a reason of one of its commands, each is tried alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from gate.store.kept_back import Writes
from gate.store.questions import Question
from gate.usecases.ports import Crowded, Outrun, StoreUnavailable

AT_MOST = 128
"""Commands in one transaction: enough that the flush costs each little, few enough that it is soon over."""
ROOM = 4_096
"""Commands in flight; whoever comes then is told to come again."""
SHARE = 1_024
"""Commands of one agent in flight, so that one that floods the gate is told so before all the others are."""


class Reader(Protocol):
    """Answers questions from what is committed."""

    async def ask(self, question: Question, values: Mapping[str, Any]) -> list[Any]:
        """The rows. Raises StoreUnavailable."""
        ...

    async def close(self) -> None: ...


class Writer(Protocol):
    """Commits many commands at once."""

    async def write(self, commands: Sequence[Writes]) -> list[bool]:
        """For each whether it was committed; False: what it rests on has changed, and nothing of it is stored. Where
        it raises, nothing of any of them is, unless the connection was lost while it committed."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Waiting:
    turn: str
    writes: Writes
    told: asyncio.Future[bool]
    taken: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Batches:
    """One line of commands for one database. `my_turn` is held while a batch is written (SQLite has one writer)."""

    def __init__(self, writer: Writer, reader: Reader, my_turn: Any) -> None:
        self._writer = writer
        self._reader = reader
        self.ask = reader.ask
        self._my_turn = my_turn
        self._inside: dict[str, int] = {}
        self._all = 0
        self._lines: dict[str, deque[_Waiting]] = {}
        self._writing: asyncio.Task[None] | None = None

    def enter(self, turn: str) -> int:
        """Take a place, to be given back by `leave`; how many of the same turn are inside already. Raises `Crowded`
        where there is none."""
        mine = self._inside.get(turn, 0)
        if self._all >= ROOM or mine >= SHARE:
            raise Crowded(whole=self._all >= ROOM)
        self._inside[turn] = mine + 1
        self._all += 1
        return mine

    def leave(self, turn: str) -> None:
        self._all -= 1
        left = self._inside[turn] - 1
        if left:
            self._inside[turn] = left
        else:
            del self._inside[turn]

    async def commit(self, turn: str, writes: Writes) -> None:
        """Returns once it is durable. Raises `Outrun`, StoreUnavailable, or what the database says of it.

        Cancelled while it waits for its turn, it is not written; cancelled later, it is, and is waited for.
        """
        waiting = _Waiting(turn, writes, asyncio.get_running_loop().create_future())
        self._lines.setdefault(turn, deque()).append(waiting)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="store writes")
        try:
            if not await waiting.told:
                raise Outrun
        except asyncio.CancelledError:
            if not waiting.taken:
                line = self._lines[turn]
                line.remove(waiting)
                if not line:
                    del self._lines[turn]
            else:
                while not waiting.over.is_set():
                    try:
                        await waiting.over.wait()
                    except asyncio.CancelledError:
                        continue
            raise

    async def close(self) -> None:
        """Everybody has been answered; let go of the connections."""
        if self._writing is not None:
            await self._writing
        await self._writer.close()
        await self._reader.close()

    async def _write(self) -> None:
        try:
            while self._lines:
                turn: AbstractAsyncContextManager[None] = self._my_turn()
                async with turn:
                    await self._commit(self._next())
        except StoreUnavailable as problem:  # nobody's turn came
            for waiting in self._next():
                _tell(waiting, StoreUnavailable(str(problem)))
        finally:
            self._writing = None
            if self._lines:
                self._writing = asyncio.create_task(self._write(), name="store writes")

    def _next(self) -> list[_Waiting]:
        """The next batch: one command of each agent in turn, each agent's own in their order."""
        batch: list[_Waiting] = []
        while self._lines and len(batch) < AT_MOST:
            for turn in list(self._lines):
                line = self._lines[turn]
                batch.append(line.popleft())
                if not line:
                    del self._lines[turn]
                if len(batch) == AT_MOST:
                    break
        for waiting in batch:
            waiting.taken = True
        if self._lines:  # who was served last stands first no longer
            first = next(iter(self._lines))
            self._lines[first] = self._lines.pop(first)
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        if not batch:
            return
        try:
            for waiting, done in zip(
                batch, await self._writer.write([each.writes for each in batch]), strict=True
            ):
                _tell(waiting, done)
        except StoreUnavailable as problem:
            for waiting in batch:
                _tell(waiting, StoreUnavailable(str(problem)))
        except Exception as problem:
            if len(batch) == 1:
                _tell(batch[0], problem)
                return
            for waiting in batch:
                await self._commit([waiting])


def _tell(waiting: _Waiting, what: bool | Exception) -> None:
    waiting.over.set()
    if waiting.told.done():
        return
    if isinstance(what, bool):
        waiting.told.set_result(what)
    else:
        waiting.told.set_exception(what)
