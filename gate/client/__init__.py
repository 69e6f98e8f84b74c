"""What agents and executors install to talk to a gate; knows the contract and nothing of the server."""

from gate.client.aio import AsyncGate
from gate.client.errors import (
    ActionFailed,
    AwaitingCheckpoint,
    Cancelled,
    ConstraintsUnhandled,
    Denied,
    Expired,
    GateError,
    GateRefused,
    GrantInvalid,
    GrantRefused,
    NoGrant,
    NotReleased,
    PayloadUnfit,
    RedemptionUnclear,
    Rejected,
    StillPending,
    Throttled,
    Unreachable,
    UnreadableAnswer,
)
from gate.client.executing import AsyncExecutor
from gate.client.grants import Grant
from gate.client.journal import JournalInUse
from gate.client.permits import Permit
from gate.client.released import Released
from gate.client.sync import Executor, Gate
from gate.client.wire import Claims, Patience

__all__ = [
    "ActionFailed",
    "AsyncExecutor",
    "AsyncGate",
    "AwaitingCheckpoint",
    "Cancelled",
    "Claims",
    "ConstraintsUnhandled",
    "Denied",
    "Executor",
    "Expired",
    "Gate",
    "GateError",
    "GateRefused",
    "Grant",
    "GrantInvalid",
    "GrantRefused",
    "JournalInUse",
    "NoGrant",
    "NotReleased",
    "Patience",
    "PayloadUnfit",
    "Permit",
    "RedemptionUnclear",
    "Rejected",
    "Released",
    "StillPending",
    "Throttled",
    "Unreachable",
    "UnreadableAnswer",
]
