"""Write the audit record out as a bundle, and examine a bundle or the record itself; the domain says what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gate.domain import bundle
from gate.domain.audit import timestamp
from gate.domain.checkpoint import Checkpoint, Malformed, PublicKey, Verify, opened, parse_public_key
from gate.domain.merkle import EMPTY, Frontier, consistency, cover
from gate.domain.verification import Continuation, Discrepancy, Examination, KeptLeaf, Pruned
from gate.policy.documents import Document, set_digest
from gate.usecases.ports import Snapshot, Store, Transaction

StampedAt = Callable[[bytes, str], datetime]
"""(an authority's answer, the note) -> when it saw that note. Raises ValueError where it did not."""

PAGE = 2_000
MOST_CHECKPOINTS = 1_000
"""How many checkpoints a bundle holds at most: enough to tell where something is wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What an examination came to. `last` is the last checkpoint of the record whose signature holds; `stamped`
    is how many records an authority saw, and when, where its certificate was given."""

    records: int
    checkpoints: int
    policies: int
    keys: tuple[PublicKey, ...]
    last: Checkpoint | None
    found: tuple[Discrepancy, ...]
    stamps: int = 0
    stamped: tuple[int, datetime] | None = None
    pruned: tuple[Pruned, ...] = ()


async def exported(
    store: Store, *, keys: Sequence[PublicKey], now: datetime, start: int = 0, end: int | None = None
) -> AsyncIterator[str]:
    """The bundle, line by line, of one moment: the leaves from `start` up to `end`, by default all there are.

    `end` is the size of a checkpoint, so that what is in the bundle is signed to its end.
    """
    async with store.reading() as tx:
        size = await tx.tree.size() if end is None else end
        before = await _tree_of(tx, start)
        yield bundle.written(
            bundle.Beginning(origin=keys[-1].name, size=size, at=timestamp(now), start=before)
        )
        for key in keys:
            yield bundle.written(bundle.Key(text=key.text()))
        for note in await tx.tree.notes(at_most=MOST_CHECKPOINTS, after=start, upto=end):
            yield bundle.written(bundle.Signed(note=note))
        for stamp in await tx.publications.stamps(at_most=MOST_CHECKPOINTS):
            if start < stamp.size <= size:
                yield bundle.written(bundle.Stamped(note=stamp.note, answer=stamp.answer))
        for snapshot in await tx.snapshots.all():
            yield bundle.written(
                bundle.Policy(digest=snapshot.digest, version=snapshot.version, documents=snapshot.documents)
            )
        records = 0
        async for leaf in _leaves(tx, after=start - 1):
            if leaf.position >= size:
                break
            records += 1
            yield bundle.written(leaf)
        yield bundle.written(bundle.End(records=records))


async def examined(
    store: Store,
    *,
    keys: Sequence[PublicKey],
    pinned: Sequence[Checkpoint],
    verify: Verify,
    stamped: StampedAt | None = None,
) -> Report:
    """The record in the database, as it is now."""
    async with store.reading() as tx:
        notes = await tx.tree.notes(at_most=MOST_CHECKPOINTS)
        examination, own = _begun(notes, keys, verify, pinned, await tx.tree.size())
        async for leaf in _leaves(tx):
            examination.take(leaf)
        for stray in await tx.tree.strays():
            examination.report("unnumbered", f"record {stray}", "it has no number and waits for none")
        snapshots = await tx.snapshots.all()
        kept = await tx.publications.stamps(at_most=MOST_CHECKPOINTS)
    stamps = [bundle.Stamped(note=stamp.note, answer=stamp.answer) for stamp in kept]
    last = _stamps(examination, stamps, keys, verify, stamped)
    report = _report(examination, own, keys, [_policy(snapshot) for snapshot in snapshots])
    return replace(report, stamps=len(stamps), stamped=last)


def examined_bundle(
    lines: Callable[[], Iterable[str]],
    *,
    keys: Sequence[PublicKey],
    pinned: Sequence[Checkpoint],
    verify: Verify,
    stamped: StampedAt | None = None,
    proofs: Sequence[Continuation] = (),
) -> Report:
    """A bundle; `lines` opens it anew. Without `keys` those it brings itself are taken. Raises NotABundle."""
    brought: list[PublicKey] = []
    notes: list[str] = []
    policies: list[bundle.Policy] = []
    stamps: list[bundle.Stamped] = []
    size, start = 0, EMPTY
    for line in bundle.read(lines(), leaves=False):
        match line:
            case bundle.Beginning():
                size, start = line.size, line.start
            case bundle.Key():
                brought.append(_key(line))
            case bundle.Signed():
                notes.append(line.note)
            case bundle.Stamped():
                stamps.append(line)
            case bundle.Policy():
                policies.append(line)
            case bundle.End():
                size = max(size, line.records)
            case KeptLeaf():
                pass
    trusted = tuple(keys or brought)
    # A note that was stamped is a checkpoint like any other: the root it names has to be that of the record.
    notes += [each.note for each in stamps if each.note not in notes]
    examination, own = _begun(notes, trusted, verify, pinned, size, start, proofs)
    for line in bundle.read(lines()):
        if isinstance(line, KeptLeaf):
            examination.take(line)
    last = _stamps(examination, stamps, trusted, verify, stamped)
    return replace(_report(examination, own, trusted, policies), stamps=len(stamps), stamped=last)


def _key(line: bundle.Key) -> PublicKey:
    try:
        return parse_public_key(line.text)
    except Malformed as problem:
        raise bundle.NotABundle(f"a key in it cannot be read: {problem}") from None


def _begun(
    notes: Iterable[str],
    keys: Sequence[PublicKey],
    verify: Verify,
    pinned: Sequence[Checkpoint],
    size: int,
    start: Frontier = EMPTY,
    proofs: Sequence[Continuation] = (),
) -> tuple[Examination, list[Checkpoint]]:
    own: list[Checkpoint] = []
    bad: list[tuple[int, str]] = []
    for number, note in enumerate(notes):
        try:
            own.append(opened(note, keys, verify))
        except Malformed as problem:
            bad.append((number, str(problem)))
    examination = Examination(checkpoints=own, pinned=pinned, size=size, start=start, proofs=proofs)
    for number, problem in bad:
        examination.report("unsigned", f"checkpoint {number + 1} of those kept", problem)
    return examination, own


def _report(
    examination: Examination,
    own: Sequence[Checkpoint],
    keys: Sequence[PublicKey],
    policies: Sequence[bundle.Policy],
) -> Report:
    for policy in policies:
        if _digest(policy) != policy.digest:
            examination.report("policy", policy.digest, "its documents are not those of this digest")
    for missing in sorted(examination.policies - {policy.digest for policy in policies}):
        examination.report("policy", missing, "it decided something and is missing")
    found = examination.finish()
    return Report(
        records=examination.taken,
        checkpoints=len(own),
        policies=len(policies),
        keys=tuple(keys),
        last=max(own, key=lambda checkpoint: checkpoint.size, default=None),
        found=found,
        pruned=tuple(examination.pruned),
    )


def _stamps(
    examination: Examination,
    stamps: Iterable[bundle.Stamped],
    keys: Sequence[PublicKey],
    verify: Verify,
    stamped: StampedAt | None,
) -> tuple[int, datetime] | None:
    """The last checkpoint that the authority saw, and when; nothing where none was given to check with."""
    last: tuple[int, datetime] | None = None
    if stamped is None:
        return None
    for number, stamp in enumerate(stamps, 1):
        try:
            size = opened(stamp.note, keys, verify).size
            at = stamped(stamp.answer, stamp.note)
        except ValueError as problem:
            examination.report("stamp", f"time-stamp {number} of those kept", str(problem))
            continue
        last = (size, at) if last is None else max(last, (size, at))
    return last


def _digest(policy: bundle.Policy) -> str | None:
    try:
        return set_digest([Document(name=name, text=text) for name, text in policy.documents])
    except (ValueError, TypeError):
        return None


def _policy(snapshot: Snapshot) -> bundle.Policy:
    return bundle.Policy(digest=snapshot.digest, version=snapshot.version, documents=snapshot.documents)


async def _tree_of(tx: Transaction, size: int) -> Frontier:
    """The tree of the first leaves."""
    nodes = tuple(cover(0, size))
    found = await tx.tree.nodes(nodes)
    return Frontier(size=size, roots=tuple(found[node] for node in nodes))


async def continued(store: Store, first: int, second: int) -> Continuation:
    """The proof that the record of the first size goes on to the second. Raises ValueError where it is not that long,
    LookupError where the tree is damaged."""
    async with store.reading() as tx:
        if second > (size := await tx.tree.size()):
            raise ValueError(f"there are {size} records")
        proof = consistency(first, second)
        nodes = await tx.tree.nodes(proof.nodes)
    return Continuation(first=first, second=second, path=proof.made(nodes.__getitem__))


async def _leaves(tx: Transaction, *, after: int = -1) -> AsyncIterator[KeptLeaf]:
    while page := await tx.tree.kept(after=after, limit=PAGE):
        for leaf in page:
            yield leaf
        after = page[-1].position
