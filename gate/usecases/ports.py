"""What the use-cases need from the shell, as Protocols; who implements them is `wiring.py`'s choice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from gate.domain.action import Agent, Json, Velocity
from gate.domain.audit import AuditRecord
from gate.domain.backlog import Asked, Waiting
from gate.domain.bursts import Ping
from gate.domain.delegation import Delegation
from gate.domain.merkle import Frontier, Node
from gate.domain.people import Directory
from gate.domain.request import ActionRecord, Grant, GrantState, Status
from gate.domain.reviewing import Given
from gate.domain.risk import Risk
from gate.domain.routing import Load
from gate.domain.transitions import Change
from gate.domain.verdict import ApprovalPlan
from gate.domain.verification import KeptLeaf
from gate.policy.compile import PolicySet

T = TypeVar("T")


class Clock(Protocol):
    """The one source of now, always aware and in UTC."""

    def now(self) -> datetime: ...


class Ids(Protocol):
    """Makes prefixed ids that sort by time: `act_…`, `grt_…`, `msg_…`, `agt_…`."""

    def new(self, prefix: str) -> str: ...


class Signer(Protocol):
    """Signs grants and reads them back; one algorithm, pinned keys."""

    def sign(self, claims: Mapping[str, Json]) -> str:
        """A compact JWS, `alg` Ed25519, `typ` `signoff-grant+jwt`."""
        ...

    def verify(self, token: str) -> Mapping[str, Json] | None:
        """The claims of a token this gate signed, expired or not; None for anything else."""
        ...


class Notary(Protocol):
    """Signs checkpoints of the audit record, with a key of its own."""

    @property
    def origin(self) -> str:
        """The name of the record, which stands in each of its checkpoints."""
        ...

    def sign(self, text: str) -> str:
        """The text as a signed note."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """The policy set and the directory in force, always taken together."""

    policy: PolicySet
    directory: Directory


class RulesSource(Protocol):
    """Where the rules in force come from; a reload swaps them whole between two reads."""

    @property
    def current(self) -> Rules: ...


class Wakeups(Protocol):
    """Wakes whoever waits for an action; spurious wake-ups are harmless, missed ones cost a second."""

    def notify(self, action_id: str) -> None: ...

    def subscription(self, action_id: str) -> AbstractAsyncContextManager[Waiter]: ...


class Waiter(Protocol):
    """A registered wait: every `notify` between entering the subscription and `wait` is seen."""

    async def wait(self, timeout: float) -> bool:
        """True once notified, False after `timeout` seconds."""
        ...


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

    async def in_digest(self, digest_id: str, *, limit: int) -> tuple[ActionRecord, ...]:
        """Pending actions that share this message, the highest risk first, then the soonest SLA."""
        ...

    async def pending_count(self, agent_id: str) -> int: ...

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

    async def claim(self, channel: str, now: datetime, *, lease_sec: int, limit: int) -> tuple[Message, ...]:
        """Heads of the line per action that are due and unleased, leased to the caller until now + lease_sec."""
        ...

    async def cards_waiting(self, *action_ids: str) -> frozenset[str]:
        """Those of the actions whose card is to be brought up to date anyway, by a message that nobody has claimed
        and nobody claims before this transaction ends; another one would say nothing more (INV-37)."""
        ...

    async def delivered(self, message_id: str, *, lease: datetime | None = None) -> None:
        """Forget a message; with `lease` only where it is still leased until then, so that whoever comes back late
        never takes away what was added to it since."""
        ...

    async def retry(self, message_id: str, *, at: datetime, error: str, counts: bool = True) -> None:
        """Give the lease back and try again at `at`; `attempts` grows by one where `counts`, else stays."""
        ...

    async def bury(self, message_id: str, *, error: str) -> None:
        """Make it a dead letter: visible, out of the way of its action's later messages."""
        ...

    async def revive(self, message_id: str, *, now: datetime) -> bool: ...

    async def drop(self, message_id: str) -> bool: ...

    async def rows(self, *, dead_only: bool, limit: int) -> tuple[Message, ...]: ...

    async def depth(self) -> tuple[int, int]:
        """(waiting, dead)."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Which audit records to list, in the order they were written; None means any.

    `kind` and `actor` are exact, or a prefix where they end in `*` (`approval.*`, `agent:*`).
    """

    action: str | None = None
    kind: str | None = None
    actor: str | None = None
    since: datetime | None = None


