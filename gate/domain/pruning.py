"""When a month of the record may be taken out of the database, and what the record then says; it takes nothing out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gate.domain.audit import AuditRecord, timestamp
from gate.domain.months import kept_until, label


@dataclass(frozen=True, kw_only=True, slots=True)
class Old:
    """What has to be known of a month before it may go: its leaves (None while it has none), the time of its newest
    record, where the pruned part of the record ends, how far the record is signed, and the month being written."""

    month: int
    first: int | None
    last: int | None
    newest: datetime
    follows: int
    signed: int
    current: int


def why_kept(old: Old, *, now: datetime, months: int) -> Iterator[str]:
    """Every reason why this month has to stay, as a sentence for operators; none where it may go."""
    until = kept_until(old.newest, months)
    if until > now:
        yield f"its newest record is kept until {until.date().isoformat()}"
    if old.month >= old.current:
        yield "records are still written in it"
    if old.first is None or old.last is None:
        yield "its records are not numbered yet"
        return
    if old.first > old.follows:
        yield f"older records go first: it begins at leaf {old.first}, and leaf {old.follows} is still there"
    if old.last >= old.signed:
        yield "no signed checkpoint covers all of it yet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Surveyed:
    """What was found looking at every row of a month."""

    first: int
    last: int
    records: int
    unnumbered: int
    elsewhere: int
    oldest: datetime
    newest: datetime


def why_odd(found: Surveyed) -> Iterator[str]:
    """Why the rows of a month are not the one stretch of leaves they should be."""
    if found.unnumbered:
        yield f"{found.unnumbered} of its records are not numbered"
    if found.elsewhere or found.records != found.last - found.first + 1:
        yield (
            f"its {found.records} records are not the leaves {found.first} to {found.last}: look with gate audit verify"
        )


def pruned(
    found: Surveyed, *, month: int, root: bytes, bundle_sha256: str, by: str, at: datetime
) -> AuditRecord:
    """The record that names what is taken out. `root` is that of the tree up to its last leaf."""
    return AuditRecord(
        kind="record.pruned",
        actor=f"operator:{by}",
        at=at,
        detail={
            "month": label(month),
            "first": found.first,
            "last": found.last,
            "root": root.hex(),
            "oldest": timestamp(found.oldest),
            "newest": timestamp(found.newest),
            "bundle_sha256": bundle_sha256,
        },
    )
