"""The composition root: the one place where the parts of a gate are put together."""

from __future__ import annotations

from gate.wiring.desk import Desk, examine_slack, open_desk, posting
from gate.wiring.listening import StartError
from gate.wiring.process import Gate, build, serve, unserved
from gate.wiring.sandbox import sandbox_workspace, start_sandbox

__all__ = (
    "Desk",
    "Gate",
    "StartError",
    "build",
    "examine_slack",
    "open_desk",
    "posting",
    "sandbox_workspace",
    "serve",
    "start_sandbox",
    "unserved",
)
