"""Take a month of the record out of the database: whether it may go, the record that says so, and its removal.

Three steps, each of which may be repeated: the month is exported and verified (by whoever calls), `announce` names it
on the record, and `clear` removes it, once that is signed. What is named and still there harms nobody.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime

from gate.domain.audit import canonical_bytes
from gate.domain.merkle import cover, fold, leaf_hash
from gate.domain.months import label
from gate.domain.pruning import Old, Surveyed, pruned, why_kept, why_odd
from gate.domain.refusal import Refused
from gate.usecases.ports import RECORD, Deps, Pruning, Store, Stretch, Transaction

PAGE = 500
MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A month that is there, and why it has to stay; no reason where it may go, as far as a glance tells."""

    stretch: Stretch
    reasons: tuple[str, ...]
    announced: bool


async def standings(store: Store, *, now: datetime, months: int) -> tuple[Standing, ...]:
    """Every month of which records are in the database, the oldest first."""
    async with store.reading() as tx:
        return await _standings(tx, now, months)


async def _standings(tx: Transaction, now: datetime, months: int) -> tuple[Standing, ...]:
    gone = await tx.retention.prunings()
    follows = gone[-1].last + 1 if gone else 0
    latest = await tx.tree.latest()
    current = await tx.months.current()
    return tuple(
        Standing(
            stretch=each,
            announced=bool(gone) and each.month <= gone[-1].month,
            reasons=tuple(
                why_kept(
                    Old(
                        month=each.month,
                        first=each.first,
                        last=each.last,
                        newest=each.newest,
                        follows=follows,
                        signed=0 if latest is None else latest.size,
                        current=current,
                    ),
                    now=now,
                    months=months,
                )
            ),
        )
        for each in await tx.retention.stretches()
    )


async def survey(store: Store, month: int, *, now: datetime, months: int) -> Surveyed | Refused:
    """Looks at every row of a month and at every action it tells of. Refused where it may not go."""
    async with store.reading() as tx:
        standing = next((s for s in await _standings(tx, now, months) if s.stretch.month == month), None)
        if standing is None:
            return _refused(month, "there is no record of it here")
        if standing.announced:
            return _refused(month, "its removal has begun")
        if standing.reasons or standing.stretch.first is None or standing.stretch.last is None:
            return _refused(month, *standing.reasons)
        if await tx.months.astray():
            return _refused(month, "records are in the partition audit_rest, where no month is")
        first, last = standing.stretch.first, standing.stretch.last
        records = unnumbered = elsewhere = 0
        oldest = newest = standing.stretch.newest
        needed: dict[str, str] = {}
        after = -1
        while page := await tx.retention.rows(month, after=after, limit=PAGE):
            after = page[-1].number
            records += len(page)
            unnumbered += sum(row.leaf is None for row in page)
            elsewhere += sum(row.leaf is not None and not first <= row.leaf <= last for row in page)
            oldest = min(oldest, *(row.at for row in page))
            newest = max(newest, *(row.at for row in page))
            if len(needed) < MOST_NAMED:
                ids = {row.action for row in page if row.action is not None}
                needed |= await tx.retention.needed(ids, now=now)
    found = Surveyed(
        first=first,
        last=last,
        records=records,
        unnumbered=unnumbered,
        elsewhere=elsewhere,
        oldest=oldest,
        newest=newest,
    )
    exact = Old(
        month=month, first=first, last=last, newest=newest, follows=first, signed=last + 1, current=month + 1
    )
    problems = [*why_kept(exact, now=now, months=months), *why_odd(found)]
    problems += [f"{action} {why}" for action, why in sorted(needed.items())[:MOST_NAMED]]
    return _refused(month, *problems) if problems else found


async def announce(
    deps: Deps, found: Surveyed, *, month: int, bundle: str, bundle_sha256: str, by: str
) -> Pruning | Refused:
    """In one transaction the record says what is taken out, and the rows become removable."""
    async with deps.store.writing() as tx:
        now = deps.clock.now()
        gone = await tx.retention.prunings()
        if found.first != (gone[-1].last + 1 if gone else 0):
            return _refused(month, "another stretch was taken out meanwhile")
        nodes = tuple(cover(0, found.last + 1))
        roots = await tx.tree.nodes(nodes)
        record = pruned(
            found,
            month=month,
            root=fold([roots[node] for node in nodes]),
            bundle_sha256=bundle_sha256,
            by=by,
            at=now,
        )
        pruning = Pruning(
            month=month,
            first=found.first,
            last=found.last,
            oldest=found.oldest,
            newest=found.newest,
            bundle=bundle,
            bundle_sha256=bundle_sha256,
            leaf=leaf_hash(canonical_bytes(record)).hex(),
            by=by,
            at=now,
        )
        if not await tx.retention.announce(pruning):
            return _refused(month, "somebody else takes it out at this moment")
        await tx.audit.append(record)
    deps.wakeups.notify(RECORD)
    return pruning


async def is_signed(store: Store, pruning: Pruning) -> bool:
    """Whether a signed checkpoint covers the record that names it."""
    async with store.reading() as tx:
        return await tx.tree.covered(bytes.fromhex(pruning.leaf))


async def clear(store: Store, pruning: Pruning) -> AsyncGenerator[int, None]:
    """Remove an announced month, and what is stored of the actions that end in it, in small transactions; yields how
    many rows of the record are done with. May be called again after it broke off. Raises ValueError where the record
    that names it is not signed yet, StoreUnavailable where others are in the way."""
    if not await is_signed(store, pruning):
        raise ValueError("no signed checkpoint covers the record of this pruning")
    month, after = pruning.month, -1
    while True:
        async with store.reading() as tx:
            page = await tx.retention.rows(month, after=after, limit=PAGE)
        if not page:
            break
        after = page[-1].number
        ids = {row.action for row in page if row.action is not None}
        if ids:
            async with store.writing() as tx:
                await tx.retention.forget(sorted(ids), month=month)
        yield len(page)
    while True:
        async with store.writing() as tx:
            if not await tx.retention.take_out(month, limit=PAGE):
                return


async def unfinished(store: Store) -> tuple[Pruning, ...]:
    """Months that the record says were taken out, and of which rows are still there."""
    async with store.reading() as tx:
        there = {stretch.month for stretch in await tx.retention.stretches()}
        return tuple(each for each in await tx.retention.prunings() if each.month in there)


async def kept_in(store: Store, since: datetime) -> tuple[Pruning, ...]:
    """Where records of an action from that time on may be now, the oldest first; nothing where none was taken out."""
    async with store.reading() as tx:
        return tuple(each for each in await tx.retention.prunings() if each.newest >= since)


def _refused(month: int, *reasons: str) -> Refused:
    return Refused(code="month_kept", sentence=f"{label(month)} stays: {'; '.join(reasons)}.")
