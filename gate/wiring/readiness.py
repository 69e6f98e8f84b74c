"""What `/readyz` says of a gate: each thing that decisions depend on, and how it stands now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gate.clock import SteadyClock
from gate.http.settings import Check
from gate.metrics import Metrics
from gate.usecases.filling import sources
from gate.usecases.ports import RulesSource, Store, StoreUnavailable


class Part(Protocol):
    """Something that says what is wrong with it."""

    @property
    def problem(self) -> str | None:
        """A sentence; None where all is well."""
        ...


class Readiness:
    """Asked for all checks at once. The store alone can be `down`; whatever else is wrong, decisions go on."""

    def __init__(
        self,
        *,
        store: Store,
        clock: SteadyClock,
        metrics: Metrics,
        rules: RulesSource,
        lists: Part,
        parts: Mapping[str, Part],
    ) -> None:
        """`lists` reads what people.yaml leaves to other systems; `parts` are told in the order given."""
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._rules = rules
        self._lists = lists
        self._parts = parts

    async def checks(self) -> tuple[Check, ...]:
        """How everything stands now."""
        told = [await self._of_store()]
        told += [_check(name, part.problem) for name, part in self._parts.items()]
        told.append(self._of_clock())
        if sources(self._rules.current.directory):
            told.append(_check("directory", self._lists.problem))
        return tuple(told)

    async def _of_store(self) -> Check:
        try:
            await self._store.check()
        except StoreUnavailable as error:
            return Check(name="store", state="down", detail=str(error))
        return Check(name="store", state="ok")

    def _of_clock(self) -> Check:
        self._clock.now()
        stepped = self._clock.stepped_sec
        self._metrics.clock_step.set(stepped)
        if not stepped:
            return Check(name="clock", state="ok")
        return Check(
            name="clock",
            state="degraded",
            detail=f"the machine's clock stepped by {stepped:.0f} s; restart the gate to accept it",
        )


def _check(name: str, problem: str | None) -> Check:
    if problem is None:
        return Check(name=name, state="ok")
    return Check(name=name, state="degraded", detail=problem)
