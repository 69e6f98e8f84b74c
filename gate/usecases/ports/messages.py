"""What the use-cases need kept of messages: what must leave, where cards and digests stand, who was called lately."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gate.domain.action import Json
from gate.domain.bursts import Ping
from gate.domain.request import Status
from gate.domain.risk import Risk
from gate.domain.verdict import ApprovalPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A row of the outbox, small and without payloads: `body` holds ids and codes, the adapter loads the rest.

    Messages about a delegation carry its id as `action_id`.

    `channel` is `slack`, `webhook`, `email` or `pagerduty`; `kind` is `card`, `thread`, `dm` or `alarm` for slack,
    `event` for webhook, `call` for email, `trigger` or `resolve` for pagerduty. Rows of one action and
    channel are delivered in the order of `id`. One that is held for somebody's quiet hours is no part of that line
    until `not_before`. `leased_until` tells the lease under which it was claimed.
    """

    id: str
    action_id: str
    channel: str
    kind: str
    body: Mapping[str, Json]
    created_at: datetime
    due_at: datetime
    attempts: int = 0
    last_error: str | None = None
    dead: bool = False
    not_before: datetime | None = None
    leased_until: datetime | None = None

    @property
    def begins(self) -> datetime:
        """From when on it was to be delivered."""
        return self.not_before or self.created_at


class Outbox(Protocol):
    """Messages that must leave, kept until delivered or visibly dead."""

    async def add(self, *messages: Message) -> None: ...

    async def any_due(self, channel: str, now: datetime) -> bool:
        """Whether there is a message that is due and that nobody has leased, be it the head of its line or not."""
        ...

    async def claim(self, channel: str, now: datetime, *, lease_sec: int, limit: int) -> tuple[Message, ...]:
        """Heads of the line per action that are due and unleased, leased to the caller until now + lease_sec."""
        ...

    async def add_cards(self, *messages: Message) -> None:
        """Add card messages, one for each action, but for those whose card is to be brought up to date anyway, by a
        message that nobody has claimed and nobody claims before this transaction ends: another one would say nothing
        more (INV-37)."""
        ...

    async def delivered(self, message_id: str, *, lease: datetime | None = None) -> None:
        """Forget a message; with `lease` only where it is still leased until then, so that whoever comes back late
        never takes away what was added to it since."""
        ...

    async def retry(
        self,
        message_id: str,
        *,
        at: datetime,
        error: str,
        counts: bool = True,
        lease: datetime | None = None,
    ) -> None:
        """Give the lease back and try again at `at`; `attempts` grows by one where `counts`, else stays. With `lease`
        only where it is still leased until then: whoever comes back late changes nothing for the one after them."""
        ...

    async def bury(self, message_id: str, *, error: str, lease: datetime | None = None) -> None:
        """Make it a dead letter: visible, out of the way of its action's later messages. `lease` as for `retry`."""
        ...

    async def revive(self, message_id: str, *, now: datetime) -> bool: ...

    async def drop(self, message_id: str) -> bool: ...

    async def rows(self, *, dead_only: bool, limit: int) -> tuple[Message, ...]: ...

    async def depth(self) -> tuple[int, int]:
        """(waiting, dead)."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Where an action's card stands in Slack. `ts` is None between deciding to post and knowing that it was posted:
    whoever finds it so looks for the card by its metadata before posting (`posting_since` says from when)."""

    action_id: str
    channel: str
    ts: str | None
    posting_since: datetime
    rendered_sha256: str | None = None
    digest: str | None = None
    """The message it shares with others, which `channel` and `ts` tell the place of; None for a card of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What Slack has taken and shows of one version: the card, which is for all (`person` None), or a page of a modal
    that a person opened. `sha256` is the digest of its blocks, `surface` says which it is (`card`, `confirm/1`)."""

    action_id: str
    version: int
    surface: str
    person: str | None
    sha256: str
    at: datetime


class Sights(Protocol):
    """What was shown last, by action, surface and person."""

    async def put(self, seen: Shown) -> None:
        """Over what this surface showed this person before."""
        ...

    async def of(self, action_id: str, version: int, person: str) -> Mapping[str, str]:
        """Surface -> digest of what this person was shown of this version; empty where nothing is known."""
        ...


