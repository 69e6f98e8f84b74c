"""Counts what people decide and what waits for them, for `/metrics`; no label ever tells a person (INV-51)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from gate.domain.completeness import DECIDING, DEFAULT, missing
from gate.domain.eligibility import risk_of
from gate.domain.reviewing import LOOK_BACK, reviewers
from gate.domain.risk import Risk
from gate.domain.second_review import blind
from gate.domain.transitions import Change
from gate.metrics import Metrics
from gate.usecases.ports import Deps, RulesSource
from gate.usecases.report import MOST_ROWS
from gate.workers.ending import ended

log = structlog.get_logger(__name__)

EVERY_SEC = 15.0
"""Between two looks at what waits; a scrape comes about as often."""
SIGNALS_EVERY = 40
"""Looks between two at a month of votes: ten minutes, for a figure that moves in days."""

_VOTES = frozenset({"approval.vote", "approval.granted", "approval.rejected"})


class ReviewMeter:
    """Implements `ports.Meter` on the process's metrics."""

    def __init__(self, metrics: Metrics, rules: RulesSource) -> None:
        self._metrics = metrics
        self._rules = rules
        recorded = metrics.decisions_recorded
        self._complete, self._lacking = recorded.labels(complete="yes"), recorded.labels(complete="no")

    def committed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            kind = change.audit.kind
            if kind in DECIDING:
                lacking = missing(self._rules.current.policy.contract or DEFAULT, change.record)
                (self._lacking if lacking else self._complete).inc()
            if kind in _VOTES:
                self._voted(change)
            elif kind == "approval.joined":
                self._metrics.joined.inc()
            elif kind == "approval.break_glass":
                self._metrics.emergencies.inc()

    def _voted(self, change: Change) -> None:
        record = change.record
        if blind(record):  # a count that moves would tell of the vote
            return
        hidden = record.plan is not None and record.plan.second_review
        current = [vote for vote in record.votes if vote.version == record.version.number]
        for vote in current if hidden else current[-1:]:
            shown = record.versions[vote.version - 1].created_at
            self._metrics.decision_seconds.labels(
                risk=risk_of(record).value, choice=vote.choice.value
            ).observe(max((vote.at - shown).total_seconds(), 0.0))


class FigureKeeper:
    """Keeps the gauges of open requests and of reviewers who show the sign of a rubber stamp."""

    def __init__(self, deps: Deps, metrics: Metrics, *, every_sec: float = EVERY_SEC) -> None:
        self._deps = deps
        self._metrics = metrics
        self._every_sec = every_sec
        self._looks = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look now and then, until `stop`."""
        self._task = asyncio.create_task(self._keep(), name="figures")

    async def stop(self) -> None:
        """Look no more."""
        await ended(self._task)

    async def look(self) -> None:
        """Bring the gauges up to date. Raises StoreUnavailable."""
        now = self._deps.clock.now()
        async with self._deps.store.reading() as tx:
            waiting = {each.risk: each.count for each in await tx.figures.waiting(now)}
            for risk in Risk:
                self._metrics.open_requests.labels(risk=risk.value).set(waiting.get(risk, 0))
            if self._looks % SIGNALS_EVERY == 0:
                given = await tx.figures.given(now - LOOK_BACK, limit=MOST_ROWS)
                self._metrics.rubber_stamps.set(sum(each.rubber_stamp for each in reviewers(given)))
        self._looks += 1

    async def _keep(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:  # no reason to stop, nor to alarm: the store's own check does that
                log.info("figures.not_read", error=type(error).__name__)
            await asyncio.sleep(self._every_sec)
