"""Knows when a direct message may go out: by itself, as one for all that wait for its reader, or later; what messages
say is the blocks' work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gate.domain.bursts import ALONE, WITHIN, NotYet, Ping, Together, last_call, turn, urgent
from gate.domain.risk import Risk
from gate.usecases.ports import Deps, Message

_SOON = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """A message's turn, written down already. With `merged` one message tells all that it `covers`, as (id of the
    outbox's row, why)."""

    person: str
    urgent: bool
    ping: Ping
    earlier: Ping | None
    merged: bool
    covers: tuple[tuple[str, str], ...]


class Pings:
    """Turns by person. What was sent is in the store, so that replicas and restarts keep to the same minute."""

    def __init__(self, *, deps: Deps) -> None:
        self._deps = deps
        self._held: dict[tuple[str, bool], datetime] = {}
        """Until when the next message of its kind has nothing to ask the store for."""

    def held(self, person: str, why: str, risk: Risk) -> datetime | None:
        """Until when such a message waits, where that is known without asking."""
        until = self._held.get((person, urgent(risk, why)))
        return until if until is not None and self._deps.clock.now() < until and why not in ALONE else None

    async def turn(self, message: Message, person: str, why: str, risk: Risk) -> Turn | datetime | None:
        """The message's turn, or when to come again; None where another message has told it meanwhile."""
        hurry, now = urgent(risk, why), self._deps.clock.now()
        if (held := self.held(person, why, risk)) is not None:
            return held
        async with self._deps.store.writing() as tx:
            waiting = [row for row in await tx.pings.waiting(person, now) if row[2] not in ALONE]
            known = why in ALONE or message.id in {row[0] for row in waiting}
            if message.leased_until is not None and not known:
                return None
            ordinary, pressing = await tx.pings.last(person)
            last = last_call(hurry=hurry, ordinary=ordinary, pressing=pressing)
            mine = [row for row in waiting if urgent(row[1], row[2])] if hurry else waiting
            decided = turn(now=now, begun=message.begins, waiting=len(mine), last=last, hurry=hurry)
            if isinstance(decided, NotYet) and why not in ALONE:
                if decided.until - now > _SOON:
                    self._held[person, hurry] = decided.until
                    await tx.pings.hold([row[0] for row in mine], until=decided.until)
                return decided.until
            merged = isinstance(decided, Together) and why not in ALONE
            ping = Ping(at=now, merged=merged)
            earlier = pressing if hurry else ordinary
            if why in ALONE:
                await tx.pings.put(person, urgent=hurry, ping=ping)
            elif not await tx.pings.claim(
                person,
                urgent=hurry,
                ping=ping,
                before=now - WITHIN if merged or earlier is None else earlier.at,
            ):
                return now + _SOON  # somebody called meanwhile
        return Turn(
            person=person,
            urgent=hurry,
            ping=ping,
            earlier=earlier,
            merged=merged,
            covers=tuple((row[0], row[2]) for row in waiting) if merged else ((message.id, why),),
        )

    async def done(self, sent: Turn) -> None:
        """All that it covers is told, and its reader's minute begins."""
        async with self._deps.store.writing() as tx:
            await tx.pings.went_out([sent.person], reserved_at=sent.ping.at, at=self._deps.clock.now())
            if sent.merged:
                await tx.pings.told([message_id for message_id, _ in sent.covers])

    async def give_back(self, unsent: Turn) -> None:
        """It certainly did not go out: the next one need not wait for it."""
        async with self._deps.store.writing() as tx:
            await tx.pings.give_back(
                unsent.person, urgent=unsent.urgent, ping=unsent.ping, earlier=unsent.earlier
            )