class Cards(Protocol):
    """Where the cards are."""

    async def get(self, action_id: str) -> Card | None: ...

    async def put(self, card: Card) -> None: ...

    async def place(self, card: Card) -> bool:
        """Store the first place of an action; False, nothing stored, where it has one already."""
        ...

    async def placed(self, agent_id: str, channel: str, since: datetime) -> Mapping[Risk, int]:
        """How many open requests of the agent came to the channel since then, with a card of their own or not."""
        ...

    async def unplaced(self, agent_id: str, *, limit: int) -> tuple[Unplaced, ...]:
        """The agent's pending requests without a place, the oldest first."""
        ...

    async def asked_lately(self, agent_id: str, channel: str, since: datetime) -> frozenset[str]:
        """Whom cards and digests of the agent that were posted to the channel since then mention."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Unplaced:
    """A pending request that no message in Slack shows yet."""

    action_id: str
    risk: Risk
    plan: ApprovalPlan | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """One message for many requests of one agent. `ts` is None until it is known to be posted, `posting_since` None
    until it is to be posted; `told` says who it told by a mention (True), or who was told by another message in the
    channel a moment before (False). It takes further requests until it is `closed`."""

    id: str
    agent_id: str
    channel: str
    opened_at: datetime
    added_at: datetime
    members: int = 0
    closed: bool = False
    ts: str | None = None
    posting_since: datetime | None = None
    told: Mapping[str, bool] = field(default_factory=dict[str, bool])
    rendered_sha256: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """What became of a digest's members. `revision` grows with every change of any of them; `asked` are all who were
    asked for those that wait."""

    agent_name: str = ""
    agent_team: str = ""
    revision: int = 0
    by_status: Mapping[Status, int] = field(default_factory=dict[Status, int])
    waiting: Mapping[Risk, int] = field(default_factory=dict[Risk, int])
    overdue: int = 0
    next_due: datetime | None = None
    asked: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """A message of the outbox that a digest may make needless; `person` None for one that brings up a card."""

    message_id: str
    person: str | None


class Digests(Protocol):
    """The messages that stand for many requests."""

    async def get(self, digest_id: str) -> Digest | None: ...

    async def open_one(self, agent_id: str, channel: str) -> Digest | None:
        """The one that takes further requests, where there is one."""
        ...

    async def add(self, digest: Digest) -> bool:
        """Open one; False, nothing stored, where the agent has an open one in the channel."""
        ...

    async def close(self, digest_id: str) -> None: ...

    async def join(self, digest: Digest, action_ids: Sequence[str], *, now: datetime) -> tuple[str, ...]:
        """Give those of the requests that have no place a place in the digest, and say which."""
        ...

    async def lease(self, digest_id: str, *, now: datetime, until: datetime) -> bool:
        """Be the one who brings it up to date; False where somebody else is at it."""
        ...

    async def put(self, digest: Digest) -> None:
        """Store what changes about a digest, in its members' places too."""
        ...

    async def release(self, digest_id: str) -> None: ...

    async def revision(self, digest_id: str) -> int:
        """`Tally.revision`, at little cost."""
        ...

    async def tally(self, digest_id: str, *, now: datetime) -> Tally: ...

    async def members(self, digest_id: str) -> frozenset[str]: ...

    async def to_show(self, digest_id: str) -> tuple[Asking, ...]:
        """What waits in the outbox for the digest to show it: its members' card messages, and the direct messages to
        those asked that are not held for their quiet hours."""
        ...


class Pings(Protocol):
    """What was sent to whom last."""

    async def waiting(self, person: str, now: datetime) -> tuple[tuple[str, Risk, str], ...]:
        """(message id, risk, why) of the living direct messages for a person, those left out that are held for
        their quiet hours."""
        ...

    async def last(self, person: str) -> tuple[Ping | None, Ping | None]:
        """The last ordinary one and the last urgent one."""
        ...

    async def put(self, person: str, *, urgent: bool, ping: Ping) -> None: ...

    async def claim(self, person: str, *, urgent: bool, ping: Ping, before: datetime) -> bool:
        """Store it where none was sent since `before`; False where somebody was quicker."""
        ...

    async def went_out(self, people: Collection[str], *, reserved_at: datetime, at: datetime) -> None:
        """What was reserved for them then was sent at last: their minute counts from there. Nothing moves for whom
        something else was reserved since."""
        ...

    async def give_back(self, person: str, *, urgent: bool, ping: Ping, earlier: Ping | None) -> None:
        """It was not sent after all."""
        ...

    async def hold(self, message_ids: Sequence[str], *, until: datetime) -> None:
        """Let messages that nobody is delivering wait until then."""
        ...

    async def told(self, message_ids: Sequence[str]) -> None:
        """Forget messages of the outbox that one message for all has told."""
        ...
