"""What Slack shows, read from the store: one action's view, a person's queue, who is on call, a thread's line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from gate.domain.eligibility import counting, may_decide
from gate.domain.oncall import on_call
from gate.domain.people import Directory
from gate.domain.request import ActionRecord
from gate.domain.verdict import ApprovalPlan
from gate.usecases.ports import ActionFilter, Deps, Message, Transaction
from gate.usecases.viewing import action_view, person_ref
from gate.usecases.views import (
    ActionView,
    DecidedLine,
    OnCallLine,
    PersonRef,
    QueueLine,
    QueueView,
    ThreadEvent,
)

LOOK_BACK = timedelta(days=30)
"""How far back "the last ones like it" reach."""

QUEUE_LIMIT = 30
"""Lines of a queue; Slack takes 100 blocks in a Home tab."""

SCAN_LIMIT = 1_000
"""Pending requests looked through for one person's queue."""


async def card_view(deps: Deps, action_id: str) -> ActionView | None:
    """The view of one action as it stands now."""
    directory = deps.rules.current.directory
    async with deps.store.reading() as tx:
        record = await tx.actions.get(action_id)
        if record is None:
            return None
        like_it = await tx.actions.like_it(
            record.agent.id, record.proposal.topic, deps.clock.now() - LOOK_BACK, except_id=record.id
        )
        redeemed = await tx.grants.get(record.redeemed_jti) if record.redeemed_jti else None
        slack_ids = await _slack_ids(tx, directory, _people_of(record, directory))
    return action_view(
        record,
        directory=directory,
        slack_ids=slack_ids,
        like_it=like_it,
        redeemed=redeemed,
        now=deps.clock.now(),
    )


async def queue(deps: Deps, person_id: str) -> QueueView:
    """What this person may decide now, the soonest deadline first, and what they decided lately."""
    directory = deps.rules.current.directory
    now = deps.clock.now()
    async with deps.store.reading() as tx:
        pending = await tx.actions.pending(limit=SCAN_LIMIT)
        mine = [r for r in pending if _waits_for(r, person_id, directory)]
        lines = [await _line(tx, r, directory) for r in mine[:QUEUE_LIMIT]]
        recent = await tx.actions.page(ActionFilter(since=now - timedelta(days=7)), cursor=None, limit=200)
        slack_ids = await _slack_ids(tx, directory, (person_id,))
    decided = [
        DecidedLine(
            action_id=r.id, summary=r.proposal.summary, status=r.status, at=r.decided_at or r.created_at
        )
        for r in recent.items
        if r.status.terminal and any(v.person == person_id for v in r.votes)
    ]
    return QueueView(
        person=person_ref(person_id, directory, slack_ids),
        now=now,
        mine=tuple(lines),
        more=len(mine) - len(lines),
        decided=tuple(sorted(decided, key=lambda d: d.at, reverse=True)[:5]),
    )


async def oncall(deps: Deps) -> tuple[OnCallLine, ...]:
    """Every rota with who has it now."""
    directory = deps.rules.current.directory
    now = deps.clock.now()
    duties = {name: on_call(rota, now) for name, rota in directory.rotas.items()}
    async with deps.store.reading() as tx:
        ids = [p for d in duties.values() for p in (d.person, d.next_person) if p is not None]
        slack_ids = await _slack_ids(tx, directory, ids)

    def ref(person_id: str | None) -> PersonRef | None:
        return person_ref(person_id, directory, slack_ids) if person_id is not None else None

    return tuple(
        OnCallLine(rota=name, person=ref(d.person), until=d.until, next_person=ref(d.next_person))
        for name, d in sorted(duties.items())
    )


async def thread_event(deps: Deps, message: Message) -> ThreadEvent | None:
    """The thread line a `thread` message of the outbox stands for; None where the action is gone."""
    directory = deps.rules.current.directory
    body = message.body
    person = body.get("person")
    mention = [p for p in body.get("mention", ()) if isinstance(p, str)]
    async with deps.store.reading() as tx:
        if await tx.actions.get(message.action_id) is None:
            return None
        slack_ids = await _slack_ids(tx, directory, [*mention, *([person] if person else [])])
    at = body.get("at")
    return ThreadEvent(
        action_id=message.action_id,
        kind=str(body.get("event", "")),
        at=datetime.fromtimestamp(at / 1_000_000, UTC) if isinstance(at, int) else message.created_at,
        who=person_ref(person, directory, slack_ids) if isinstance(person, str) else None,
        detail={k: v for k, v in body.items() if k not in ("event", "at", "person", "mention")},
        mention=tuple(person_ref(p, directory, slack_ids) for p in mention),
    )


def _waits_for(record: ActionRecord, person_id: str, directory: Directory) -> bool:
    return may_decide(record, person_id, directory) is None and person_id not in counting(record, directory)


async def _line(tx: Transaction, record: ActionRecord, directory: Directory) -> QueueLine:
    plan = record.plan or ApprovalPlan()
    card = await tx.cards.get(record.id)
    return QueueLine(
        action_id=record.id,
        version=record.version.number,
        summary=record.proposal.summary,
        risk=record.verdict.effective.risk,
        agent_name=record.agent.name,
        sla_at=record.sla_at,
        held=record.held,
        approvals=len(counting(record, directory)),
        quorum=max(plan.quorum, len(plan.distinct_groups)),
        channel=card.channel if card is not None and card.ts else None,
        message_ts=card.ts if card is not None else None,
    )


def _people_of(record: ActionRecord, directory: Directory) -> tuple[str, ...]:
    owner = directory.find(record.agent.owner)
    return (
        owner.id if owner else record.agent.owner,
        *record.asked,
        *(v.person for v in record.votes),
        *(v.editor for v in record.versions if v.editor),
    )


async def _slack_ids(tx: Transaction, directory: Directory, people: Iterable[str]) -> dict[str, str]:
    """Pinned Slack ids of the people whom people.yaml gives none."""
    found: dict[str, str] = {}
    for person_id in dict.fromkeys(people):
        person = directory.people.get(person_id)
        if person is not None and person.slack is None:
            pin = await tx.pins.by_person(person_id)
            if pin is not None:
                found[person_id] = pin.user_id
    return found
