"""What Slack shows, read from the store: one action's view, a person's queue, who is on call, a thread's line."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from gate.domain.eligibility import Standing, counting, stand_ins, standing, voices
from gate.domain.masking import masked
from gate.domain.oncall import on_call
from gate.domain.people import Directory
from gate.domain.request import ActionRecord
from gate.domain.second_review import blind, veiled
from gate.domain.verdict import ApprovalPlan
from gate.usecases.delegations import of_person
from gate.usecases.directory import directory_now
from gate.usecases.emergencies import people_of, to_review
from gate.usecases.ports import ActionFilter, Deps, Message, Transaction
from gate.usecases.slack_ids import slack_ids_of
from gate.usecases.unknowns import unknown_of
from gate.usecases.viewing import action_view, left_in_peace, person_ref
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
    tx = deps.store.now
    directory = await directory_now(deps, tx)
    record = await tx.actions.get(action_id)
    return None if record is None else await view_of(deps, tx, record, directory)


async def view_of(
    deps: Deps, tx: Transaction, record: ActionRecord, directory: Directory, *, whole: bool = False
) -> ActionView:
    """The view of a record that was just read; `whole` as `action_view` has it."""
    like_it = await tx.actions.like_it(
        record.agent.id, record.proposal.topic, deps.clock.now() - LOOK_BACK, except_id=record.id
    )
    redeemed = await tx.grants.get(record.redeemed_jti) if record.redeemed_jti else None
    return action_view(
        record,
        directory=directory,
        slack_ids=await slack_ids_of(tx, directory, _people_of(record, directory)),
        like_it=like_it,
        redeemed=redeemed,
        now=deps.clock.now(),
        whole=whole,
    )


async def queue(deps: Deps, person_id: str) -> QueueView:
    """What this person may decide now, the soonest deadline first, and what they decided lately."""
    now = deps.clock.now()
    async with deps.store.reading() as tx:
        directory = await directory_now(deps, tx)
        pending = await tx.actions.pending(limit=SCAN_LIMIT)
        found = ((r, _waits_for(r, person_id, directory)) for r in pending)
        mine = [(r, s) for r, s in found if s is not None]
        if len(mine) > QUEUE_LIMIT:  # what is cut off is not what matters most
            mine.sort(key=lambda waiting: -waiting[0].verdict.effective.risk.rank)
        grantors = await slack_ids_of(tx, directory, [s.on_behalf_of for _, s in mine if s.on_behalf_of])
        lines = [await _line(tx, r, s, directory, grantors) for r, s in mine[:QUEUE_LIMIT]]
        lent = await of_person(deps, tx, person_id)
        reviews = await to_review(deps, tx, directory, person_id)
        unknown = await unknown_of(deps, tx, directory, person_id)
        recent = await tx.actions.page(ActionFilter(since=now - timedelta(days=7)), cursor=None, limit=200)
        slack_ids = await slack_ids_of(tx, directory, (person_id,))
    decided = [
        DecidedLine(
            action_id=r.id,
            summary=masked(r).proposal.summary,
            status=r.status,
            at=r.decided_at or r.created_at,
        )
        for r in recent.items
        if r.status.terminal and any(person_id in (v.person, v.on_behalf_of) for v in r.votes)
    ]
    return QueueView(
        person=person_ref(person_id, directory, slack_ids),
        now=now,
        mine=tuple(lines),
        more=len(mine) - len(lines),
        by_risk=Counter(r.verdict.effective.risk for r, _ in mine),
        decided=tuple(sorted(decided, key=lambda d: d.at, reverse=True)[:5]),
        delegations=lent,
        reviews=reviews,
        unknown=unknown,
    )


async def oncall(deps: Deps) -> tuple[OnCallLine, ...]:
    """Every rota with who has it now."""
    directory = deps.rules.current.directory
    now = deps.clock.now()
    duties = {name: on_call(rota, now) for name, rota in directory.rotas.items()}
    async with deps.store.reading() as tx:
        ids = [p for d in duties.values() for p in (d.person, d.next_person) if p is not None]
        slack_ids = await slack_ids_of(tx, directory, ids)

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
    person, grantor = body.get("person"), body.get("on_behalf_of")
    mention = [p for p in body.get("mention", ()) if isinstance(p, str)]
    tx = deps.store.now
    record = await tx.actions.get(message.action_id)
    if record is None:
        return None
    named = [p for p in (person, grantor) if isinstance(p, str)]
    slack_ids = await slack_ids_of(tx, directory, [*mention, *named])
    said = body.get("at")
    at = datetime.fromtimestamp(said / 1_000_000, UTC) if isinstance(said, int) else message.created_at
    now = deps.clock.now()
    return ThreadEvent(
        action_id=message.action_id,
        kind=str(body.get("event", "")),
        at=at,
        who=person_ref(person, directory, slack_ids) if isinstance(person, str) else None,
        detail={
            k: v for k, v in body.items() if k not in ("event", "at", "person", "mention", "on_behalf_of")
        },
        on_behalf_of=person_ref(grantor, directory, slack_ids) if isinstance(grantor, str) else None,
        mention=tuple(
            left_in_peace(person_ref(p, directory, slack_ids), record, directory, since=at, now=now)
            for p in mention
        ),
    )


def _waits_for(record: ActionRecord, person_id: str, directory: Directory) -> Standing | None:
    """In whose right this person may still approve; None where they may not, or nobody counts any more."""
    spoken = voices(record, directory)
    if blind(record):  # a line that goes away would tell somebody else that there was a vote
        spoken = tuple(voice for voice in spoken if voice.person == person_id)
    used = frozenset[str]().union(*(voice.uses_up for voice in spoken))
    mine = standing(record, person_id, directory, used)
    return mine if isinstance(mine, Standing) and used.isdisjoint(mine.uses_up) else None


async def _line(
    tx: Transaction,
    record: ActionRecord,
    mine: Standing,
    directory: Directory,
    slack_ids: dict[str, str],
) -> QueueLine:
    plan = record.plan or ApprovalPlan()
    card = await tx.cards.get(record.id)
    return QueueLine(
        action_id=record.id,
        version=record.version.number,
        summary=masked(record).proposal.summary,
        risk=record.verdict.effective.risk,
        agent_name=record.agent.name,
        sla_at=record.sla_at,
        held=record.held,
        approvals=len(counting(veiled(record), directory)),
        quorum=max(plan.quorum, len(plan.distinct_groups)),
        channel=card.channel if card is not None and card.ts else None,
        message_ts=card.ts if card is not None else None,
        on_behalf_of=person_ref(mine.on_behalf_of, directory, slack_ids) if mine.on_behalf_of else None,
    )


def _people_of(record: ActionRecord, directory: Directory) -> tuple[str, ...]:
    owner = directory.find(record.agent.owner)
    return (
        owner.id if owner else record.agent.owner,
        *record.asked,
        *(p for v in record.votes for p in (v.person, v.on_behalf_of) if p is not None),
        *(p for pair in stand_ins(record, record.asked, directory) for p in pair),
        *(v.editor for v in record.versions if v.editor),
        *(people_of(record.emergency) if record.emergency else ()),
        *((record.revoked_by,) if record.revoked_by else ()),
    )
