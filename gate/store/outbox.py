"""Keeps the messages that must leave, leases the head of each line, and keeps the dead visible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    update,
)

from gate.domain.action import Json
from gate.store.bound import Bound
from gate.store.codec import OBJECT
from gate.store.columns import Instant
from gate.store.errors import UnreadableRow
from gate.store.questions import Question
from gate.store.tables import outbox
from gate.usecases.ports import AloneOnly, Message

_ALIVE = outbox.c.dead.is_(False)


class SqlOutbox:
    """Implements `ports.Outbox`. A line is the living messages of one action and channel, in the order of their ids."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    async def add(self, *messages: Message) -> None:
        await self._bound.put(outbox, *map(_row, messages))

    async def any_due(self, channel: str, now: datetime) -> bool:
        return bool(await self._bound.ask(_DUE, channel=channel, now=now))

    async def claim(self, channel: str, now: datetime, *, lease_sec: int, limit: int) -> tuple[Message, ...]:
        """Whoever else claims at the same time gets other messages. One that cannot be read is buried on the way,
        so that it holds up neither its line nor the others."""
        claimed: list[Message] = []
        heads = _HEADS_LOCKED if self._bound.locks else _HEADS
        for row in await self._bound.ask(heads, channel=channel, now=now, limit=limit):
            try:
                claimed.append(_message(row))
            except UnreadableRow as problem:
                await self.bury(row.id, error=str(problem))
        until = now + timedelta(seconds=lease_sec)
        if claimed:
            chosen = outbox.c.id.in_([message.id for message in claimed])
            await self._bound.moved(update(outbox).where(chosen).values(leased_until=until))
        return tuple(replace(message, leased_until=until) for message in claimed)

    async def add_cards(self, *messages: Message) -> None:
        """Claimers pass over the rows found until this transaction ends, and show what it leaves. A row whose lease
        ran out may still be on its way to Slack with what was so before, and does not count."""
        free = {"channel": "slack", "kind": "card", "leased_until": None, "dead": False}
        await self._bound.put_unless(outbox, "action_id", free, *map(_row, messages))

    async def delivered(self, message_id: str, *, lease: datetime | None = None) -> None:
        if not self._bound.alone:
            if lease is not None:
                self._bound.rest_on(outbox, {"id": message_id, "leased_until": lease})
            await self._bound.remove(outbox, "id", [message_id])
            return
        done = delete(outbox).where(outbox.c.id == message_id)
        await self._bound.moved(done if lease is None else done.where(outbox.c.leased_until == lease))

    async def retry(
        self,
        message_id: str,
        *,
        at: datetime,
        error: str,
        counts: bool = True,
        lease: datetime | None = None,
    ) -> None:
        """Due again at `at`, and an attempt older unless `counts` is False. Nothing moves where the `lease` ran out
        and somebody else holds another."""
        if not (self._bound.alone or counts):
            mine: dict[str, Any] = {"id": message_id, "dead": False}
            if lease is not None:
                mine["leased_until"] = lease
            later = {"due_at": at, "leased_until": None, "last_error": error}
            await self._bound.change_all(outbox, [mine], later)
            return
        if not self._bound.alone:
            raise AloneOnly  # counting needs the row
        attempts = outbox.c.attempts + (1 if counts else 0)
        await self._bound.moved(
            update(outbox)
            .where(outbox.c.id == message_id, _ALIVE, _held(lease))
            .values(due_at=at, leased_until=None, attempts=attempts, last_error=error)
        )

    async def bury(self, message_id: str, *, error: str, lease: datetime | None = None) -> None:
        """Nothing moves where the `lease` ran out and somebody else holds another."""
        await self._bound.moved(
            update(outbox)
            .where(outbox.c.id == message_id, _ALIVE, _held(lease))
            .values(dead=true(), leased_until=None, attempts=outbox.c.attempts + 1, last_error=error)
        )

    async def revive(self, message_id: str, *, now: datetime) -> bool:
        """Start over with a dead letter: due now, no attempts counted. False where it is not dead."""
        revived = (
            update(outbox)
            .where(and_(outbox.c.id == message_id, outbox.c.dead.is_(True)))
            .values(dead=false(), due_at=now, leased_until=None, attempts=0)
        )
        return await self._bound.moved(revived) == 1

    async def drop(self, message_id: str) -> bool:
        """Forget a message, dead or waiting. False where there is none."""
        return await self._bound.moved(delete(outbox).where(outbox.c.id == message_id)) == 1

    async def rows(self, *, dead_only: bool, limit: int) -> tuple[Message, ...]:
        """The oldest first; a body that cannot be read is shown empty."""
        statement = select(outbox).order_by(outbox.c.id).limit(limit)
        if dead_only:
            statement = statement.where(outbox.c.dead.is_(True))
        return tuple(_shown(row) for row in await self._bound.rows(statement))

    async def depth(self) -> tuple[int, int]:
        counts = {False: 0, True: 0}
        grouped = select(outbox.c.dead, func.count().label("messages")).group_by(outbox.c.dead)
        counts.update((row.dead, row.messages) for row in await self._bound.rows(grouped))
        return counts[False], counts[True]


