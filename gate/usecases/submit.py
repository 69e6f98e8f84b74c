"""An agent proposes an action: judge it, store the answer durably, and mint a grant where policy released it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gate.contract.canonical import payload_sha256
from gate.domain.audit import canonical_bytes
from gate.domain.callbacks import callback_problem
from gate.domain.joining import join, out_of_time, twin_of
from gate.domain.merkle import leaf_hash
from gate.domain.refusal import FieldProblem, Refused
from gate.domain.release import waits_for_checkpoint
from gate.domain.request import ActionRecord, Grant, Status
from gate.domain.submission import submit as first_change
from gate.domain.transitions import Change
from gate.domain.verdict import Decision, Verdict
from gate.usecases.collect import sign
from gate.usecases.commands import Done, SubmitAction
from gate.usecases.directory import directory_now
from gate.usecases.judging import judge
from gate.usecases.loads import loads_for, looked_at
from gate.usecases.ports import AloneOnly, Deps, Outrun, Rules, Transaction
from gate.usecases.transact import ALONE, UNKNOWN, announce, commit, presuming_road

KEY_CHANGED = Refused(
    code="unauthenticated",
    sentence="This key was revoked, rotated out or given other rights at this very moment.",
)


async def submit(deps: Deps, cmd: SubmitAction) -> Done | Refused:
    """The stored answer. The same Idempotency-Key and body give the same action (INV-40, INV-42); the same
    key with another body is refused as `key_reused` (INV-41). Nothing is answered before the commit (INV-43).

    What people would be asked for and equals a pending action of the same agent joins it instead: its answer is that
    action's, and its key leads there for ever."""
    digest = payload_sha256(cmd.proposal.payload)
    problem = cmd.proposal.callback_url and callback_problem(
        cmd.proposal.callback_url, deps.limits.callback_hosts
    )
    if problem:
        return Refused(
            code="callback_refused",
            sentence=problem,
            problems=(FieldProblem(pointer="/callback_url", code="callback_refused", detail=problem),),
        )
    attempt = 0
    while True:
        try:
            async with presuming_road(deps, attempt, cmd.agent.id) as tx:
                rules, now = deps.rules.current, deps.clock.now()
                if cmd.key_sha256 is not None and not await tx.agents.still(cmd.agent, cmd.key_sha256, now):
                    return KEY_CHANGED
                # At first the key is taken for new: whether it is, the commit finds out anyway.
                before = await _replayed(tx, cmd) if attempt else None
                if before is not None:
                    return before
                verdict = await judge(tx, rules, cmd.agent, cmd.proposal, digest, now)
                asks = verdict.decision is Decision.REQUIRE_APPROVAL
                # Only what waits has a twin: what policy answers at once does not pay for looking.
                twin = twin_of(cmd.proposal, digest) if asks and rules.policy.care.join_duplicates else None
                waiting = await tx.actions.waiting_twin(cmd.agent.id, twin) if twin is not None else None
                if waiting is not None and out_of_time(waiting, now):
                    waiting, twin = None, None  # it holds the place of a twin until its timer fires
                joined = await _joined(deps, tx, cmd, waiting) if waiting is not None else None
                if joined is not None:
                    changes, grant = [joined], None
                else:
                    if verdict.plan is not None and looked_at(rules.policy.care):
                        await tx.asks.choosing()
                    changes = [await _first(deps, tx, cmd, digest, rules, verdict, now)]
                    grant = await _stored(deps, tx, cmd, changes, twin, now)
        except AloneOnly:
            attempt = ALONE
            continue
        except Outrun:
            # Mostly a concurrent twin took the key or the place and has committed, or it is a retry: the next turn
            # finds it.
            attempt += 1
            continue
        record = changes[-1].record
        announce(deps, record.id, changes)
        return Done(record=record, grant=grant, joined=joined is not None)


async def _stored(
    deps: Deps, tx: Transaction, cmd: SubmitAction, changes: list[Change], twin: str | None, now: datetime
) -> Grant | None:
    """Store the new action, and the grant where policy released it; its issue is added to the changes. The action is
    written once, as it is after all of them."""
    grant = None
    record = changes[0].record
    if record.status.released and not waits_for_checkpoint(record):
        leaf = leaf_hash(canonical_bytes(changes[0].audit))
        grant, issued = sign(deps, record, now, leaf=leaf)
        changes.append(issued)
    stored = await tx.actions.add(
        changes[-1].record,
        idempotency_key=cmd.idempotency_key,
        body_sha256=cmd.body_sha256,
        twin=twin if record.status is Status.PENDING else None,
    )
    if not stored:
        raise Outrun
    if grant is not None:
        await tx.grants.add(grant)
    await commit(deps, tx, None, changes)
    return grant


async def _replayed(tx: Transaction, cmd: SubmitAction) -> Done | Refused | None:
    if cmd.idempotency_key is None:
        return None
    found = await tx.actions.by_key(cmd.agent.id, cmd.idempotency_key)
    if found is None:
        return None
    action_id, body_sha256 = found
    if body_sha256 != cmd.body_sha256:
        return Refused(
            code="key_reused",
            sentence="This Idempotency-Key was used before with another body; use a new one.",
        )
    record = await tx.actions.get(action_id)
    return Done(record=record, replayed=True) if record is not None else UNKNOWN


async def _joined(deps: Deps, tx: Transaction, cmd: SubmitAction, before: ActionRecord) -> Change:
    """What joining does to the pending action that this proposal equals, committed."""
    key = cmd.idempotency_key
    if key is not None and not await tx.actions.add_key(
        before, idempotency_key=key, body_sha256=cmd.body_sha256
    ):
        raise Outrun
    change = join(before, now=deps.clock.now())
    await commit(deps, tx, before, [change])
    return change


async def _first(
    deps: Deps,
    tx: Transaction,
    cmd: SubmitAction,
    digest: str,
    rules: Rules,
    verdict: Verdict,
    now: datetime,
) -> Change:
    directory = rules.directory
    if verdict.decision is Decision.REQUIRE_APPROVAL:
        directory = await directory_now(deps, tx)
        waiting = await tx.actions.pending_count(cmd.agent.id, cap=deps.limits.pending_per_agent)
        if waiting >= deps.limits.pending_per_agent:
            verdict = _flooded(verdict, waiting)
    care = rules.policy.care
    return first_change(
        action_id=deps.ids.new("act"),
        agent=cmd.agent,
        proposal=cmd.proposal,
        payload_sha256=digest,
        verdict=verdict,
        directory=directory,
        now=now,
        repage_sec=deps.limits.repage_sec,
        care=care,
        loads=await loads_for(tx, verdict, directory, care),
        input_sha256=cmd.body_sha256,
    )


def _flooded(verdict: Verdict, waiting: int) -> Verdict:
    return replace(
        verdict,
        decision=Decision.THROTTLE,
        plan=None,
        reason=f"{waiting} requests of this agent already wait for people",
        trigger=f"open requests {waiting}",
        retry_after_sec=60,
    )
