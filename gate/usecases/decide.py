"""A person votes on the version they saw; deadline and policy are looked at again inside the same transaction."""

from __future__ import annotations

from gate.domain.acting import already
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Choice
from gate.domain.routing import NO_LOADS
from gate.domain.second_review import blind
from gate.domain.timeouts import fire
from gate.domain.transitions import Change
from gate.domain.voting import approve, reject
from gate.usecases.commands import CastVote, Done
from gate.usecases.directory import directory_now
from gate.usecases.judging import judge_payload, judge_release
from gate.usecases.loads import loads_around, one_at_a_time, resting
from gate.usecases.ports import Deps, Transaction
from gate.usecases.rebalance import spread
from gate.usecases.transact import on_action


async def overdue(deps: Deps, tx: Transaction, record: ActionRecord, directory: Directory) -> list[Change]:
    """The deadlines that have come but not been fired yet, in order: they count before anybody's word (INV-28).

    A request that nobody decided in time must not be approved because the ticker was late.
    """
    changes: list[Change] = []
    now = deps.clock.now()
    rules = deps.rules.current
    while (due := record.deadline) is not None and due.due_at <= now:
        fired = fire(
            record,
            seq=due.seq,
            now=now,
            directory=directory,
            repage_sec=deps.limits.repage_sec,
            judged_again=await judge_release(tx, rules, record, now),
            break_glass=rules.policy.break_glass,
        )
        if isinstance(fired, Refused):
            break
        changes.append(fired)
        record = fired.record
    return changes


async def decide(deps: Deps, cmd: CastVote) -> Done | Refused:
    """The record after the vote, or why it does not count. Exactly one of two racing votes decides (INV-03);
    eligibility is checked on the directory in force (INV-13), policy on the set in force (INV-14), and whether this
    person needs a break before they approve anything more."""
    late: Refused | None = None

    async def vote(tx: Transaction, before: ActionRecord) -> list[Change] | Refused:
        nonlocal late
        late = None
        rules = deps.rules.current
        now = deps.clock.now()
        directory = await directory_now(deps, tx, hold=True)
        fired = await overdue(deps, tx, before, directory)
        record = fired[-1].record if fired else before
        shown = await tx.shown.of(cmd.action_id, cmd.version, cmd.person)
        if cmd.choice is Choice.REJECT:
            result = reject(
                record,
                person=cmd.person,
                version=cmd.version,
                category=cmd.category or "other",
                comment=cmd.comment,
                directory=directory,
                now=now,
                shown=shown,
            )
        else:
            again = None
            if not record.status.terminal and rules.policy.digest != record.version.policy_digest:
                again = await judge_payload(tx, rules, record, record.version.payload, now)
            care = rules.policy.care
            result = approve(
                record,
                person=cmd.person,
                version=cmd.version,
                comment=cmd.comment,
                directory=directory,
                now=now,
                judged_again=again,
                resting=await resting(tx, cmd.person, care, now),
                care=care,
                loads=await loads_around(tx, record, directory, care) if blind(record) else NO_LOADS,
                contract=rules.policy.contract,
                shown=shown,
            )
        if isinstance(result, Refused):
            if not fired:
                return result
            # The overdue transitions are due whatever becomes of this vote.
            late = result if not record.status.terminal else already(record, directory)
            return fired
        return [*fired, result]

    done = await on_action(deps, cmd.action_id, vote, first=one_at_a_time(deps, cmd.person))
    if late is not None and isinstance(done, Done):
        return late
    if isinstance(done, Done) and cmd.choice is Choice.APPROVE:
        await spread(deps, cmd.person)
    return done
