"""Appends audit records as their canonical bytes and reads them back; it can neither change nor remove one."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, bindparam, case, cast, func, or_, select

from gate.domain.audit import KINDS, AuditRecord, canonical_bytes
from gate.domain.merkle import leaf_hash
from gate.domain.transitions import RELEASING
from gate.store.bound import Bound
from gate.store.cursor import after_seq, read_after_seq
from gate.store.errors import UnreadableRow
from gate.store.newest import Made
from gate.store.questions import Question
from gate.store.tables import EVERYDAY, OF_PERSON, RARE, audit
from gate.usecases.ports import AuditFilter, Page

FORMAT = 1
"""The `v` of the canonical bytes this code reads."""
ADRIFT = timedelta(hours=1)
"""By how much the times of records may be out of the order in which they were written: by clocks that disagree, and by
the time a transaction takes."""
NEAR = 256
"""Rows that may be passed over instead of being looked for."""


class SqlAudit:
    """Implements `ports.Audit`."""

    def __init__(self, bound: Bound, made: Made) -> None:
        self._bound = bound
        self._made = made

    async def append(self, *records: AuditRecord) -> None:
        """Stores exactly the canonical bytes and their SHA-256; the other columns repeat them for look-ups."""
        rows = [_row(record) for record in records]
        for row in rows:
            if row["action_id"] is not None:
                self._made.last[row["action_id"]] = row["kind"], row["canonical"]
        await self._bound.put(audit, *rows)

    async def of_action(self, action_id: str) -> tuple[AuditRecord, ...]:
        """In the order they were appended; raises `UnreadableRow` where bytes and digest disagree."""
        statement = _STORED.where(audit.c.action_id == action_id).order_by(audit.c.seq)
        return tuple(_record(row) for row in await self._bound.rows(statement))

    async def release_of(self, action_id: str) -> bytes | None:
        """Raises `UnreadableRow` as `of_action` does: a damaged record releases nothing."""
        found = await self._bound.ask(_RELEASING, action_id=action_id)
        return leaf_hash(_checked(found[0])) if found else None

    async def page(self, which: AuditFilter, *, cursor: str | None, limit: int) -> Page[AuditRecord]:
        """Raises ValueError for a cursor that is none, `UnreadableRow` as `of_action` does."""
        statement = _STORED.order_by(audit.c.seq).limit(limit + 1)
        if which.action is not None:
            statement = statement.where(audit.c.action_id == which.action)
        if which.kind is not None:
            statement = statement.where(_named(audit.c.kind, which.kind))
            if which.kind in KINDS and which.kind not in EVERYDAY:
                statement = statement.where(RARE)  # the very words of a partial index, or it is not taken
        if which.actor is not None:
            statement = statement.where(_named(audit.c.actor, which.actor))
            if which.actor.startswith("person:") and not which.actor.endswith("*"):
                statement = statement.where(OF_PERSON)
        if which.since is not None:
            statement = statement.where(audit.c.at >= which.since)
            if cursor is None and which.action is None:
                statement = statement.where(audit.c.seq > await self._before(which.since - ADRIFT))
        if cursor is not None:
            statement = statement.where(audit.c.seq > read_after_seq(cursor))
        rows = await self._bound.rows(statement)
        shown = rows[:limit]
        following = after_seq(shown[-1].seq) if shown and len(rows) > limit else None
        return Page(items=tuple(_record(row) for row in shown), cursor=following)

    async def _before(self, at: datetime) -> int:
        """The number of a row from before `at` that lies near it, 0 where there is none. Numbers are given out in the
        order of writing, so what has a smaller one was written before that, too."""
        ((found,),) = await self._bound.ask(_BEFORE, at=at)
        return int(found)


def _halving() -> Question:
    """Halves the numbers until few are left, in the database."""
    few = select(cast(0, BigInteger).label("low"), func.coalesce(func.max(audit.c.seq), 0).label("high"))
    halves = few.cte("halves", recursive=True)
    low, high = halves.c.low, halves.c.high
    middle = (low + high) // 2
    there = select(audit.c.at).where(audit.c.seq >= middle).order_by(audit.c.seq).limit(1).scalar_subquery()
    older = there < bindparam("at", type_=audit.c.at.type)
    half = select(case((older, middle), else_=low), case((older, high), else_=middle))
    halves = halves.union_all(half.where(high - low > NEAR))
    return Question(select(func.max(halves.c.low).label("before")))


_BEFORE = _halving()
_STORED = select(audit.c.seq, audit.c.canonical, audit.c.sha256)
_RELEASING = Question(
    _STORED.where(
        audit.c.action_id == bindparam("action_id"),
        or_(*(audit.c.kind == kind for kind in sorted(RELEASING))),
    )
    .order_by(audit.c.seq)
    .limit(1)
)


def _row(record: AuditRecord) -> dict[str, Any]:
    canonical = canonical_bytes(record)
    return {
        "action_id": record.action,
        "kind": record.kind,
        "actor": record.actor,
        "at": record.at,
        "canonical": canonical,
        "sha256": hashlib.sha256(canonical).hexdigest(),
    }


def _named(column: ColumnElement[Any], wanted: str) -> ColumnElement[bool]:
    """Exactly `wanted`, or what begins with it where it ends in `*`; bounds, so that case counts on every engine."""
    if not wanted.endswith("*"):
        return column == wanted
    prefix = wanted[:-1]
    return (column >= prefix) & (column <= prefix + _HIGHEST)


_HIGHEST = chr(0x10FFFF)


def _checked(row: Row[Any]) -> bytes:
    if hashlib.sha256(row.canonical).hexdigest() != row.sha256:
        raise UnreadableRow(f"Audit record {row.seq}", "its bytes do not have the digest stored with them")
    return bytes(row.canonical)


def _record(row: Row[Any]) -> AuditRecord:
    where = f"Audit record {row.seq}"
    canonical = _checked(row)
    try:
        body = json.loads(canonical)
        if body["v"] != FORMAT:
            raise UnreadableRow(where, f"it has format {body['v']!r}, this version reads {FORMAT}")
        return AuditRecord(
            kind=body["kind"],
            actor=body["actor"],
            at=datetime.fromisoformat(body["at"]),
            action=body["action"],
            detail=body["detail"],
        )
    except (ValueError, TypeError, KeyError) as problem:
        raise UnreadableRow(where, f"it is damaged ({type(problem).__name__})") from None
