"""A person changes the payload: it is held to schema and policy again, and becomes a version without votes."""

from __future__ import annotations

from gate.contract.canonical import canonical, payload_sha256
from gate.domain.editing import edit as edited
from gate.domain.masking import is_masked, masked_text
from gate.domain.people import Directory
from gate.domain.refusal import FieldProblem, Refused
from gate.domain.request import ActionRecord
from gate.domain.routing import NO_LOADS
from gate.domain.second_review import blind
from gate.domain.transitions import Change
from gate.domain.verdict import ApprovalPlan, Decision
from gate.domain.voting import approve
from gate.policy.constraints import Violation, check
from gate.policy.edits import FieldError, check_edit
from gate.usecases.commands import Done, EditPayload
from gate.usecases.decide import overdue
from gate.usecases.directory import directory_now
from gate.usecases.judging import judge_edit
from gate.usecases.loads import loads_around, loads_for, one_at_a_time, resting
from gate.usecases.ports import Deps, Transaction
from gate.usecases.rebalance import spread
from gate.usecases.transact import on_action

MAX_PAYLOAD_BYTES = 256 * 1024
"""An edit may not grow a payload past what an agent may propose."""


async def edit(deps: Deps, cmd: EditPayload) -> Done | Refused:
    """The record with the new version, and with the editor's vote for it where asked for. `Refused.problems`
    point at the payload's fields that the schema, the editable paths or the policy do not accept (INV-10)."""
    late: Refused | None = None

    async def change(tx: Transaction, before: ActionRecord) -> list[Change] | Refused:
        nonlocal late
        late = None
        now = deps.clock.now()
        directory = await directory_now(deps, tx, hold=True)
        fired = await overdue(deps, tx, before, directory)
        record = fired[-1].record if fired else before
        result = await _edited(deps, tx, record, cmd, directory)
        if isinstance(result, Refused):
            late = result if fired else None
            return fired or result
        changes = [*fired, result]
        if cmd.approve:
            care = deps.rules.current.policy.care
            edited_one = result.record
            voted = approve(
                edited_one,
                person=cmd.person,
                version=edited_one.version.number,
                comment=cmd.comment,
                directory=directory,
                now=now,
                resting=await resting(tx, cmd.person, care, now),
                care=care,
                loads=await loads_around(tx, edited_one, directory, care) if blind(edited_one) else NO_LOADS,
                contract=deps.rules.current.policy.contract,
            )
            if isinstance(voted, Refused):
                return _others_decide(voted)
            changes.append(voted)
        return changes

    first = one_at_a_time(deps, cmd.person) if cmd.approve else None
    done = await on_action(deps, cmd.action_id, change, first=first)
    if late is not None and isinstance(done, Done):
        return late
    if isinstance(done, Done) and cmd.approve:
        await spread(deps, cmd.person)
    return done


def _others_decide(voted: Refused) -> Refused:
    """Why the editor's own vote does not count; nothing is saved, so that they can choose to save only."""
    if voted.code != "not_a_reviewer":
        return voted
    return Refused(
        code="edit_refused",
        sentence="For the changed payload policy has others decide; save it without approving it.",
    )


async def _edited(
    deps: Deps, tx: Transaction, record: ActionRecord, cmd: EditPayload, directory: Directory
) -> Change | Refused:
    rules = deps.rules.current
    now = deps.clock.now()
    plan = record.plan or ApprovalPlan()
    problems = (
        ()
        if record.status.terminal
        else check_edit(plan, record.proposal.payload_schema, record.version.payload, cmd.payload)
    )
    body = canonical(cmd.payload)
    if len(body) > MAX_PAYLOAD_BYTES:
        sentence = f"The changed payload has more than {MAX_PAYLOAD_BYTES // 1024} KiB."
        return Refused(code="edit_refused", sentence=sentence)
    verdict = await judge_edit(tx, rules, record, cmd.payload, now)
    care = rules.policy.care
    result = edited(
        record,
        person=cmd.person,
        version=cmd.version,
        payload=cmd.payload,
        payload_sha256=payload_sha256(cmd.payload),
        verdict=verdict,
        comment=cmd.comment,
        directory=directory,
        now=now,
        care=care,
        loads=await loads_for(tx, verdict, directory, care),
        shown=await tx.shown.of(cmd.action_id, cmd.version, cmd.person),
    )
    if isinstance(result, Refused) and result.code != "edit_refused":
        return result
    if problems:
        return Refused(
            code="edit_refused",
            sentence="Some values cannot be accepted.",
            problems=tuple(_problem(record, p) for p in problems),
        )
    if isinstance(result, Refused) and verdict.decision is Decision.DENY:
        broken = check(verdict.constraints, cmd.payload)
        return Refused(
            code=result.code,
            sentence=result.sentence,
            problems=tuple(_problem(record, v) for v in broken),
        )
    return result


def _problem(record: ActionRecord, found: FieldError | Violation) -> FieldProblem:
    """What is wrong with a field, in a sentence that quotes nothing which is masked."""
    sentence = masked_text(record, found.sentence)
    if found.code == "network_allowlist" and is_masked(record, found.pointer):
        sentence = "The host of this address is not one of those that policy allows"
    return FieldProblem(pointer=found.pointer, code=found.code, detail=sentence)
