"""Requests that share one message in Slack: which do, where they are put, and what the message shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gate.domain.bursts import GATHER, WITHIN, Ping, in_peace, last_call, shares
from gate.domain.eligibility import counting
from gate.domain.masking import masked
from gate.domain.people import Directory
from gate.domain.quiet import waits_for
from gate.domain.request import ActionRecord
from gate.domain.risk import Risk
from gate.domain.second_review import veiled
from gate.domain.verdict import ApprovalPlan
from gate.usecases.directory import directory_now
from gate.usecases.ports import Asking, Deps, Digest, Transaction, Unplaced
from gate.usecases.slack_ids import slack_ids_of
from gate.usecases.viewing import person_ref
from gate.usecases.views import DigestItem, DigestView

ITEMS = 12
"""Requests shown in one digest, each with its buttons; Slack takes 50 blocks a message."""
FULL = 200
"""Members of one digest; what comes after them opens the next."""

GoesTo = Callable[[ApprovalPlan | None], Awaitable[str | None]]
"""The channel a request with this plan goes to, as far as that is known."""


async def gathers_until(deps: Deps, record: ActionRecord, channel: str) -> datetime | None:
    """Until when a request waits for others of its kind before it gets a place of its own; None where it may now.

    The first of a minute and a critical one never wait."""
    until = record.created_at + GATHER
    now = deps.clock.now()
    if record.verdict.effective.risk is Risk.CRITICAL or now >= until:
        return None
    placed = await deps.store.now.cards.placed(record.agent.id, channel, now - WITHIN)
    return until if placed else None


async def sharing(deps: Deps, record: ActionRecord, channel: str, goes_to: GoesTo) -> tuple[str, ...]:
    """The requests that are to share a message in the channel, this one among them; none where it gets its own card."""
    risk = record.verdict.effective.risk
    if risk is Risk.CRITICAL:
        return ()
    above = deps.rules.current.policy.care.digest_above
    # Placed first: what finds a place in between is then in neither, and never in both.
    placed = await deps.store.now.cards.placed(record.agent.id, channel, deps.clock.now() - WITHIN)
    unplaced = await deps.store.now.cards.unplaced(record.agent.id, limit=max(FULL, above + 1))
    here: list[Unplaced] = []
    known: dict[tuple[object, ...], str | None] = {}
    for each in unplaced:
        key = _says_where(each.plan)
        if key not in known:
            known[key] = await goes_to(each.plan)
        if known[key] == channel or each.action_id == record.id:
            here.append(each)
    waiting: dict[Risk, int] = {}
    for each in here:
        waiting[each.risk] = waiting.get(each.risk, 0) + 1
    if not shares(risk, placed, waiting, above=above):
        return ()
    others = [e for e in here if e.action_id != record.id and shares(e.risk, placed, waiting, above=above)]
    return (record.id, *(e.action_id for e in others))


async def join(deps: Deps, agent_id: str, channel: str, action_ids: Sequence[str]) -> str | None:
    """Put requests into the agent's open digest in the channel, or into a new one; its id, None where others were
    quicker: look again then. One that took no request for a minute, or is full, takes no more."""
    now = deps.clock.now()
    async with deps.store.writing() as tx:
        digest = await tx.digests.open_one(agent_id, channel)
        if digest is not None and (digest.members >= FULL or now - digest.added_at >= WITHIN):
            await tx.digests.close(digest.id)
            digest = None
        if digest is None:
            digest = Digest(
                id=deps.ids.new("dig"), agent_id=agent_id, channel=channel, opened_at=now, added_at=now
            )
            if not await tx.digests.add(digest):
                return None
        joined = await tx.digests.join(digest, action_ids[: FULL - digest.members], now=now)
    return digest.id if joined else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """What a digest shows, the revision of its members that this is the picture of, and the messages of the outbox
    that ask for no more than it."""

    view: DigestView
    revision: int
    to_show: tuple[Asking, ...]


async def picture_of(deps: Deps, digest: Digest) -> Picture:
    """What the digest shows now."""
    now = deps.clock.now()
    async with deps.store.reading() as tx:
        directory = await directory_now(deps, tx)
        tally = await tx.digests.tally(digest.id, now=now)
        records = await tx.actions.in_digest(digest.id, limit=ITEMS)
        to_show = await tx.digests.to_show(digest.id)
        people = tuple(dict.fromkeys((*digest.told, *tally.asked)))
        slack_ids = await slack_ids_of(tx, directory, people)
    mentioned = tuple(p for p, by_mention in digest.told.items() if by_mention)
    view = DigestView(
        digest_id=digest.id,
        now=now,
        agent_name=tally.agent_name,
        agent_team=tally.agent_team,
        items=tuple(_item(record, directory) for record in records),
        by_status=tally.by_status,
        waiting=tally.waiting,
        overdue=tally.overdue,
        next_due=tally.next_due,
        mentioned=tuple(person_ref(p, directory, slack_ids) for p in mentioned),
        asked=tuple(person_ref(p, directory, slack_ids) for p in tally.asked if p not in mentioned),
    )
    return Picture(view=view, revision=tally.revision, to_show=to_show)


async def shown(deps: Deps, picture: Picture, sees: Collection[str]) -> None:
    """Forget what the message in Slack tells now: of all its members, and to those of the people who see it."""
    done = [each.message_id for each in picture.to_show if each.person is None or each.person in sees]
    if done:
        async with deps.store.writing() as tx:
            await tx.pings.told(done)


async def intend(deps: Deps, digest: Digest, inside: Collection[str] | None) -> Digest:
    """The digest as it is about to be posted, stored, with whom it calls: mentioned (True), or only named because its
    agent called them in the channel a moment ago (False). `inside` are the Slack ids of those who see the channel; None
    where Slack does not say.

    Whoever is called has their minute reserved in this transaction, so that nothing else calls them in it: no other
    digest, no direct message. Whoever cannot be called now, does not see the channel, or is left in peace about all of
    it is not in `told`: their own messages tell them later. A call reserved by an intention that came to nothing
    stands."""
    now = deps.clock.now()
    async with deps.store.writing() as tx:
        directory = await directory_now(deps, tx)
        tally = await tx.digests.tally(digest.id, now=now)
        first = await tx.actions.in_digest(digest.id, limit=ITEMS)
        lately = await tx.cards.asked_lately(digest.agent_id, digest.channel, now - WITHIN)
        slack_ids = await slack_ids_of(tx, directory, tally.asked)
        hurry = any(risk >= Risk.HIGH for risk in tally.waiting)
        told: dict[str, bool] = {}
        for person in sorted(tally.asked):  # in one order, so that two digests never wait for each other
            if first and all(waits_for(each, person, directory, now) for each in first):
                continue
            if digest.told.get(person):
                await tx.pings.put(person, urgent=hurry, ping=Ping(at=now, merged=True))
                told[person] = True
            elif person in lately:
                told[person] = False
            elif inside is not None and person_ref(person, directory, slack_ids).slack not in inside:
                continue
            elif await _called(tx, person, hurry=hurry, now=now):
                told[person] = True
        digest = replace(digest, posting_since=now, told=told, rendered_sha256=None)
        await tx.digests.put(digest)
    return digest


async def posted(deps: Deps, digest: Digest) -> None:
    """Store where the digest stands now; the minute of everybody whom it called begins."""
    async with deps.store.writing() as tx:
        await tx.digests.put(digest)
        if digest.posting_since is not None:
            called = [person for person, mentioned in digest.told.items() if mentioned]
            await tx.pings.went_out(called, reserved_at=digest.posting_since, at=deps.clock.now())


async def _called(tx: Transaction, person: str, *, hurry: bool, now: datetime) -> bool:
    """Reserve a person's minute; False where something else has it."""
    ordinary, pressing = await tx.pings.last(person)
    if in_peace(last_call(hurry=hurry, ordinary=ordinary, pressing=pressing), now):
        return False
    return await tx.pings.claim(person, urgent=hurry, ping=Ping(at=now, merged=True), before=now - WITHIN)


def _says_where(plan: ApprovalPlan | None) -> tuple[object, ...]:
    """All of a plan that its channel depends on."""
    return () if plan is None else (plan.channel, plan.groups, plan.distinct_groups)


def _item(record: ActionRecord, directory: Directory) -> DigestItem:
    plan = record.plan or ApprovalPlan()
    told = masked(record)
    proposal, effective = told.proposal, told.verdict.effective
    return DigestItem(
        action_id=record.id,
        version=record.version.number,
        summary=proposal.summary,
        risk=effective.risk,
        rule=record.verdict.rule,
        trigger=told.verdict.trigger,
        runs=proposal.tool or proposal.topic,
        environment=proposal.environment,
        amount_usd=effective.amount_usd,
        sla_at=record.sla_at,
        held=record.held,
        approvals=len(counting(veiled(record), directory)),
        quorum=plan.people_needed,
        allow=plan.allow,
    )
