"""Plays a script against a gate: proposes at a human pace, waits for people, executes what is released."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gate.cli.demo.script import Run, Step
from gate.cli.demo.wire import GateGone, GateRefused, Keys, Wire

EXECUTION_SEC = 0.3
"""How long the pretended execution takes."""


Document = Mapping[str, Any]
"""The action document of the HTTP contract."""


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """One thing that happened. `kind` is waiting, released, refused, stopped or trouble; `hint` a safer way."""

    kind: str
    agent: str
    summary: str
    detail: str
    action: str | None = None
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A request that people are asked about; `until` is when their time is up (RFC 3339)."""

    summary: str
    until: str | None


class Audience(Protocol):
    """Who is told."""

    def tell(self, news: News) -> None: ...


@dataclass(slots=True)
class Tally:
    """Where the performance stands, in steps; `waiting` by action id."""

    steps: int = 0
    proposed: int = 0
    released: int = 0
    refused: int = 0
    troubled: int = 0
    waiting: dict[str, Waiting] = field(default_factory=dict[str, Waiting])


class Stage:
    """One performance. `play` returns when every run has ended; cancelling it leaves what waits waiting."""

    def __init__(self, wire: Wire, keys: Keys, audience: Audience, *, pace_sec: float) -> None:
        self._wire = wire
        self._keys = keys
        self._audience = audience
        self._pace_sec = pace_sec
        self._session = secrets.token_hex(4)
        self._turn = asyncio.Lock()
        self._first = True
        self.tally = Tally()

    async def play(self, runs: Sequence[Run]) -> None:
        """Every run, one step after the other; runs overlap where one of them waits for people."""
        self.tally.steps += sum(len(run.steps) for run in runs)
        async with asyncio.TaskGroup() as together:
            for number, run in enumerate(runs):
                together.create_task(self._play_run(number, run))

    async def resume(self, waiting: Sequence[tuple[Step, Document]]) -> None:
        """Wait for actions that were proposed before, and execute what is released."""
        self.tally.steps += len(waiting)
        self.tally.proposed += len(waiting)
        async with asyncio.TaskGroup() as together:
            for step, document in waiting:
                together.create_task(self._see_through(step, document))

    async def _play_run(self, number: int, run: Run) -> None:
        for place, step in enumerate(run.steps):
            document = await self._propose(step, f"demo-{self._session}-{number}-{place}")
            if document is not None and await self._see_through(step, document):
                continue
            left = len(run.steps) - place - 1
            if left:
                self.tally.steps -= left
                self._tell("stopped", step, f"{run.name} ends here, {left} more not proposed")
            return

    async def _propose(self, step: Step, key: str) -> Document | None:
        async with self._turn:  # runs take turns, a breath apart
            if not self._first:
                await asyncio.sleep(self._pace_sec)
            self._first = False
            self.tally.proposed += 1
            try:
                return await self._wire.propose(self._keys.of(step.agent), step.body, idempotency_key=key)
            except (GateGone, GateRefused) as error:
                self.tally.troubled += 1
                self._tell("trouble", step, str(error))
                return None

    async def _see_through(self, step: Step, document: Document) -> bool:
        """From a proposal's first answer to its end; whether it was released and executed."""
        key = self._keys.of(step.agent)
        try:
            if document["status"] == "pending":
                document = await self._wait(key, step, document)
            if document["status"] in ("allowed", "approved"):
                return await self._execute(key, step, document)
        except (GateGone, GateRefused) as error:
            self.tally.troubled += 1
            self._tell("trouble", step, str(error), document)
            return False
        self.tally.refused += 1
        self._tell("refused", step, _why_refused(document), document)
        return False

    async def _wait(self, key: str, step: Step, document: Document) -> Document:
        action = str(document["id"])
        approval = document.get("approval") or {}
        self.tally.waiting[action] = Waiting(summary=_summary(step), until=approval.get("deadline"))
        self._tell("waiting", step, f"{document['reason']} ({document['rule']})", document)
        try:
            decided = await self._wire.decided(key, action)
        except (GateGone, GateRefused):
            del self.tally.waiting[action]
            raise
        del self.tally.waiting[action]  # not where we are cancelled: it goes on waiting without us
        return decided

    async def _execute(self, key: str, step: Step, document: Document) -> bool:
        """Redeem the grant for the approved payload, and only then "do" it. The demo's executor does nothing else."""
        grant = document.get("grant")
        if grant is None:
            document = await self._wire.collect(key, str(document["id"]))
            grant = document.get("grant")
        if grant is None:
            self.tally.refused += 1
            self._tell("refused", step, "released, but its release was taken back or has run out", document)
            return False
        await self._wire.redeem(self._keys.executor, str(grant["token"]), document["payload"])
        await asyncio.sleep(EXECUTION_SEC)
        await self._wire.report(
            self._keys.executor, str(document["id"]), "succeeded", "done by the demo executor"
        )
        self.tally.released += 1
        self._tell("released", step, _why_released(document, step), document)
        return True

    def _tell(self, kind: str, step: Step, detail: str, document: Document | None = None) -> None:
        hint = None
        if kind == "refused" and document is not None and document.get("remediations"):
            hint = "; ".join(str(item["title"]) for item in document["remediations"])
        self._audience.tell(
            News(
                kind=kind,
                agent=step.agent,
                summary=_summary(step),
                detail=detail,
                action=None if document is None else str(document["id"]),
                hint=hint,
            )
        )


def _summary(step: Step) -> str:
    return str(step.body.get("summary") or step.body.get("topic") or "")


def _why_refused(document: Document) -> str:
    status = str(document["status"])
    approval = document.get("approval") or {}
    rejection = approval.get("reject")
    if status == "rejected" and rejection:
        who = ", ".join(str(vote["person"]) for vote in approval["votes"] if vote["vote"] == "reject")
        return f"rejected by {who}: {rejection['comment']}"
    if status == "throttled":
        return f"{document['reason']} ({document['rule']}), again in {document['retry_after_sec']} s"
    if status == "denied":
        return f"denied: {document['reason']} ({document['rule']})"
    return {"expired": "expired: nobody decided in time", "cancelled": "cancelled"}.get(status, status)


def _why_released(document: Document, step: Step) -> str:
    approval = document.get("approval")
    if approval is None:
        return f"allowed by {document['rule']}"
    people = ", ".join(
        str(vote["person"])
        for vote in approval["votes"]
        if vote["vote"] == "approve" and vote["version"] == document["version"]
    )
    glass = approval.get("break_glass")
    told = f"approved by {people}" if people else "nobody objected in time"
    if glass is not None:
        told = f"emergency release by {glass['person']}: {glass['reason']}"
    if document["edited"] and "payload" in step.body:
        changes = _changes(step.body["payload"], document["payload"])
        told += f", edited: {changes}" if changes else ", edited"
    return told


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The top-level fields that differ, `amount 1400 -> 1200`, each shortened."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {_short(old.get(name))} -> {_short(new.get(name))}" for name in names)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 40 else text[:39] + "…"
