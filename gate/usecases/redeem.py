"""An executor redeems a grant right before it acts: once, for its audience, for exactly the approved payload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gate.domain.action import Json
from gate.domain.refusal import Refused
from gate.domain.release import redeem as redeemed
from gate.domain.request import ActionRecord, Grant, GrantState
from gate.usecases.commands import Done, RedeemGrant
from gate.usecases.ports import Deps, Outrun, Transaction
from gate.usecases.transact import ATTEMPTS, announce, commit, presuming_road

INVALID = Refused(code="invalid_grant", sentence="This is no grant of this gate.")


async def redeem(deps: Deps, cmd: RedeemGrant) -> Done | Refused:
    """The record and the grant as redeemed. Two redeemers at once: the guarded revision lets one through, the
    other is told `grant_redeemed` (INV-19)."""
    claims = deps.signer.verify(cmd.token)
    if claims is None or not isinstance(jti := claims.get("jti"), str):
        return INVALID
    for attempt in range(ATTEMPTS):
        try:
            async with presuming_road(deps, attempt, cmd.executor.id) as tx:
                now = deps.clock.now()
                known = _just_issued(tx, claims, jti)
                record, grant = known or await _stored(tx, jti)
                if grant is None or record is None:
                    return INVALID
                change = redeemed(
                    record, grant, executor=cmd.executor, payload_sha256=cmd.payload_sha256, now=now
                )
                if isinstance(change, Refused):
                    if known is not None:
                        continue  # for what may be old nobody is refused
                    return change
                if not await tx.grants.move(jti, to=GrantState.REDEEMED, at=now, by=cmd.executor.id):
                    raise Outrun
                await commit(deps, tx, record, [change])
        except Outrun:
            continue
        announce(deps, change.record.id, [change])
        used = replace(grant, state=GrantState.REDEEMED, redeemed_at=now, redeemed_by=cmd.executor.id)
        return Done(record=change.record, grant=used)
    return Refused(code="conflict", sentence="Too much is happening to this grant at once; try again.")


def _just_issued(tx: Transaction, claims: Mapping[str, Json], jti: str) -> tuple[ActionRecord, Grant] | None:
    """The grant that this process issued, with its action as it was then; both are changed only as long as nothing has
    happened to either since."""
    action_id = claims.get("act")
    known = tx.actions.known(action_id) if isinstance(action_id, str) else None
    if known is None or known.grant is None or known.grant.jti != jti:
        return None
    return known.record, known.grant


async def _stored(tx: Transaction, jti: str) -> tuple[ActionRecord | None, Grant | None]:
    grant = await tx.grants.get(jti)
    return await tx.actions.get(grant.action) if grant is not None else None, grant
