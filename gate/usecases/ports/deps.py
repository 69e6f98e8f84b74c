"""What every use-case is given: clock, ids, keys, rules, wake-ups, limits, and the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gate.domain.action import Json
from gate.domain.people import Directory
from gate.domain.transitions import Change
from gate.policy.snapshot import PolicySet
from gate.usecases.ports.store import Store


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
    """Wakes whoever waits for an action or one of the topics below; spurious wake-ups are harmless, missed ones do
    not last."""

    def notify(self, action_id: str) -> None: ...

    def subscription(self, action_id: str) -> AbstractAsyncContextManager[Waiter]: ...


class Waiter(Protocol):
    """A registered wait: every `notify` between entering the subscription and `wait` is seen."""

    async def wait(self, timeout: float) -> bool:
        """True once notified, False after `timeout` seconds."""
        ...


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


OUTBOX = "outbox"
"""What `Wakeups` is notified of when messages were added."""


DEADLINES = "deadlines"
"""What `Wakeups` is notified of when deadlines were armed or disarmed."""


RECORD = "record"
"""What `Wakeups` is notified of when audit records were written."""


AGENTS = "agents"
"""What `Wakeups` is notified of when an agent was made, or its keys were rotated or revoked."""


CHECKPOINT = "checkpoint"
"""What `Wakeups` is notified of when a checkpoint was signed."""
