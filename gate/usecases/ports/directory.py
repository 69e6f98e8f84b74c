"""What the use-cases need kept of people and agents: identities, delegations, lists from elsewhere, keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gate.domain.action import Agent
from gate.domain.delegation import Delegation


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAgent:
    """An agent with the hashes of its live keys; a rotated key stays valid until `old_until`."""

    agent: Agent
    key_sha256: str
    created_at: datetime
    old_key_sha256: str | None = None
    old_until: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """A person's Slack identity, found once and immutable from then on."""

    person: str
    team_id: str
    user_id: str
    pinned_at: datetime


class Pins(Protocol):
    """Pinned identities; neither a person nor a (team, user) is ever pinned twice."""

    async def by_person(self, person_id: str) -> Pin | None: ...

    async def by_user(self, team_id: str, user_id: str) -> Pin | None: ...

    async def all(self) -> tuple[Pin, ...]: ...

    async def add(self, pin: Pin) -> bool: ...


class Delegations(Protocol):
    """Authority lent by one person to another, for ever on record."""

    async def alone(self) -> None:
        """Until this transaction ends nobody else grants a delegation."""
        ...

    async def add(self, delegation: Delegation) -> None: ...

    async def get(self, delegation_id: str) -> Delegation | None: ...

    async def revoke(self, delegation_id: str, *, at: datetime, by: str) -> bool:
        """End it before its time; False, no row moved, where that was done before."""
        ...

    async def in_force(self, now: datetime, *, hold: bool = False) -> tuple[Delegation, ...]:
        """Those that hold at `now`, the oldest first. With `hold` none of them is revoked until this transaction
        ends, so that a decision stands on delegations that hold when it is committed (INV-07)."""
        ...

    async def open(self, now: datetime) -> tuple[Delegation, ...]:
        """Those that hold at `now` or are still to come, the oldest first."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """A stretch of a schedule as another system tells it; without a start or an end where it is open."""

    email: str
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """What another system said about people: the members of a Slack user group, or the turns of a schedule."""

    team_id: str = ""
    users: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A list as it was read last. `source` is `usergroup:ID` of Slack or `schedule:ID` of PagerDuty."""

    source: str
    read_at: datetime
    listed: Listed


class Listings(Protocol):
    """Lists of people kept elsewhere, as they were read last."""

    async def put(self, listing: Listing) -> None: ...

    async def all(self) -> tuple[Listing, ...]: ...


class ListUnavailable(Exception):
    """A list cannot be read now; the text says why, for the log. `after_sec` where the other side named a time."""

    def __init__(self, sentence: str, *, after_sec: float | None = None) -> None:
        super().__init__(sentence)
        self.after_sec = after_sec


class ListSource(Protocol):
    """One outside system that keeps lists of people."""

    async def read(self, list_id: str) -> Listed:
        """The list as it is now. Raises `ListUnavailable`."""
        ...


class Agents(Protocol):
    """Agents and the hashes of their keys."""

    async def add(self, stored: StoredAgent) -> bool:
        """False where the name is taken."""
        ...

    async def by_key(self, key_sha256: str, now: datetime) -> Agent | None:
        """The agent of a live key; None for unknown, rotated out or revoked ones."""
        ...

    def remembered(self, key_sha256: str) -> Agent | None:
        """Who held the key when this process last looked, without a look; None where that is not known. To be relied
        on only where `still` follows."""
        ...

    async def still(self, agent: Agent, key_sha256: str, now: datetime) -> bool:
        """Whether the key is live and exactly this agent's. A presuming transaction says yes, and is stored only if it
        is so."""
        ...

    async def by_name(self, name: str) -> StoredAgent | None: ...

    async def replace(self, stored: StoredAgent) -> None: ...

    async def all(self) -> tuple[StoredAgent, ...]: ...
