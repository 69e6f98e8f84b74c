"""A gate's core on time that runs: from a moment a test chooses, as fast as real time."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta

from gate.usecases.ports import Deps
from tests.fakes.world import World


class RealTime:
    """Implements `ports.Clock`: starts where it is told to and then runs."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._at = time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._at)


def on_real_time(gate: World, start: datetime) -> Deps:
    """The same gate, its clock running from `start` on."""
    return replace(gate.deps, clock=RealTime(start))
