"""Keeps actions with their versions, votes, reassignments and armed deadline; how they may change is the domain's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, Table, bindparam, case, literal_column, select, tuple_, update

from gate.domain.action import Velocity
from gate.domain.request import ActionRecord, Status
from gate.domain.risk import Risk
from gate.store import history
from gate.store.asks import keep_in_step
from gate.store.bound import Bound
from gate.store.cursor import after_action, read_after_action
from gate.store.errors import UnreadableRow
from gate.store.history import Seen
from gate.store.newest import Made, Newest
from gate.store.questions import Question
from gate.store.rows import (
    WHOLE,
    changing_columns,
    deadline_row,
    fixed_columns,
    grouped,
    reassignment_row,
    to_record,
    version_row,
    vote_row,
)
from gate.store.sealing import Seal, Sealer
from gate.store.tables import (
    PENDING,
    REVIEW,
    UNKNOWN,
    UNUSUAL,
    actions,
    cards,
    deadlines,
    idempotency,
    reassignments,
    subjects,
    versions,
    votes,
)
from gate.usecases.ports import ActionFilter, Clock, Known, LikeIt, Page


class SqlActions:
    """Implements `ports.Actions`."""

    def __init__(self, bound: Bound, clock: Clock, sealer: Sealer, known: Seen, newest: Newest) -> None:
        self._bound = bound
        self._clock = clock
        self._sealer = sealer
        self._known = known
        self._newest = newest
        self._presumed: set[str] = set()
        self._stored: dict[str, ActionRecord] = {}
        self._seals: dict[str, Seal] = {}
        # Records this transaction has read or written, so that `save` knows what is stored already.
        self._seen: dict[str, ActionRecord] = {}

    async def add(
        self, record: ActionRecord, *, idempotency_key: str | None, body_sha256: str, twin: str | None = None
    ) -> bool:
        """Waits for one that takes the key or the twin in an open transaction. ValueError for a record that no store
        may hold: no deadline while pending or one when not, or a proposal that is not its first version."""
        _demand_sound(record)
        if idempotency_key is not None and not await self.add_key(
            record, idempotency_key=idempotency_key, body_sha256=body_sha256
        ):
            return False
        seal = self._seals[record.id] = self._sealer.new(record.id)
        columns = fixed_columns(record, seal) | changing_columns(record, None, seal)
        if twin is not None:
            self._newest.keep_twin(record.agent.id, twin)
        if twin is None:
            await self._bound.put(actions, columns)
        elif not await self._bound.put_new(actions, columns | {"twin": twin}):
            return False
        await self._add_new((None, record))
        self._seen[record.id] = self._stored[record.id] = record
        return True

    async def by_key(self, agent_id: str, idempotency_key: str) -> tuple[str, str] | None:
        found = await self._bound.ask(_BY_KEY, agent_id=agent_id, key_sha256=_key(idempotency_key))
        return (found[0].action_id, found[0].body_sha256) if found else None

    async def add_key(self, record: ActionRecord, *, idempotency_key: str, body_sha256: str) -> bool:
        claimed = {
            "agent_id": record.agent.id,
            "key_sha256": _key(idempotency_key),
            "body_sha256": body_sha256,
            "action_id": record.id,
        }
        return await self._bound.put_new(idempotency, claimed)

    async def waiting_twin(self, agent_id: str, twin: str) -> ActionRecord | None:
        """Asks the index for the row and reads the record only then, because whoever held the row before may have
        changed what hangs on it. A transaction that presumes takes for new what was not asked for here lately: if it is
        not, the index tells the commit."""
        if self._bound.presuming and not self._newest.had_twin(agent_id, twin):
            return None
        if self._bound.locks:
            mine = (actions.c.agent_id == agent_id) & (actions.c.twin == twin)
            held = await self._bound.row(self._bound.holding(select(actions.c.id).where(mine, PENDING)))
            return None if held is None else await self.get(held.id)
        found = await self._bound.ask(_TWIN, agent_id=agent_id, twin=twin)
        record = await self.get(found[0].id) if found else None
        return record if record is not None and record.status is Status.PENDING else None

    async def alone(self, action_id: str) -> None:
        await self._bound.rows(self._bound.holding(select(actions.c.id).where(actions.c.id == action_id)))

    async def get(self, action_id: str) -> ActionRecord | None:
        """Raises `UnreadableRow` where it cannot be decoded."""
        record = None if self._bound.alone else await self._unchanged(action_id)
        if record is not None:
            return record
        rows = await self._bound.ask(_BY_ID, id=action_id)
        if not rows:
            return None
        if self._bound.alone:
            (record,) = await self._records(rows)
        else:
            record = await self._read_lately(rows)
        self._seen[action_id] = record
        return record

    def known(self, action_id: str) -> Known | None:
        found = self._newest.of(action_id) if self._bound.presuming else None
        if found is None:
            return None
        known, data_key = found
        self._presumed.add(action_id)
        self._remember(known.record, data_key)
        return known

    async def _unchanged(self, action_id: str) -> ActionRecord | None:
        """What this process stored last, where the row still has its revision and its key: one of them moves with
        whatever a gate changes in it."""
        found = self._newest.of(action_id)
        if found is None:
            return None
        known, data_key = found
        rows = await self._bound.ask(_STANDS, id=action_id)
        if not rows or tuple(rows[0]) != (known.record.revision, data_key):
            self._newest.forget(known.record)
            return None
        self._remember(known.record, data_key)
        return known.record

    def _remember(self, record: ActionRecord, data_key: str | None) -> None:
        self._seals[record.id] = self._sealer.of(record.id, data_key)
        self._seen[record.id] = record

    def newer(self, action_id: str, revision: int) -> ActionRecord | None:
        found = self._newest.of(action_id)
        return found[0].record if found is not None and found[0].record.revision > revision else None

    def committed(self, made: Made) -> None:
        """Remember what was stored, now that it is durable, with what else was."""
        for record in self._stored.values():
            self._newest.keep(record, made, self._seals[record.id].data_key)

    def outrun(self) -> None:
        """Something that was taken for true was not so."""
        for action_id in self._presumed:
            self._newest.forget(self._seen[action_id])

    async def _read_lately(self, rows: Sequence[Row[Any]]) -> ActionRecord:
        """The record of a row; it is made anew only where the row is another than before."""
        (row,) = rows
        known = self._sealer.opened.find(row, row.id)
        if known is not None:
            self._seals[row.id] = self._sealer.of(row.id, row.data_key)
            return known
        try:
            (record,) = await self._records(rows)
        except UnreadableRow:
            # What hangs on it may have been sealed anew since the row was read.
            rows = await self._bound.ask(_BY_ID, id=row.id)
            if not rows:
                raise
            (record,) = await self._records(rows)
        self._sealer.opened.keep(rows[0], record)
        return record

    async def save(self, record: ActionRecord, *, expected_revision: int) -> bool:
        """ValueError where the record changes what never changes, or as for `add`."""
        _demand_sound(record)
        before = self._seen.get(record.id)
        if before is None or before.revision != expected_revision:
            before = await self.get(record.id)
            if before is None or before.revision != expected_revision:
                return False
        _demand_continues(before, record)
        seal = self._seals[record.id]
        guarded = {"id": record.id, "revision": expected_revision, "data_key": seal.data_key}
        if not await self._bound.change(actions, guarded, changing_columns(record, before, seal)):
            return False
        await self._add_new((before, record))
        self._seen[record.id] = self._stored[record.id] = record
        return True

    async def claim(self, action_ids: Sequence[str]) -> tuple[ActionRecord, ...]:
        """Locked first and read by a second statement: PostgreSQL reads what is joined to a row it had to wait or look
        twice for as of before it was locked. Raises `UnreadableRow` where one of them cannot be decoded."""
        wanted = select(actions.c.id).where(actions.c.id.in_(action_ids)).order_by(actions.c.id)
        held = [row.id for row in await self._bound.rows(self._bound.claiming(wanted))]
        found = {record.id: record for record in await self._whole(WHOLE.where(actions.c.id.in_(held)))}
        self._seen |= found
        return tuple(found[each] for each in dict.fromkeys(action_ids) if each in found)

    async def save_claimed(self, records: Sequence[ActionRecord]) -> bool:
        """ValueError as for `save`, and for a record that this transaction has not read."""
        moves = [(self._before(record), record) for record in records]
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for before, record in moves:
            _demand_sound(record)
            _demand_continues(before, record)
            seal = self._seals[record.id]
            columns = changing_columns(record, before, seal)
            guard = {
                "guarded_id": record.id,
                "guarded_revision": before.revision,
                "guarded_key": seal.data_key,
            }
            alike.setdefault(tuple(columns), []).append(columns | guard)
        for columns, rows in alike.items():
            guarded = (
                update(actions)
                .where(
                    actions.c.id == bindparam("guarded_id"),
                    actions.c.revision == bindparam("guarded_revision"),
                    actions.c.data_key.is_not_distinct_from(bindparam("guarded_key")),
                )
                .values({name: bindparam(name) for name in columns})
            )
            if await self._bound.moved(guarded, rows) != len(rows):
                return False
        await self._add_new(*moves)
        moved = {record.id: record for record in records}
        self._seen |= moved
        self._stored |= moved
        return True

    def _before(self, record: ActionRecord) -> ActionRecord:
        before = self._seen.get(record.id)
        if before is None:
            raise ValueError(f"{record.id}: nothing is saved that was not read before")
        return before

    async def page(self, which: ActionFilter, *, cursor: str | None, limit: int) -> Page[ActionRecord]:
        """Raises ValueError for a cursor that is none."""
        statement = WHOLE.order_by(actions.c.created_at.desc(), actions.c.id.desc()).limit(limit + 1)
        if which.status is Status.PENDING:
            statement = statement.where(PENDING)
        elif which.status is not None:
            statement = statement.where(actions.c.status == literal_column(f"'{which.status.value}'"))
        if which.status not in (None, Status.ALLOWED):
            statement = statement.where(UNUSUAL)  # the very words of a partial index, or it is not taken
        if which.agent_id is not None:
            statement = statement.where(actions.c.agent_id == which.agent_id)
        if which.topic is not None:
            statement = statement.where(self._bound.matches(actions.c.topic, which.topic))
        if which.since is not None:
            statement = statement.where(actions.c.created_at >= which.since)
        if cursor is not None:
            place = tuple_(actions.c.created_at, actions.c.id)
            statement = statement.where(place < read_after_action(cursor))
        found = await self._whole(statement)
        items = found[:limit]
        last = items[-1] if len(found) > limit and items else None
        return Page(items=items, cursor=None if last is None else after_action(last.created_at, last.id))

    async def pending(self, *, limit: int) -> tuple[ActionRecord, ...]:
        return await self._whole(WHOLE.where(PENDING).order_by(actions.c.sla_at, actions.c.id).limit(limit))

    async def in_review(self, *, limit: int) -> tuple[ActionRecord, ...]:
        """Asks the reviews' own index first: mostly there are none, and then that is all."""
        by_due = select(deadlines.c.action_id).where(REVIEW).order_by(deadlines.c.due_at)
        ids = [row.action_id for row in await self._bound.rows(by_due.limit(limit))]
        found = await self._whole(WHOLE.where(actions.c.id.in_(ids))) if ids else ()
        by_id = {record.id: record for record in found if record.in_review}
        return tuple(by_id[each] for each in ids if each in by_id)

    async def unknown(self, *, limit: int) -> tuple[ActionRecord, ...]:
        by_time = WHOLE.where(UNKNOWN).order_by(actions.c.report_by.desc())
        return await self._whole(by_time.limit(limit))

    async def in_digest(self, digest_id: str, *, limit: int) -> tuple[ActionRecord, ...]:
        member = cards.c.digest == digest_id
        rank = case({risk.value: risk.rank for risk in Risk}, value=actions.c.risk, else_=0)
        shared = select(cards.c.action_id).where(member)
        statement = WHOLE.where(PENDING, actions.c.id.in_(shared))
        return await self._whole(statement.order_by(rank.desc(), actions.c.sla_at, actions.c.id).limit(limit))

    async def pending_count(self, agent_id: str, *, cap: int | None = None) -> int:
        return await history.pending_count(self._bound, agent_id, cap=cap)

    async def seen_before(self, agent_id: str, topic: str) -> bool:
        return await self._known.before(self._bound, agent_id, topic)

    async def retries(self, agent_id: str, topic: str, payload_sha256: str, since: datetime) -> int:
        return await history.retries(self._bound, agent_id, topic, payload_sha256, since)

    async def velocity(self, probe: Velocity, values: Mapping[str, str], since: datetime) -> float:
        return await history.velocity(self._bound, probe, values, since)

    async def like_it(self, agent_id: str, topic: str, since: datetime, *, except_id: str) -> LikeIt:
        return await history.like_it(self._bound, agent_id, topic, since, except_id=except_id)

    async def _whole(self, statement: Select[Any]) -> tuple[ActionRecord, ...]:
        """Records of `WHOLE` rows; asks for what hangs on them only where there is any."""
        return await self._records(await self._bound.rows(statement))

    async def _records(self, rows: Sequence[Row[Any]]) -> tuple[ActionRecord, ...]:
        edited = await self._hanging(versions, {row.id: row.version for row in rows if row.version > 1})
        voted = await self._hanging(votes, {row.id: row.votes - 1 for row in rows if row.votes})
        passed_on = await self._hanging(
            reassignments, {row.id: row.reassignments - 1 for row in rows if row.reassignments}
        )
        found: list[ActionRecord] = []
        for row in rows:
            seal = self._seals[row.id] = self._sealer.of(row.id, row.data_key)
            hanging = edited.get(row.id, ()), voted.get(row.id, ()), passed_on.get(row.id, ())
            found.append(to_record(row, *hanging, seal))
        return tuple(found)

    async def _hanging(self, table: Table, last: Mapping[str, int]) -> dict[str, list[Row[Any]]]:
        """What hangs on each action, up to the last one that its row knows of; later ones came after it was read."""
        if not last:
            return {}
        order, beyond = _ORDER[table]
        if len(last) == 1:
            ((action_id, until),) = last.items()
            return {action_id: list(await self._bound.ask(_HANGING[table], id=action_id, until=until))}
        statement = select(table).where(table.c.action_id.in_(last), order > beyond)
        found = grouped(await self._bound.rows(statement.order_by(table.c.action_id, order)))
        return {
            each: [r for r in rows if getattr(r, order.key) <= last[each]] for each, rows in found.items()
        }

    def marks_of(self, action_id: str, named: Sequence[str]) -> list[dict[str, Any]]:
        """Rows that say whose data an action holds."""
        return [{"mark": self._sealer.mark(subject), "action_id": action_id} for subject in named]

    async def _add_new(self, *moves: tuple[ActionRecord | None, ActionRecord]) -> None:
        """Rows for what each record has and the one before it has not, and the deadline where it is another."""
        edited: list[dict[str, Any]] = []
        voted: list[dict[str, Any]] = []
        passed_on: list[dict[str, Any]] = []
        armed: list[dict[str, Any]] = []
        disarmed: list[str] = []
        named: list[dict[str, Any]] = []
        for before, record in moves:
            seal = self._seals[record.id]
            made = 0 if before is None else len(before.versions)
            cast = 0 if before is None else len(before.votes)
            asked = 0 if before is None else len(before.reassignments)
            edited += (version_row(record.id, each, seal) for each in record.versions[made:])
            voted += (vote_row(record.id, cast + n, each, seal) for n, each in enumerate(record.votes[cast:]))
            new = enumerate(record.reassignments[asked:])
            passed_on += (reassignment_row(record.id, asked + n, each, seal) for n, each in new)
            if record.verdict.subjects is not None:
                known = () if before is None else before.verdict.subjects or ()
                named += self.marks_of(record.id, [s for s in record.verdict.subjects if s not in known])
            was = None if before is None else before.deadline
            if record.deadline is not None and record.deadline != was:
                armed.append(deadline_row(record.id, record.deadline))
            elif record.deadline is None and was is not None:
                disarmed.append(record.id)
        for table, rows in ((versions, edited), (votes, voted), (reassignments, passed_on)):
            if rows:
                await self._bound.put(table, *rows)
        if named:
            await self._bound.put(subjects, *named)
        if armed:
            await self._bound.put_over(deadlines, *armed)
        if any(record.asked or (before is not None and before.asked) for before, record in moves):
            await keep_in_step(self._bound, moves, self._clock.now())
        if disarmed:
            await self._bound.remove(deadlines, "action_id", disarmed)


