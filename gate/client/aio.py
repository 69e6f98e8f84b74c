"""The agent's side: one call, and an answer it can trust; for asyncio."""

from __future__ import annotations

import asyncio
import ssl
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import ParamSpec, Self, TypeVar, Unpack

from gate.client import wire
from gate.client.errors import AwaitingCheckpoint, GateRefused, StillPending
from gate.client.executing import AsyncExecutor
from gate.client.guard import Guarded, Summary, dressed
from gate.client.released import Released, settled, without_grant
from gate.client.transport import Connection
from gate.client.wire import Answer, Claims, Patience
from gate.contract.action import ActionDocument
from gate.contract.canonical import Json

DEFAULT_TIMEOUT = 3600.0
"""Seconds to wait for people."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class AsyncGate:
    """A gate, as an agent with a key of the scope `propose` sees it.

    `executor` runs what guarded functions do; without one there are none. Safe to share between tasks; close it, or
    use it as a context manager.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str,
        executor: AsyncExecutor | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
        plain_http: bool = False,
    ) -> None:
        self._connection = Connection(url, key, patience=patience, tls=tls, plain_http=plain_http)
        self._executor = executor
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; those of the executor are its owner's."""
        await self._connection.aclose()

    async def propose(
        self,
        *,
        topic: str,
        payload: Mapping[str, Json],
        summary: str,
        idempotency_key: str | None = None,
        **claims: Unpack[Claims],
    ) -> ActionDocument:
        """Propose, and come back with where the action stands now; `wait` goes on from there.

        Each call is a new action, however often it has to be sent; give an `idempotency_key` of your own to make
        several calls the same one, over restarts too. What equals a pending action of this agent joins it: people
        are asked once, and there is one grant.
        """
        request = wire.propose(
            topic=topic,
            payload=payload,
            summary=summary,
            claims=claims,
            idempotency_key=idempotency_key or str(uuid.uuid4()),
            wait=0,
        )
        return without_grant(wire.read_action(await self._connection.exchange(request)))

    async def ask(
        self,
        *,
        topic: str,
        payload: Mapping[str, Json],
        summary: str,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        **claims: Unpack[Claims],
    ) -> Released:
        """Propose, wait for people where policy asks them, and return the release with its grant.

        Raises what it is instead: Denied, Throttled, Rejected, Expired, Cancelled (all NotReleased), StillPending
        after `timeout` seconds, GateRefused for a proposal the gate does not take, Unreachable.
        """
        left = self._timeout if timeout is None else timeout
        until = time.monotonic() + left
        request = wire.propose(
            topic=topic,
            payload=payload,
            summary=summary,
            claims=claims,
            idempotency_key=idempotency_key or str(uuid.uuid4()),
            wait=wire.next_wait(left),
        )
        return await self._settle(request, until)

    async def wait(self, action_id: str, *, timeout: float | None = None) -> Released:
        """Wait for the decision of an action proposed before; answers and raises like `ask`."""
        left = self._timeout if timeout is None else timeout
        return await self._settle(wire.show(action_id, wait=wire.next_wait(left)), time.monotonic() + left)

    async def action(self, action_id: str) -> ActionDocument:
        """Where an action stands, without its grant."""
        return without_grant(wire.read_action(await self._connection.exchange(wire.show(action_id))))

    async def cancel(self, action_id: str, *, reason: str | None = None) -> ActionDocument:
        """Take a pending action back. GateRefused (`already_decided`, `not_pending`) where it is too late."""
        answer = await self._connection.exchange(wire.cancel(action_id, reason=reason))
        return without_grant(wire.read_action(answer))

    async def ask_or_withdraw(
        self,
        *,
        topic: str,
        payload: Mapping[str, Json],
        summary: str,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        **claims: Unpack[Claims],
    ) -> Released:
        """Like `ask`, for callers who will not come back: what nobody decided in time is taken back, so that nobody
        decides for nothing. A decision that comes in the same moment counts, and what was joined is left to those
        who asked first."""
        try:
            return await self.ask(
                topic=topic,
                payload=payload,
                summary=summary,
                timeout=timeout,
                idempotency_key=idempotency_key,
                **claims,
            )
        except StillPending as pending:
            if pending.joined:
                raise
            try:
                await self.cancel(pending.document.id, reason="The agent does not wait any longer")
            except GateRefused as error:
                if error.status != 409:
                    raise
                return await self.wait(pending.document.id, timeout=0)
            raise

    def guard(
        self,
        *,
        topic: str,
        summary: Summary,
        timeout: float | None = None,
        keep: Collection[str] = (),
        permit: str | None = None,
        claims: Claims | Callable[[Mapping[str, Json]], Claims] | None = None,
        executor: AsyncExecutor | None = None,
    ) -> Callable[[Callable[_Arguments, Awaitable[_Result]]], Callable[_Arguments, Awaitable[_Result]]]:
        """Makes a function one that cannot run without being released.

        Each call proposes its arguments as the payload, waits, redeems the grant, runs the function with the payload
        that was *approved*, and reports the outcome. Raises what `ask` raises and what `AsyncExecutor.permit` raises;
        PayloadUnfit where an edited payload does not fit the function. `Guarded` says what `keep` and `permit` do. The
        grant is asked for the executor's audience, unless the claims name another.
        """
        runner = executor or self._executor
        if runner is None:
            raise TypeError("A guard runs what it guards: give the gate, or the guard, an executor")

        def decorate(
            function: Callable[_Arguments, Awaitable[_Result]],
        ) -> Callable[_Arguments, Awaitable[_Result]]:
            guarded = Guarded(function, summary=summary, keep=keep, permit=permit, claims=claims)

            async def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
                asking = guarded.asking(args, kwargs)
                released = await self.ask_or_withdraw(
                    topic=topic,
                    payload=asking.payload,
                    summary=asking.summary,
                    timeout=timeout,
                    **asking.claims_for(runner.audience),
                )
                guarded.check(released)
                async with runner.permit(
                    released.token, released.payload, expected=(released.id, released.version)
                ) as given:
                    return await function(**guarded.arguments(asking, given))  # pyright: ignore[reportCallIssue]

            return dressed(call, function)

        return decorate

    async def _settle(self, request: wire.Request, until: float) -> Released:
        """Ask again and again until it is decided, and its grant there, or the time is up."""
        joined = False
        while True:
            asked = time.monotonic()
            answer: Answer = await self._connection.exchange(request, until=until if request.held else None)
            document = wire.read_action(answer)
            joined = joined or wire.joined(answer)
            left = until - time.monotonic()
            waits = wire.awaits_grant(answer)
            if (document.status != "pending" and not waits) or left <= 0:
                if waits:
                    raise AwaitingCheckpoint(without_grant(document), joined=joined)
                return settled(document, joined=joined)
            pause = wire.pause_before_renewal(answer, asked=request.held, took=time.monotonic() - asked)
            if pause > 0:
                await asyncio.sleep(min(pause, left))
            request = wire.show(document.id, wait=wire.next_wait(until - time.monotonic()))