class Audit(Protocol):
    """The append-only record."""

    async def append(self, *records: AuditRecord) -> None:
        """In the order given."""
        ...

    async def of_action(self, action_id: str) -> tuple[AuditRecord, ...]: ...

    async def page(self, which: AuditFilter, *, cursor: str | None, limit: int) -> Page[AuditRecord]:
        """The oldest first; the cursor of the last page is None. Raises `ValueError` for a cursor that is none."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedCheckpoint:
    """A signed checkpoint of the record: the first `size` records have this root. `note` is what was signed, whole."""

    size: int
    root: bytes
    note: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """A record with its number: `position` counts from 0."""

    position: int
    hash: bytes


class Tree(Protocol):
    """The Merkle tree over the audit record: which record has which number, and what proves it."""

    async def unsealed(self) -> bool:
        """Whether there are records that no checkpoint covers yet."""
        ...

    async def grow(self, *, limit: int) -> Frontier | None:
        """Number up to `limit` committed records, in the order they were written, and return the tree as it then is.

        None, and nothing is numbered, while somebody else is about it: until this transaction ends nobody else is."""
        ...

    async def waiting(self) -> bool:
        """Whether there are records without a number."""
        ...

    async def seal(self, checkpoint: SealedCheckpoint) -> None:
        """Keep a signed checkpoint."""
        ...

    async def latest(self) -> SealedCheckpoint | None: ...

    async def sealed(self, size: int) -> SealedCheckpoint | None:
        """The smallest checkpoint of at least this size."""
        ...

    async def size(self) -> int:
        """How many records have a number."""
        ...

    async def kept(self, *, after: int, limit: int) -> tuple[KeptLeaf, ...]:
        """The leaves beyond number `after` as they are kept, damaged or not, for whoever verifies them."""
        ...

    async def notes(self, *, at_most: int) -> tuple[str, ...]:
        """Signed checkpoints spread evenly over the record, the last one among them."""
        ...

    async def strays(self) -> tuple[int, ...]:
        """The rows of records that have no number and wait for none: the first few."""
        ...

    async def leaf(self, wanted: int | bytes) -> Leaf | None:
        """By number or by leaf hash; of equal records the first."""
        ...

    async def positions(self, hashes: Collection[bytes]) -> Mapping[bytes, int]:
        """The numbers of those leaf hashes that have one."""
        ...

    async def nodes(self, wanted: Collection[Node]) -> Mapping[Node, bytes]:
        """Nodes of complete subtrees. Raises LookupError where one is not in the tree."""
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


class Cards(Protocol):
    """Where the cards are."""

    async def get(self, action_id: str) -> Card | None: ...

    async def put(self, card: Card) -> None: ...

    async def place(self, card: Card) -> bool:
        """Store the first place of an action; False, nothing stored, where it has one already."""
        ...

    async def placed(self, agent_id: str, channel: str, since: datetime) -> Mapping[Risk, int]:
        """How many requests of the agent came to the channel since then, with a card of their own or sharing one."""
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

    async def give_back(self, person: str, *, urgent: bool, ping: Ping, earlier: Ping | None) -> None:
        """It was not sent after all."""
        ...

    async def hold(self, message_ids: Sequence[str], *, until: datetime) -> None:
        """Let messages that nobody is delivering wait until then."""
        ...

    async def told(self, message_ids: Sequence[str]) -> None:
        """Forget messages of the outbox that one message for all has told."""
        ...


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

    async def by_name(self, name: str) -> StoredAgent | None: ...

    async def replace(self, stored: StoredAgent) -> None: ...

    async def all(self) -> tuple[StoredAgent, ...]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A policy set that was in force, whole. `documents` are (file name, text)."""

    digest: str
    version: str
    documents: tuple[tuple[str, str], ...]
    loaded_at: datetime