def _held(lease: datetime | None) -> ColumnElement[bool]:
    """A lease is its own fencing token: each claim of a message ends later than any before it."""
    return true() if lease is None else outbox.c.leased_until == lease


_NOW = bindparam("now", type_=Instant)


def _heads() -> Select[Any]:
    """What may be claimed now: the first of each line, unless somebody has it already."""
    earlier = outbox.alias()
    head = ~exists().where(
        earlier.c.action_id == outbox.c.action_id,
        earlier.c.channel == outbox.c.channel,
        earlier.c.dead.is_(False),
        earlier.c.id < outbox.c.id,
        # A direct message may have to wait for its reader's minute; it holds up only what else they are sent.
        or_(earlier.c.kind != "dm", and_(outbox.c.kind == "dm", earlier.c.person == outbox.c.person)),
        # What is held for somebody's quiet hours holds up nobody else; from its time on it is in line by its id.
        or_(earlier.c.not_before.is_(None), earlier.c.not_before <= _NOW),
    )
    free = or_(outbox.c.leased_until.is_(None), outbox.c.leased_until <= _NOW)
    return (
        select(outbox)
        .where(outbox.c.channel == bindparam("channel"), _ALIVE, outbox.c.due_at <= _NOW, free, head)
        .order_by(outbox.c.due_at, outbox.c.id)
        .limit(bindparam("limit"))
    )


_HEADS = Question(_heads())
_HEADS_LOCKED = Question(_heads().with_for_update(skip_locked=True))
_DUE = Question(
    select(literal(1))
    .select_from(outbox)
    .where(
        outbox.c.channel == bindparam("channel"),
        _ALIVE,
        outbox.c.due_at <= _NOW,
        or_(outbox.c.leased_until.is_(None), outbox.c.leased_until <= _NOW),
    )
    .limit(1)
)


def _row(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "action_id": message.action_id,
        "channel": message.channel,
        "kind": message.kind,
        "body": OBJECT.dumps(message.body),
        "created_at": message.created_at,
        "due_at": message.due_at,
        "leased_until": None,
        "attempts": message.attempts,
        "last_error": message.last_error,
        "dead": message.dead,
        **_addressed(message),
        "not_before": message.not_before,
    }


def _addressed(message: Message) -> dict[str, str | None]:
    """Whom a direct message is for, and why, in columns of their own so that a person's messages can be counted."""
    if message.kind != "dm":
        return {"person": None, "why": None}
    person, why = message.body.get("person"), message.body.get("why")
    return {
        "person": person if isinstance(person, str) else None,
        "why": why if isinstance(why, str) else None,
    }


def _message(row: Row[Any]) -> Message:
    return _with_body(row, OBJECT.loads(row.body, f"Message {row.id}"))


def _shown(row: Row[Any]) -> Message:
    try:
        return _message(row)
    except UnreadableRow:
        return _with_body(row, {})


def _with_body(row: Row[Any], body: Mapping[str, Json]) -> Message:
    return Message(
        id=row.id,
        action_id=row.action_id,
        channel=row.channel,
        kind=row.kind,
        body=body,
        created_at=row.created_at,
        due_at=row.due_at,
        attempts=row.attempts,
        last_error=row.last_error,
        dead=row.dead,
        not_before=row.not_before,
        leased_until=row.leased_until,
    )