_BY_KEY = Question(
    select(idempotency.c.action_id, idempotency.c.body_sha256).where(
        idempotency.c.agent_id == bindparam("agent_id"), idempotency.c.key_sha256 == bindparam("key_sha256")
    )
)
_ORDER: Mapping[Table, tuple[Any, int]] = {
    versions: (versions.c.number, 1),
    votes: (votes.c.seq, -1),
    reassignments: (reassignments.c.seq, -1),
}
"""By what is ordered what hangs on an action, and after which it begins; version 1 stands in the action's own row."""
_HANGING = {
    table: Question(
        select(table)
        .where(table.c.action_id == bindparam("id"), order > beyond, order <= bindparam("until"))
        .order_by(order)
    )
    for table, (order, beyond) in _ORDER.items()
}
_STANDS = Question(select(actions.c.revision, actions.c.data_key).where(actions.c.id == bindparam("id")))
_BY_ID = Question(WHOLE.where(actions.c.id == bindparam("id")))
_TWIN = Question(
    select(actions.c.id).where(
        actions.c.agent_id == bindparam("agent_id"), actions.c.twin == bindparam("twin"), PENDING
    )
)


def _key(idempotency_key: str) -> str:
    """Keys are free text of any length; an index wants something short."""
    return hashlib.sha256(idempotency_key.encode("utf-8", "surrogatepass")).hexdigest()


def _demand_sound(record: ActionRecord) -> None:
    if (record.deadline is not None) != record.awaited:
        raise ValueError(f"{record.id}: a deadline is armed exactly while pending, in review or unreported")
    if record.proposal.payload is not record.proposed.payload and (
        record.proposal.payload != record.proposed.payload
    ):
        raise ValueError(f"{record.id}: version 1 is not what was proposed")
    if [version.number for version in record.versions] != list(range(1, len(record.versions) + 1)):
        raise ValueError(f"{record.id}: versions are numbered from 1 without gaps")


def _demand_continues(before: ActionRecord, after: ActionRecord) -> None:
    """Reading a value back makes it equal, not identical; comparing identical ones costs nothing."""
    same = (
        before.agent == after.agent
        and before.created_at == after.created_at
        and before.proposal == after.proposal
        and after.versions[: len(before.versions)] == before.versions
        and after.votes[: len(before.votes)] == before.votes
        and after.reassignments[: len(before.reassignments)] == before.reassignments
    )
    if not same:
        raise ValueError(f"{after.id}: the proposal and what was voted, edited or handed on never change")
    if after.revision <= before.revision:
        raise ValueError(f"{after.id}: a saved change needs a higher revision")
