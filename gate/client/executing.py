"""The executor's side: verify a grant offline, redeem it, let it be run once, and report what came of it."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from gate.client import grants, wire
from gate.client.errors import (
    GateError,
    GateRefused,
    GrantInvalid,
    GrantRefused,
    RedemptionUnclear,
    Unreachable,
    UnreadableAnswer,
)
from gate.client.grants import Grant, Sealed, seal, signing_key
from gate.client.journal import Journal
from gate.client.keys import MAX_AGE, KeyCache
from gate.client.permits import Ended, Permit
from gate.client.released import without_grant
from gate.client.transport import Connection
from gate.client.wire import Patience
from gate.contract.action import ActionDocument
from gate.contract.canonical import Json
from gate.contract.execution import RedeemOut
from gate.contract.fields import OutcomeResult

_LAST_WORD = 5.0
"""Seconds for reporting when the work itself was broken off: whoever broke it off is waiting."""
_SETTLED = frozenset({"outcome_reported", "not_approved", "unknown_action"})
"""Refusals of a report after which there is nothing more to report."""

_log = logging.getLogger("signoff.client")


class AsyncExecutor:
    """Runs what a gate has released to its audience, with a key of the scope `execute`.

    `journal` names a file in which it keeps what it has begun, so that after a crash `recover` can report it; give
    each process its own. `pinned` names the only key thumbprints (`kid`) that are trusted, whatever the gate
    publishes. `clock` is the wall clock, in seconds since the epoch.
    """

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
        if not 0 <= leeway <= 60:
            raise ValueError("The leeway is a difference of clocks: at most a minute")
        self._connection = Connection(url, key, patience=patience, tls=tls, plain_http=plain_http)
        self.audience = audience
        self._issuer = issuer
        self._leeway = leeway
        self._pinned = None if pinned is None else frozenset(pinned)
        self._cache = KeyCache(max_age=keys_max_age)
        self._fetching = asyncio.Lock()
        self._clock = clock
        self._journal = None if journal is None else Journal(Path(journal))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.url!r}, audience={self.audience!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._connection.aclose()
        if self._journal is not None:
            self._journal.close()

    async def verify(self, token: str, payload: Mapping[str, Json] | Sealed) -> Grant:
        """The grant, if it permits this executor to run this payload now; GrantInvalid otherwise. Nothing is used
        up, and nothing is asked but the public keys, at most every few minutes: it is no permission to run yet."""
        sealed = payload if isinstance(payload, Sealed) else seal(payload)
        kid = signing_key(token)
        async with self._fetching:
            if self._cache.wanting(kid, time.monotonic()):
                answer = await self._connection.exchange(wire.keys())
                fetched = grants.read_keys(wire.read_json(answer), pinned=self._pinned)
                self._cache.take(fetched, time.monotonic())
        return grants.verify(
            token,
            sealed,
            self._cache.current(time.monotonic()),
            audience=self.audience,
            issuer=self._issuer,
            leeway=self._leeway,
            now=self._clock(),
        )

    @asynccontextmanager
    async def permit(
        self, token: str, payload: Mapping[str, Json], *, expected: tuple[str, int] | None = None
    ) -> AsyncIterator[Permit]:
        """Verifies and redeems, then lets the block run once, and reports how it ended.

        Run `permit.payload`. Leaving the block normally reports `succeeded`, ActionFailed `failed`, anything else
        `unknown`. Where this raises before the block, nothing may be run. `expected` is (action id, version), for
        whoever knows which release this should be. An outcome that cannot be reported is logged and kept in the
        journal; it does not undo what was done.
        """
        permit = await self.begin(token, payload, expected=expected)
        try:
            yield permit
        except BaseException as error:
            await self.finish(permit, error)
            raise
        await self.finish(permit, None)

    async def begin(
        self, token: str, payload: Mapping[str, Json], *, expected: tuple[str, int] | None = None
    ) -> Permit:
        """The first half of `permit`, for callers that cannot use a block; `finish` has to follow."""
        sealed = seal(payload)
        grant = await self.verify(token, sealed)
        if expected is not None and expected != (grant.action, grant.version):
            raise GrantInvalid("action")
        await self._note(grant.action, None)
        redeemed = await self._redeem(token, grant, sealed)
        return Permit(grant, sealed, redeemed.constraints or {})

    async def finish(self, permit: Permit, error: BaseException | None) -> None:
        """The second half: report how it ended, `error` being what the work raised. Raises nothing of its own."""
        ended = permit.ended(error)
        await self._note(permit.action, ended.result)
        broken_off = error is not None and not isinstance(error, Exception)
        await self._tell(permit.action, ended, within=_LAST_WORD if broken_off else None)

    async def report(
        self,
        action_id: str,
        result: OutcomeResult,
        *,
        detail: str | None = None,
        defect: bool = False,
        incident: bool = False,
    ) -> ActionDocument:
        """Report an outcome by hand: what `unknown` turned out to be, a defect found later."""
        request = wire.outcome(action_id, result, detail=detail, defect=defect, incident=incident)
        return without_grant(wire.read_action(await self._connection.exchange(request)))

    async def recover(self) -> Mapping[str, OutcomeResult]:
        """Report what an earlier run of this executor began and did not report: `unknown`, where it died before it
        could know more. Call it at every start, before anything is run; returns what the gate now knows by action."""
        reported: dict[str, OutcomeResult] = {}
        for action_id, result in self._journal.left().items() if self._journal else ():
            detail = "The executor ended before it could say." if result == "unknown" else None
            try:
                await self.report(action_id, result, detail=detail)
                reported[action_id] = result
            except GateRefused as error:
                if error.code not in _SETTLED:
                    raise
            await self._forget(action_id)
        return reported

    async def _redeem(self, token: str, grant: Grant, sealed: Sealed) -> RedeemOut:
        """The redemption; whatever it raises, nothing may be run."""
        unclear = True
        try:
            answer = await self._connection.exchange(wire.redeem(token, payload_sha256=sealed.sha256))
            unclear = answer.unclear
            redeemed = wire.read_redeemed(answer)
        except GateRefused as error:
            if error.status >= 500 or (unclear and error.code == "grant_redeemed"):
                # It may well have been this very executor, by a try whose answer was lost. Nobody can tell, so it
                # is not run: an execution that did not happen can be asked for again, a second one not undone.
                await self._tell(grant.action, _UNCLEAR)
                raise RedemptionUnclear(grant.action) from None
            await self._forget(grant.action)
            raise GrantRefused(
                status=error.status, code=error.code, detail=error.detail, request_id=error.request_id
            ) from None
        except Unreachable as error:
            if not error.maybe_arrived:
                await self._forget(grant.action)
                raise
            raise RedemptionUnclear(grant.action) from error
        except UnreadableAnswer:
            raise RedemptionUnclear(grant.action) from None
        except asyncio.CancelledError:
            await self._tell(grant.action, _UNCLEAR, within=_LAST_WORD)
            raise
        if (redeemed.action, redeemed.version) != (grant.action, grant.version):
            await self._tell(grant.action, _UNCLEAR)
            raise RedemptionUnclear(grant.action)
        return redeemed

    async def _tell(self, action_id: str, ended: Ended, *, within: float | None = None) -> None:
        """Report, and keep in the journal what could not be reported."""
        try:
            async with asyncio.timeout(within):
                await self.report(action_id, ended.result, detail=ended.detail)
        except GateRefused as error:
            _log.warning("the outcome of %s was not taken: %s", action_id, error.code)
            if error.code not in _SETTLED:
                return
        except (GateError, TimeoutError) as error:
            _log.warning("the outcome of %s is not reported: %s", action_id, type(error).__name__)
            return
        await self._forget(action_id)

    async def _note(self, action_id: str, result: OutcomeResult | None) -> None:
        if self._journal is None:
            return
        if result is None:
            await asyncio.to_thread(self._journal.begin, action_id)
        else:
            await asyncio.to_thread(self._journal.end, action_id, result)

    async def _forget(self, action_id: str) -> None:
        if self._journal is not None:
            await asyncio.to_thread(self._journal.forget, action_id)


_UNCLEAR = Ended("unknown", "The answer to the redemption was lost; nothing was executed.")
