"""What people see of emergencies before they act: what they may release, whom that calls, what waits for review."""

from __future__ import annotations

from gate.domain.breaking import OFF, may_break, supervisors
from gate.domain.emergency import Emergency
from gate.domain.masking import masked
from gate.domain.people import Directory
from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord
from gate.domain.supervision import may_review
from gate.usecases.break_glass import MOST_OPEN, judged_again, unreviewed
from gate.usecases.directory import directory_now
from gate.usecases.ports import Deps, Transaction
from gate.usecases.slack_ids import slack_ids_of
from gate.usecases.transact import UNKNOWN
from gate.usecases.viewing import person_ref
from gate.usecases.views import GlassView, QueueLine, ReviewLine

SCAN_LIMIT = 1_000
"""Pending requests looked through for what one person may release."""
MOST_SHOWN = 100
"""What a list to choose from takes."""


async def releasable(deps: Deps, person_id: str) -> tuple[QueueLine, ...] | Refused:
    """The waiting requests this person may release in an emergency now, the soonest deadline first; a refusal where
    one and the same reason keeps them from every request. The policy in force is asked again by `glass`, not here."""
    now = deps.clock.now()
    rules = deps.rules.current.policy.break_glass
    if rules is None:
        return OFF
    async with deps.store.reading() as tx:
        directory = await directory_now(deps, tx)
        owed = await unreviewed(tx, person_id)
        found: list[ActionRecord] = []
        why: dict[str, Refused] = {}
        for record in await tx.actions.pending(limit=SCAN_LIMIT):
            problem = may_break(record, person_id, rules, directory, now, unreviewed=owed)
            if problem is None:
                found.append(record)
            else:
                why.setdefault(problem.sentence, problem)
    if not found and len(why) == 1:
        return next(iter(why.values()))
    return tuple(_line(record) for record in found[:MOST_SHOWN])


async def glass(deps: Deps, person_id: str, action_id: str) -> GlassView | Refused:
    """What releasing this request would mean for this person, or why they may not. The use-case looks again."""
    now = deps.clock.now()
    current = deps.rules.current
    rules = current.policy.break_glass
    async with deps.store.reading() as tx:
        directory = await directory_now(deps, tx)
        record = await tx.actions.get(action_id)
        if record is None:
            return UNKNOWN
        problem = may_break(
            record,
            person_id,
            rules,
            directory,
            now,
            judged_again=await judged_again(tx, current, record, now),
            unreviewed=await unreviewed(tx, person_id),
        )
        if problem is not None or rules is None:
            return problem or OFF
        called = supervisors(record, person_id, rules, directory, now)
        slack_ids = await slack_ids_of(tx, directory, called)
    return GlassView(
        supervisors=tuple(person_ref(p, directory, slack_ids) for p in called),
        via=rules.via,
        max_valid_sec=rules.max_valid_sec,
        review_sla_sec=rules.review_sla_sec,
    )


async def reviewable(deps: Deps, person_id: str, action_id: str) -> Refused | None:
    """None where this person may review this release now; otherwise why not."""
    rules = deps.rules.current.policy.break_glass
    async with deps.store.reading() as tx:
        directory = await directory_now(deps, tx)
        record = await tx.actions.get(action_id)
    if record is None:
        return UNKNOWN
    return may_review(record, person_id, rules, directory, deps.clock.now())


async def to_review(
    deps: Deps, tx: Transaction, directory: Directory, person_id: str
) -> tuple[ReviewLine, ...]:
    """The emergency releases this person has to look at, the longest due first."""
    now = deps.clock.now()
    rules = deps.rules.current.policy.break_glass
    mine = [
        record
        for record in await tx.actions.in_review(limit=MOST_OPEN)
        if may_review(record, person_id, rules, directory, now) is None
    ]
    slack_ids = await slack_ids_of(tx, directory, [r.emergency.person for r in mine if r.emergency])
    lines: list[ReviewLine] = []
    for record in mine[:MOST_SHOWN]:
        emergency = record.emergency
        if emergency is None:
            continue
        card = await tx.cards.get(record.id)
        lines.append(
            ReviewLine(
                action_id=record.id,
                version=record.version.number,
                summary=masked(record).proposal.summary,
                risk=record.verdict.effective.risk,
                person=person_ref(emergency.person, directory, slack_ids),
                at=emergency.at,
                due_at=emergency.review_due_at,
                overdue=emergency.review_due_at <= now,
                channel=card.channel if card is not None and card.ts else None,
                message_ts=card.ts if card is not None else None,
            )
        )
    return tuple(lines)


def people_of(emergency: Emergency) -> tuple[str, ...]:
    """Everybody an emergency release names."""
    reviewer = (emergency.review.person,) if emergency.review is not None else ()
    return (emergency.person, *emergency.supervisors, *reviewer)


def _line(record: ActionRecord) -> QueueLine:
    return QueueLine(
        action_id=record.id,
        version=record.version.number,
        summary=masked(record).proposal.summary,
        risk=record.verdict.effective.risk,
        agent_name=record.agent.name,
        sla_at=record.sla_at,
        held=record.held,
        approvals=0,
        quorum=record.plan.quorum if record.plan is not None else 1,
        channel=None,
    )
