"""A TCP relay that can cut, hold or swallow what passes through it, and strike at a named moment of a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["before", "after"]
"""Before the words reach the server, or after the server has answered and before its answer is passed on."""

Strike = Callable[[], Awaitable[None]]


@dataclass
class _Trap:
    words: tuple[bytes, ...]
    side: Side
    strike: Strike
    having_said: tuple[bytes, ...]
    sprung: asyncio.Event = field(default_factory=asyncio.Event)


class Relay:
    """Listens on a port of its own in front of one server."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._trap: _Trap | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._conversations: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._open.set()
        self.cut()
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    def cut(self) -> int:
        """Cut every connection in the middle of whatever it carries; how many there were."""
        for writer in self._writers:
            writer.transport.abort()
        return len(self._writers)

    async def hold(self, seconds: float) -> None:
        """Let nothing through for a while, and then everything."""
        self._open.clear()
        try:
            await asyncio.sleep(seconds)  # the fault itself
        finally:
            self._open.set()

    async def strike_at(
        self,
        words: tuple[bytes, ...],
        side: Side,
        strike: Strike,
        *,
        within: float,
        having_said: tuple[bytes, ...] = (),
    ) -> bool:
        """Run `strike` at the next of the words, whose conversation then ends; False where nobody says them in time.
        With `having_said` only where that conversation has said one of these since it said the words before."""
        trap = self._trap = _Trap(words=words, side=side, strike=strike, having_said=having_said)
        try:
            async with asyncio.timeout(within):
                await trap.sprung.wait()
        except TimeoutError:
            return False
        finally:
            if self._trap is trap:
                self._trap = None
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        self._writers.add(writer)
        up_writer: asyncio.StreamWriter | None = None
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
            self._writers.add(up_writer)
            caught: asyncio.Queue[_Trap] = asyncio.Queue()
            pumps = [
                asyncio.create_task(self._ask(reader, up_writer, caught)),
                asyncio.create_task(self._answer(up_reader, writer, caught)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the server is away, and so it is for whoever asked; or the campaign is over
        finally:
            for each in (writer, up_writer):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()
            self._conversations.discard(task)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caught: asyncio.Queue[_Trap]
    ) -> None:
        said = b""
        while chunk := await reader.read(65_536):
            await self._open.wait()
            trap = self._trap
            said = said + chunk if trap is not None and trap.having_said else chunk
            if trap is not None and any(words in chunk for words in trap.words):
                if trap.having_said and not any(each in said for each in trap.having_said):
                    trap = None
                said = b""
            else:
                trap = None
            if trap is not None:
                self._trap = None
                if trap.side == "before":
                    await self._spring(trap)
                    return
                caught.put_nowait(trap)
            writer.write(chunk)
            with suppress(ConnectionError):
                await writer.drain()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caught: asyncio.Queue[_Trap]
    ) -> None:
        while chunk := await reader.read(65_536):
            await self._open.wait()
            if not caught.empty():
                await self._spring(caught.get_nowait())
                return
            writer.write(chunk)
            with suppress(ConnectionError):
                await writer.drain()

    async def _spring(self, trap: _Trap) -> None:
        try:
            await trap.strike()
        finally:
            trap.sprung.set()