class Snapshots(Protocol):
    """Every policy set that ever decided something."""

    async def put(self, snapshot: Snapshot) -> bool:
        """False where this digest was stored before."""
        ...

    async def get(self, digest: str) -> Snapshot | None: ...

    async def all(self) -> tuple[Snapshot, ...]: ...


class Figures(Protocol):
    """What figures are made of: bounded reads, in no particular order."""

    async def waiting(self, now: datetime) -> tuple[Waiting, ...]:
        """What is open, by risk, the highest first."""
        ...

    async def asked(self, since: datetime, *, limit: int) -> tuple[Asked, ...]:
        """The newest `limit` requests that asked people since then."""
        ...

    async def given(self, since: datetime, *, person: str | None = None, limit: int) -> tuple[Given, ...]:
        """The newest `limit` votes since then, of everybody or of one person."""
        ...


class Transaction(Protocol):
    """One database transaction over all aggregates; committed on clean exit, rolled back otherwise."""

    @property
    def actions(self) -> Actions: ...
    @property
    def asks(self) -> Asks: ...
    @property
    def deadlines(self) -> Deadlines: ...
    @property
    def grants(self) -> Grants: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def tree(self) -> Tree: ...
    @property
    def cards(self) -> Cards: ...
    @property
    def digests(self) -> Digests: ...
    @property
    def pings(self) -> Pings: ...
    @property
    def pins(self) -> Pins: ...
    @property
    def delegations(self) -> Delegations: ...
    @property
    def agents(self) -> Agents: ...
    @property
    def listings(self) -> Listings: ...
    @property
    def snapshots(self) -> Snapshots: ...
    @property
    def figures(self) -> Figures: ...


class Store(Protocol):
    """Opens transactions. `writing` serialises where the engine needs it; `reading` never blocks a writer."""

    def writing(self) -> AbstractAsyncContextManager[Transaction]: ...

    def reading(self) -> AbstractAsyncContextManager[Transaction]: ...

    async def check(self) -> None:
        """Raises `StoreUnavailable` where a decision could not be made durable now."""
        ...


class StoreUnavailable(Exception):
    """The database cannot take a decision now; the caller answers 503 or tries again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds a deployment sets. `pending_per_agent` caps open requests of one agent; more are throttled.

    `callback_hosts` is the allowlist of callback URLs, as `domain.callbacks.callback_problem` reads it.
    """

    pending_per_agent: int = 500
    repage_sec: int = 1_800
    public_url: str = ""
    issuer: str = "signoff"
    callback_hosts: tuple[str, ...] = ()


class Meter(Protocol):
    """Counts what was committed, after the commit; never fails."""

    def committed(self, changes: Sequence[Change]) -> None: ...


class Unmetered:
    """Implements `Meter` where nobody asks for metrics."""

    def committed(self, changes: Sequence[Change]) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Deps:
    """What every use-case is given."""

    store: Store
    clock: Clock
    ids: Ids
    signer: Signer
    rules: RulesSource
    wakeups: Wakeups
    limits: Limits = field(default_factory=Limits)
    meter: Meter = field(default_factory=Unmetered)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """The message arrived, or is needed no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryLater:
    """It did not arrive. `after_sec` None lets the worker back off; `counts` False (a rate limit, an outage of the
    whole channel) leaves the attempts as they are, so that an outage never makes dead letters."""

    error: str
    after_sec: float | None = None
    counts: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Undeliverable:
    """It can never arrive; make it a dead letter."""

    error: str


Delivery = Delivered | RetryLater | Undeliverable


class DeliveryChannel(Protocol):
    """One outside channel. `deliver` raises for the unexpected only; the worker takes that for RetryLater."""

    async def deliver(self, message: Message) -> Delivery: ...


OUTBOX = "outbox"
"""What `Wakeups` is notified of when messages were added."""

DEADLINES = "deadlines"
"""What `Wakeups` is notified of when deadlines were armed or disarmed."""

RECORD = "record"
"""What `Wakeups` is notified of when audit records were written."""

CHECKPOINT = "checkpoint"
"""What `Wakeups` is notified of when a checkpoint was signed."""
