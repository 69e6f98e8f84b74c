"""Which requests of one agent share a message in Slack, and which messages to one person wait for each other; what a
burst is, nobody else says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gate.domain.risk import Risk

WITHIN = timedelta(minutes=1)
"""What comes within this time counts together, and a person is told at most once in it of what can share."""

GATHER = timedelta(seconds=0.4)
"""How long what is not the first of a minute waits for more of its kind: a flood shows itself by then."""

GATHER_CALLS = timedelta(seconds=3)
GATHER_URGENT_CALLS = timedelta(seconds=1)
"""The same for a further message to one person. Longer, because a message cannot be joined by others afterwards, and a
gate that is slow to take a flood must still see it before it calls a second time."""

SINGLE_MESSAGES = 3
"""So many messages waiting for one person still go out one by one."""

_CALM = frozenset({"asked", "also", "escalated", "outcome"})
"""Why a person is told, where that alone is no alarm."""
ALONE = frozenset({"break_glass", "review_overdue"})
"""What is always told at once and by itself."""


def shares(risk: Risk, placed: Mapping[Risk, int], waiting: Mapping[Risk, int], *, above: int) -> bool:
    """Whether a request shares a message with others instead of having a card of its own.

    `placed` are the open requests of its agent that came to the channel within `WITHIN`, `waiting` those that have no
    place there yet, this one among them. What is critical never shares, and what is high only among many high ones:
    the one that matters is not buried.
    """
    if risk is Risk.CRITICAL:
        return False
    if risk is Risk.HIGH:
        return placed.get(risk, 0) + waiting.get(risk, 0) > above
    return sum(placed.values()) + sum(waiting.values()) > above


def urgent(risk: Risk, why: str) -> bool:
    """Whether a message to a person is of the kind that ordinary ones never hold up."""
    return risk >= Risk.HIGH or why not in _CALM


@dataclass(frozen=True, kw_only=True, slots=True)
class Ping:
    """When a person was last sent a message, and whether it stood for several."""

    at: datetime
    merged: bool


def last_call(*, hurry: bool, ordinary: Ping | None, pressing: Ping | None) -> Ping | None:
    """What a call has to leave a minute to: the last one of its kind; for an ordinary one also an urgent one that told
    of everything."""
    if hurry:
        return pressing
    found = [ping for ping in (ordinary, pressing if pressing and pressing.merged else None) if ping]
    return max(found, key=lambda ping: ping.at, default=None)


def in_peace(last: Ping | None, now: datetime) -> bool:
    """Whether a person was called within the minute."""
    return last is not None and now - last.at < WITHIN


@dataclass(frozen=True, kw_only=True, slots=True)
class Alone:
    """It goes out by itself, now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Together:
    """One message goes out now for all that wait for the person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotYet:
    """It waits until then, and is looked at again."""

    until: datetime


def turn(
    *,
    now: datetime,
    begun: datetime,
    waiting: int,
    last: Ping | None,
    hurry: bool = False,
) -> Alone | Together | NotYet:
    """What becomes of a message to a person.

    `waiting` counts the messages that wait for them, this one too; of an urgent one, for which there is a `hurry`,
    only the urgent. `last` is their `last_call`, `begun` when the message was written.
    """
    recent = in_peace(last, now)
    gather = GATHER_URGENT_CALLS if hurry else GATHER_CALLS
    if waiting > SINGLE_MESSAGES or (recent and last is not None and last.merged):
        return NotYet(until=last.at + WITHIN) if recent and last is not None else Together()
    if waiting > 1 and not recent and last is not None and begun < last.at + WITHIN:
        return Together()  # what had to wait for its minute comes at once with the others that had to
    if recent and now - begun < gather:
        return NotYet(until=begun + gather)
    return Alone()
