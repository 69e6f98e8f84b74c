"""The same gate and executor for programs without asyncio: each call runs the asynchronous one in a private loop.

The loop lives in a thread of its own, so it works in any thread, also where another loop is running. What a guarded
function or a permit's block does, it does in the caller's thread.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar, Unpack

from gate.client import grants
from gate.client.aio import DEFAULT_TIMEOUT, AsyncGate
from gate.client.executing import AsyncExecutor
from gate.client.grants import Grant
from gate.client.guard import Guarded, Summary, dressed
from gate.client.keys import MAX_AGE
from gate.client.permits import Permit
from gate.client.released import Released
from gate.client.wire import Claims, Patience
from gate.contract.action import ActionDocument
from gate.contract.canonical import Json
from gate.contract.fields import OutcomeResult


class _Closable(Protocol):
    async def aclose(self) -> None: ...


_Core = TypeVar("_Core", bound=_Closable)
_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


class _Portal(Generic[_Core]):
    """A thread with a loop, started by the first call, in which one asynchronous object lives."""

    def __init__(self, core: _Core) -> None:
        self.core = core
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        atexit.register(_close_if_alive, weakref.ref(self))

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """What the work returns or raises. Where the caller is interrupted, the work is cancelled."""
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._running())
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread; a later call would start another."""
        if self._pid != os.getpid():
            return
        loop = self._running()  # also where nothing was called yet: the object may hold a file
        with self._lock:
            thread, self._thread, self._loop = self._thread, None, None
        try:
            asyncio.run_coroutine_threadsafe(self.core.aclose(), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            if thread is not None:
                thread.join()

    @property
    def running(self) -> bool:
        return self._loop is not None

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            # Neither a thread nor the lock of a journal is safe to share with a parent.
            raise RuntimeError("This was made before a fork; make one in each process")
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="signoff-client", daemon=True
                )
                self._thread.start()
            return self._loop


class Executor:
    """`AsyncExecutor` for programs without asyncio; the parameters are the same."""

    def __init__(
        self,
        url: str,
        *,
        key: str,
        audience: str = grants.AUDIENCE,
        journal: Path | str | None = None,
        pinned: Collection[str] | None = None,
        issuer: str = grants.ISSUER,
        keys_max_age: float = MAX_AGE,
        leeway: float = grants.LEEWAY,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
        plain_http: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._portal = _Portal(
            AsyncExecutor(
                url,
                key=key,
                audience=audience,
                journal=journal,
                pinned=pinned,
                issuer=issuer,
                keys_max_age=keys_max_age,
                leeway=leeway,
                patience=patience,
                tls=tls,
                plain_http=plain_http,
                clock=clock,
            )
        )

    def __repr__(self) -> str:
        return repr(self._portal.core).removeprefix("Async")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def audience(self) -> str:
        return self._portal.core.audience

    def close(self) -> None:
        self._portal.close()

    def verify(self, token: str, payload: Mapping[str, Json]) -> Grant:
        """See `AsyncExecutor.verify`."""
        return self._portal.run(self._portal.core.verify(token, payload))

    @contextmanager
    def permit(
        self, token: str, payload: Mapping[str, Json], *, expected: tuple[str, int] | None = None
    ) -> Iterator[Permit]:
        """See `AsyncExecutor.permit`."""
        core = self._portal.core
        permit = self._portal.run(core.begin(token, payload, expected=expected))
        try:
            yield permit
        except BaseException as error:
            self._portal.run(core.finish(permit, error))
            raise
        self._portal.run(core.finish(permit, None))

    def report(
        self,
        action_id: str,
        result: OutcomeResult,
        *,
        detail: str | None = None,
        defect: bool = False,
        incident: bool = False,
    ) -> ActionDocument:
        """See `AsyncExecutor.report`."""
        work = self._portal.core.report(action_id, result, detail=detail, defect=defect, incident=incident)
        return self._portal.run(work)

    def recover(self) -> Mapping[str, OutcomeResult]:
        """See `AsyncExecutor.recover`."""
        return self._portal.run(self._portal.core.recover())


class Gate:
    """`AsyncGate` for programs without asyncio; the parameters are the same, with a synchronous executor."""

    def __init__(
        self,
        url: str,
        *,
        key: str,
        executor: Executor | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
        plain_http: bool = False,
    ) -> None:
        self._executor = executor
        self._portal = _Portal(
            AsyncGate(url, key=key, timeout=timeout, patience=patience, tls=tls, plain_http=plain_http)
        )

    def __repr__(self) -> str:
        return repr(self._portal.core).removeprefix("Async")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._portal.close()

    def propose(
        self,
        *,
        topic: str,
        payload: Mapping[str, Json],
        summary: str,
        idempotency_key: str | None = None,
        **claims: Unpack[Claims],
    ) -> ActionDocument:
        """See `AsyncGate.propose`."""
        return self._portal.run(
            self._portal.core.propose(
                topic=topic, payload=payload, summary=summary, idempotency_key=idempotency_key, **claims
            )
        )

    def ask(
        self,
        *,
        topic: str,
        payload: Mapping[str, Json],
        summary: str,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        **claims: Unpack[Claims],
    ) -> Released:
        """See `AsyncGate.ask`."""
        return self._portal.run(
            self._portal.core.ask(
                topic=topic,
                payload=payload,
                summary=summary,
                timeout=timeout,
                idempotency_key=idempotency_key,
                **claims,
            )
        )

    def wait(self, action_id: str, *, timeout: float | None = None) -> Released:
        """See `AsyncGate.wait`."""
        return self._portal.run(self._portal.core.wait(action_id, timeout=timeout))

    def action(self, action_id: str) -> ActionDocument:
        """See `AsyncGate.action`."""
        return self._portal.run(self._portal.core.action(action_id))

    def cancel(self, action_id: str, *, reason: str | None = None) -> ActionDocument:
        """See `AsyncGate.cancel`."""
        return self._portal.run(self._portal.core.cancel(action_id, reason=reason))

    def guard(
        self,
        *,
        topic: str,
        summary: Summary,
        timeout: float | None = None,
        keep: Collection[str] = (),
        permit: str | None = None,
        claims: Claims | Callable[[Mapping[str, Json]], Claims] | None = None,
        executor: Executor | None = None,
    ) -> Callable[[Callable[_Arguments, _Result]], Callable[_Arguments, _Result]]:
        """Makes a function one that cannot run without being released; see `AsyncGate.guard`."""
        runner = executor or self._executor
        if runner is None:
            raise TypeError("A guard runs what it guards: give the gate, or the guard, an executor")

        def decorate(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
            guarded = Guarded(function, summary=summary, keep=keep, permit=permit, claims=claims)

            def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
                asking = guarded.asking(args, kwargs)
                released = self._portal.run(
                    self._portal.core.ask_or_withdraw(
                        topic=topic,
                        payload=asking.payload,
                        summary=asking.summary,
                        timeout=timeout,
                        **asking.claims_for(runner.audience),
                    )
                )
                guarded.check(released)
                with runner.permit(
                    released.token, released.payload, expected=(released.id, released.version)
                ) as given:
                    return function(**guarded.arguments(asking, given))  # pyright: ignore[reportCallIssue]

            return dressed(call, function)

        return decorate


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _close_if_alive(reference: weakref.ref[_Portal[Any]]) -> None:
    portal = reference()
    if portal is not None and portal.running:  # no thread can be started at exit
        portal.close()
