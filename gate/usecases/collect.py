"""The proposing agent collects its grant: the live one again, or a fresh one while the approval is valid.

A grant for a critical action is minted only once a signed checkpoint covers the record of its release, so that whoever
executes it can prove later, even against this gate's own database, that it was released.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from gate.domain.action import Agent
from gate.domain.refusal import Refused
from gate.domain.release import collectable, issue, lapse, minting, waits_for_checkpoint
from gate.domain.request import ActionRecord, Grant, GrantState
from gate.domain.transitions import Change
from gate.usecases.commands import Done
from gate.usecases.ports import CHECKPOINT, Deps, Outrun, Transaction
from gate.usecases.transact import ATTEMPTS, UNKNOWN, announce, commit, presuming_road

UNCOVERED = Refused(
    code="awaiting_checkpoint",
    sentence="The release is not covered by a signed checkpoint yet; its grant is minted once it is.",
)
OFF_RECORD = Refused(code="not_on_record", sentence="The record of this release cannot be found.")


def sign(deps: Deps, record: ActionRecord, now: datetime, *, leaf: bytes) -> tuple[Grant, Change]:
    """A signed grant for the released version, and its issue, both to be stored in one transaction (INV-23). `leaf` is
    the leaf hash of the record that released it."""
    plan = minting(record, jti=deps.ids.new("grt"), issuer=deps.limits.issuer, leaf=leaf, now=now)
    grant = Grant(
        jti=plan.jti,
        action=record.id,
        version=record.version.number,
        payload_sha256=record.version.payload_sha256,
        audience=plan.audience,
        issued_at=plan.issued_at,
        expires_at=plan.expires_at,
        token=deps.signer.sign(plan.claims),
    )
    return grant, issue(record, grant, now=now)


async def collect(deps: Deps, agent: Agent, action_id: str, *, look_first: bool = True) -> Done | Refused:
    """The record with its live grant. Refused where there is none to be had: `unknown_action` (also for other
    agents' actions), `not_approved`, `grant_redeemed`, `grant_revoked`, `grant_expired`, and for a while
    `awaiting_checkpoint`.

    Two collectors at once get the same grant: the second finds what the first stored (INV-18). `look_first` False
    saves a look for a live grant where there can hardly be one yet: somebody waited, and it was released just now.
    """
    if look_first:
        found = await _standing(deps, agent, action_id)
        if found is not None:
            return found
    for attempt in range(ATTEMPTS):
        try:
            async with presuming_road(deps, attempt, agent.id) as tx:
                found = await _at_once(deps, tx, agent, action_id) or await _fresh(deps, tx, agent, action_id)
        except Outrun:
            continue
        if isinstance(found, Done) and not found.replayed:
            announce(deps, action_id, [])
        return found
    return Refused(code="conflict", sentence="Too much is happening to this action at once; try again.")


async def _standing(deps: Deps, agent: Agent, action_id: str) -> Done | Refused | None:
    """What needs nothing written: the live grant or a refusal; None where a grant has to be minted."""
    now = deps.clock.now()
    tx = deps.store.now
    record = await tx.actions.get(action_id)
    if record is None or record.agent.id != agent.id:
        return UNKNOWN
    refused = collectable(record, now)
    if refused is not None:
        return refused
    grant = await tx.grants.latest(action_id, record.version.number)
    if grant is not None and grant.state is GrantState.ISSUED and now < grant.expires_at:
        return Done(record=record, grant=grant, replayed=True)
    leaf = await _releasing_leaf(tx, record)
    return leaf if isinstance(leaf, Refused) else None


async def _releasing_leaf(tx: Transaction, record: ActionRecord) -> bytes | Refused:
    """The leaf that a grant names; refused where the record of the release is not as durable as it has to be."""
    leaf = await tx.audit.release_of(record.id)
    if leaf is None:
        return OFF_RECORD
    if waits_for_checkpoint(record) and not await tx.tree.covered(leaf):
        return UNCOVERED
    return leaf


async def wait_covered(deps: Deps, action_id: str, timeout: float) -> bool:
    """Whether a signed checkpoint covers the release of the action, waiting up to `timeout` seconds for one.

    Looks once for each checkpoint that is signed; subscribed before the first look, so that none is missed.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    async with deps.wakeups.subscription(CHECKPOINT) as signed:
        while True:
            tx = deps.store.now
            leaf = await tx.audit.release_of(action_id)
            if leaf is not None and await tx.tree.covered(leaf):
                return True
            left = end - loop.time()
            if leaf is None or left <= 0:
                return False
            await signed.wait(left)


async def _at_once(deps: Deps, tx: Transaction, agent: Agent, action_id: str) -> Done | None:
    """The first grant of what this process released itself, which cannot have one yet if nothing has happened to it
    since: then it is committed, and otherwise it is not. None where that is not known, or where it has to be refused or
    to wait, for which what may be old does not do."""
    known = tx.actions.known(action_id)
    if known is None or known.leaf is None or known.record.agent.id != agent.id:
        return None
    now = deps.clock.now()
    if collectable(known.record, now) is not None or waits_for_checkpoint(known.record):
        return None
    return await _minted(deps, tx, known.record, [], known.leaf, now)


async def _minted(
    deps: Deps, tx: Transaction, before: ActionRecord, lapsed: list[Change], leaf: bytes, now: datetime
) -> Done:
    record = lapsed[-1].record if lapsed else before
    grant, issued = sign(deps, record, now, leaf=leaf)
    await tx.grants.add(grant)
    await commit(deps, tx, before, [*lapsed, issued])
    return Done(record=issued.record, grant=grant)


async def _fresh(deps: Deps, tx: Transaction, agent: Agent, action_id: str) -> Done | Refused:
    now = deps.clock.now()
    before = await tx.actions.get(action_id)
    if before is None or before.agent.id != agent.id:
        return UNKNOWN
    refused = collectable(before, now)
    if refused is not None:
        return refused
    last = await tx.grants.latest(action_id, before.version.number)
    if last is not None and last.state is GrantState.ISSUED and now < last.expires_at:
        return Done(record=before, grant=last, replayed=True)
    leaf = await _releasing_leaf(tx, before)
    if isinstance(leaf, Refused):
        return leaf
    lapsed: list[Change] = []
    if last is not None and last.state is GrantState.ISSUED:
        await tx.grants.move(last.jti, to=GrantState.EXPIRED, at=now)
        lapsed.append(lapse(before, last, now=now))
    return await _minted(deps, tx, before, lapsed, leaf, now)
