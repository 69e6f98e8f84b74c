"""An agent proposes an action: judge it, store the answer durably, and mint a grant where policy released it."""

from __future__ import annotations

from dataclasses import replace

from gate.contract.canonical import payload_sha256
from gate.domain.callbacks import callback_problem
from gate.domain.refusal import FieldProblem, Refused
from gate.domain.submission import submit as first_change
from gate.domain.transitions import Change
from gate.domain.verdict import Decision, Verdict
from gate.usecases.collect import mint
from gate.usecases.commands import Done, SubmitAction
from gate.usecases.directory import directory_now
from gate.usecases.judging import judge
from gate.usecases.ports import Deps, Transaction
from gate.usecases.transact import UNKNOWN, Outrun, announce, commit


async def submit(deps: Deps, cmd: SubmitAction) -> Done | Refused:
    """The stored answer. The same Idempotency-Key and body give the same action (INV-40, INV-42); the same
    key with another body is refused as `key_reused` (INV-41). Nothing is answered before the commit (INV-43)."""
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
    while True:
        try:
            async with deps.store.writing() as tx:
                twin = await _twin(tx, cmd)
                if twin is not None:
                    return twin
                changes = await _changes(deps, tx, cmd, digest)
                record = changes[0].record
                stored = await tx.actions.add(
                    record, idempotency_key=cmd.idempotency_key, body_sha256=cmd.body_sha256
                )
                if not stored:
                    raise Outrun
                await commit(deps, tx, None, changes[:1])
                grant = None
                if record.status.released:
                    grant, issued = await mint(deps, tx, record, deps.clock.now())
                    await commit(deps, tx, record, [issued])
                    changes.append(issued)
        except Outrun:
            # A concurrent twin took the key and has committed: the next turn finds it.
            continue
        announce(deps, record.id, changes)
        return Done(record=changes[-1].record, grant=grant)


async def _twin(tx: Transaction, cmd: SubmitAction) -> Done | Refused | None:
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


async def _changes(deps: Deps, tx: Transaction, cmd: SubmitAction, digest: str) -> list[Change]:
    rules = deps.rules.current
    now = deps.clock.now()
    verdict = await judge(tx, rules, cmd.agent, cmd.proposal, digest, now)
    asks = verdict.decision is Decision.REQUIRE_APPROVAL
    if asks:
        waiting = await tx.actions.pending_count(cmd.agent.id)
        if waiting >= deps.limits.pending_per_agent:
            verdict = _flooded(verdict, waiting)
    change = first_change(
        action_id=deps.ids.new("act"),
        agent=cmd.agent,
        proposal=cmd.proposal,
        payload_sha256=digest,
        verdict=verdict,
        directory=await directory_now(deps, tx) if asks else rules.directory,
        now=now,
        repage_sec=deps.limits.repage_sec,
    )
    return [change]


def _flooded(verdict: Verdict, waiting: int) -> Verdict:
    return replace(
        verdict,
        decision=Decision.THROTTLE,
        plan=None,
        reason=f"{waiting} requests of this agent already wait for people",
        trigger=f"open requests {waiting}",
        retry_after_sec=60,
    )
