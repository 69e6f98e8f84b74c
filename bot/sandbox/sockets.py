"""Knows the Socket Mode server: tickets, hello, envelopes, acknowledgements and disconnects; leaves
what goes into envelopes to whoever sends them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from bot.sandbox.clock import Clock, Timer
from bot.sandbox.faults import Faults
from bot.sandbox.outcome import ACK_SECONDS, Outcome
from bot.sandbox.records import Json

MOST_CONNECTIONS = 10
WARNING_SECONDS = 10.0
PING_SECONDS = 30.0


@dataclass(eq=False)
class _Connection:
    number: int
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    closing: bool = False
    waiting: set[str] = field(default_factory=set)


@dataclass(eq=False)
class _Envelope:
    answered: asyncio.Future[Outcome]
    timer: Timer | None = None


class SocketHub:
    """All Socket Mode connections of the app. Each envelope goes to one of them, in turn."""

    def __init__(
        self,
        *,
        app_id: str,
        clock: Clock,
        faults: Faults,
        changed: Callable[[], None],
        mint: Callable[[], str],
    ) -> None:
        self._app_id = app_id
        self._clock = clock
        self._faults = faults
        self._changed = changed
        self._mint = mint
        self._tickets: set[str] = set()
        self._connections: list[_Connection] = []
        self._turn = 0
        self.opened = 0
        self._envelopes: dict[str, _Envelope] = {}
        self._closers: set[asyncio.Future[bool]] = set()

    @property
    def count(self) -> int:
        """Connections that can take an envelope now."""
        return sum(1 for connection in self._connections if not connection.closing)

    def issue_ticket(self) -> str:
        ticket = self._mint()
        self._tickets.add(ticket)
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET /link/: a websocket for whoever brings a fresh ticket."""
        ticket = request.query.get("ticket", "")
        if self._faults.down_mode or ticket not in self._tickets:
            raise web.HTTPForbidden(text="this ticket does not open a connection")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(heartbeat=PING_SECONDS)
        await socket.prepare(request)
        if self.count >= MOST_CONNECTIONS:
            await socket.send_json(self._disconnect("too_many_websockets"))
            await socket.close()
            return socket
        self.opened += 1
        connection = _Connection(self.opened, socket, request.transport)
        self._connections.append(connection)
        try:
            await socket.send_json(self._hello(connection))
            self._changed()
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._receive(message.data, connection)
        except ConnectionError:
            pass  # the app went away in the middle of a frame; the finally below is the whole consequence
        finally:
            self._forget(connection)
        return socket

    def _hello(self, connection: _Connection) -> Json:
        return {
            "type": "hello",
            "num_connections": self.count,
            "debug_info": {
                "host": f"applink-sandbox-{connection.number}",
                "build_number": 1,
                "approximate_connection_time": 18060,
            },
            "connection_info": {"app_id": self._app_id},
        }

    def _disconnect(self, reason: str) -> Json:
        return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-sandbox"}}

    def _receive(self, text: str, connection: _Connection) -> None:
        try:
            answer = json.loads(text)
        except ValueError:
            return
        envelope_id = answer.get("envelope_id") if isinstance(answer, dict) else None
        if not isinstance(envelope_id, str):
            return
        connection.waiting.discard(envelope_id)
        self._settle(envelope_id, Outcome(received=True, payload=answer.get("payload") or {}))

    def _settle(self, envelope_id: str, outcome: Outcome) -> None:
        """Give an envelope its outcome; an acknowledgement that comes too late finds nothing here."""
        envelope = self._envelopes.pop(envelope_id, None)
        if envelope is None:
            return
        if envelope.timer is not None:
            envelope.timer.cancel()
        if not envelope.answered.done():
            envelope.answered.set_result(outcome)

    def _forget(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
        for envelope_id in tuple(connection.waiting):
            self._settle(envelope_id, Outcome(received=False, reason="disconnected"))
        self._changed()

    async def send(self, kind: str, payload: Json, *, accepts: bool, retry: int, why: str) -> Outcome:
        """One envelope to one connection; waits at most three seconds for its acknowledgement."""
        open_ones = [connection for connection in self._connections if not connection.closing]
        if not open_ones:
            return Outcome(received=False, reason="no_connection")
        connection = open_ones[self._turn % len(open_ones)]
        self._turn += 1
        envelope_id = self._mint()
        envelope: Json = {
            "envelope_id": envelope_id,
            "payload": payload,
            "type": kind,
            "accepts_response_payload": accepts,
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": retry, "retry_reason": why}
        waiting = _Envelope(asyncio.get_running_loop().create_future())
        self._envelopes[envelope_id] = waiting
        connection.waiting.add(envelope_id)
        waiting.timer = self._clock.call_later(
            ACK_SECONDS, lambda: self._settle(envelope_id, Outcome(received=False, reason="timeout"))
        )
        text = json.dumps(envelope)
        try:
            for _ in range(2 if self._faults.take_duplicate() else 1):
                await connection.socket.send_str(text)
        except ConnectionError:
            self._settle(envelope_id, Outcome(received=False, reason="disconnected"))
        try:
            return await waiting.answered
        finally:
            self._envelopes.pop(envelope_id, None)
            connection.waiting.discard(envelope_id)

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask every client to reconnect. `warning` leaves the connection usable for ten more seconds;
        `refresh_requested` stops using it at once; `link_disabled` also closes it at once."""
        for connection in tuple(self._connections):
            with contextlib.suppress(ConnectionError):
                await connection.socket.send_json(self._disconnect(reason))
            if reason == "link_disabled":
                await connection.socket.close()
            else:
                connection.closing = reason == "refresh_requested"
                self._clock.call_later(WARNING_SECONDS, lambda gone=connection: self._close_soon(gone))
        self._changed()

    def _close_soon(self, connection: _Connection) -> None:
        connection.closing = True
        if not connection.socket.closed:
            closer = asyncio.ensure_future(connection.socket.close())
            self._closers.add(closer)
            closer.add_done_callback(self._closers.discard)

    def cut(self) -> None:
        """Drop every connection without a word, as an outage does."""
        for connection in tuple(self._connections):
            connection.closing = True
            if connection.transport is not None:
                connection.transport.abort()
        self._changed()

    async def stop(self) -> None:
        for connection in tuple(self._connections):
            await connection.socket.close(code=1001, message=b"going away")
