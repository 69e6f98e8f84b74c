"""What the use-cases need stored of actions: records, whom they wait for, their deadlines and their grants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from gate.domain.action import Velocity
from gate.domain.request import ActionRecord, Grant, GrantState, Status
from gate.domain.routing import Load

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionFilter:
    """Which actions to list, newest first; None means any. `topic` may be a glob with `*`."""

    status: Status | None = None
    topic: str | None = None
    agent_id: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """One page and the opaque cursor of the next, None at the end."""

    items: tuple[T, ...]
    cursor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LikeIt:
    """How earlier actions of the same agent and topic were decided, over the last 30 days."""

    total: int = 0
    allowed: int = 0
    approved: int = 0
    rejected: int = 0
    amount_low: float | None = None
    amount_high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What this process stored last of an action. `leaf` is the leaf hash of the record that released it, `grant` the
    grant that was issued, each only where that was the last thing to happen to it."""

    record: ActionRecord
    leaf: bytes | None = None
    grant: Grant | None = None


class Actions(Protocol):
    """The actions and what hangs on them: versions, votes, the armed deadline."""

    async def add(
        self, record: ActionRecord, *, idempotency_key: str | None, body_sha256: str, twin: str | None = None
    ) -> bool:
        """Store a new action; False where this agent's key is taken by a concurrent request, or where an action of
        this agent with the same `twin` is pending: roll back then, and look again."""
        ...

    async def add_key(self, record: ActionRecord, *, idempotency_key: str, body_sha256: str) -> bool:
        """Let one more key of the action's agent lead to it; False, nothing stored, where the key is taken."""
        ...

    async def waiting_twin(self, agent_id: str, twin: str) -> ActionRecord | None:
        """This agent's pending action that was added with this `twin`; it stays as it is for everybody else until
        this transaction ends."""
        ...

    async def alone(self, action_id: str) -> None:
        """Wait for whoever is changing the action; until this transaction ends nobody else does."""
        ...

    async def by_key(self, agent_id: str, idempotency_key: str) -> tuple[str, str] | None:
        """The (action id, body SHA-256) this agent once sent under the key."""
        ...

    async def get(self, action_id: str) -> ActionRecord | None: ...

    def known(self, action_id: str) -> Known | None:
        """What a presuming transaction takes for true of an action, nothing in any other. It may be old: whoever goes
        on from it saves the action, or asks for it again."""
        ...

    def newer(self, action_id: str, revision: int) -> ActionRecord | None:
        """What this process has committed of an action that was read before, at this revision; None where it has not
        gone beyond that."""
        ...

    async def save(self, record: ActionRecord, *, expected_revision: int) -> bool:
        """Replace the action guarded by its revision. False, no row moved, means somebody else changed it
        since it was read: load it again and decide anew. Also arms, re-arms or disarms its deadline row."""
        ...

    async def claim(self, action_ids: Sequence[str]) -> tuple[ActionRecord, ...]:
        """Those of them that nobody else is changing at this moment, in the order given, kept from others until this
        transaction ends. Waits for nobody, so that no two transactions that hold several block each other."""
        ...

    async def save_claimed(self, records: Sequence[ActionRecord]) -> bool:
        """Replace several claimed actions at once, each as `save` does. False means that one of them moved all the
        same; then the transaction is given up."""
        ...

    async def page(self, which: ActionFilter, *, cursor: str | None, limit: int) -> Page[ActionRecord]: ...

    async def pending(self, *, limit: int) -> tuple[ActionRecord, ...]:
        """Pending actions, the soonest SLA first."""
        ...

    async def in_review(self, *, limit: int) -> tuple[ActionRecord, ...]:
        """Emergency releases that no supervisor has looked at, the longest due first."""
        ...

    async def unknown(self, *, limit: int) -> tuple[ActionRecord, ...]:
        """Used releases of which it is not known what came, the newest first."""
        ...

    async def in_digest(self, digest_id: str, *, limit: int) -> tuple[ActionRecord, ...]:
        """Pending actions that share this message, the highest risk first, then the soonest SLA."""
        ...

    async def pending_count(self, agent_id: str, *, cap: int | None = None) -> int:
        """Exact where the answer decides whether the `cap` is reached."""
        ...

    async def seen_before(self, agent_id: str, topic: str) -> bool:
        """Whether this agent had an action of this topic released before."""
        ...

    async def retries(self, agent_id: str, topic: str, payload_sha256: str, since: datetime) -> int:
        """How often this agent proposed this very payload since then."""
        ...

    async def velocity(self, probe: Velocity, values: Mapping[str, str], since: datetime) -> float:
        """Count (or sum) of actions since then whose key fields have these values, denied ones left out."""
        ...

    async def like_it(self, agent_id: str, topic: str, since: datetime, *, except_id: str) -> LikeIt: ...


class Asks(Protocol):
    """Who was asked for what, by person; `Actions` writes it. An ask is open exactly while its action is pending."""

    async def loads(self, people: Sequence[str], *, cap: int) -> Mapping[str, Load]:
        """What waits for each of them, counted up to `cap`, and when they were asked last. Breaks are not known."""
        ...

    async def approvals_of(self, people: Sequence[str], *, limit: int) -> Mapping[str, tuple[datetime, ...]]:
        """When each of them approved something, the newest first, at most `limit` times each."""
        ...

    async def waiting_for(self, person: str, *, limit: int) -> tuple[str, ...]:
        """Pending actions this person was asked for."""
        ...

    async def voted_for(self, delegate: str, grantor: str, *, limit: int) -> tuple[str, ...]:
        """Pending actions on which `delegate` voted for `grantor`, the latest votes first."""
        ...

    async def alone(self, person: str) -> None:
        """Until this transaction ends nobody else counts what this person approved, and then approves for them."""
        ...

    async def choosing(self) -> None:
        """Until this transaction ends nobody else chooses whom to ask by what waits for people."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A deadline that has come: fire it with `seq`, which says whether it is still the armed one."""

    action_id: str
    seq: int
    due_at: datetime


class Deadlines(Protocol):
    """Read side of the armed deadlines; `Actions.save` writes them."""

    async def due(self, now: datetime, *, limit: int) -> tuple[Due, ...]:
        """The earliest due first; costs in proportion to what is due."""
        ...

    async def next_at(self) -> datetime | None: ...


class Grants(Protocol):
    """Grants as handed out."""

    async def add(self, grant: Grant) -> None: ...

    async def get(self, jti: str) -> Grant | None: ...

    async def latest(self, action_id: str, version: int) -> Grant | None: ...

    async def move(
        self,
        jti: str,
        *,
        to: GrantState,
        at: datetime | None = None,
        by: str | None = None,
    ) -> bool:
        """From ISSUED to another state; False, no row moved, means it is not ISSUED any more."""
        ...
