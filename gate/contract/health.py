"""Whether the process lives, and whether it can decide."""

from __future__ import annotations

from typing import Literal

from gate.contract.action import Answer


class Healthy(Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"


class CheckOut(Answer):
    """One thing a decision depends on."""

    name: str
    state: Literal["ok", "degraded", "down"]
    detail: str


class ReadyOut(Answer):
    """`ready`, `degraded` (it decides, but somebody must look) or `down` (it cannot decide durably now)."""

    status: Literal["ready", "degraded", "down"]
    checks: list[CheckOut]
