"""How a person is shown, and what authority people lend one another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonRef:
    """A person as shown: `slack` is their Slack user id where known (then they can be mentioned). `quiet`: this can
    wait until their quiet hours are over, so they are named and not disturbed."""

    id: str
    name: str
    slack: str | None = None
    quiet: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class DelegationView:
    """Authority lent by `grantor` to `delegate`; empty `topics` and `groups` narrow nothing."""

    id: str
    grantor: PersonRef
    delegate: PersonRef
    topics: tuple[str, ...]
    groups: tuple[str, ...]
    start: datetime
    end: datetime
    reason: str
    now: datetime
    revoked_by: PersonRef | None = None
