"""`gate audit show`: the story of one decision at the terminal; what belongs to it is the use-case's business."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gate.cli.output import fail, say, show
from gate.cli.session import at_desk
from gate.delivery.inert import visible
from gate.domain.audit import timestamp
from gate.domain.masking import Masked
from gate.ids import made_at
from gate.usecases.ports import Pruning
from gate.usecases.retention import kept_in
from gate.usecases.story import Story, read_story
from gate.usecases.telling import chapters, moment, trail_line
from gate.wiring.desk import Desk

app = typer.Typer(no_args_is_help=True, help="The append-only record.")

_OUT = Console(highlight=False)


@app.command("show")
def show_(
    action: Annotated[str, typer.Argument(metavar="ACT", help="The id of an action, act_…")],
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
) -> None:
    """The whole story of one decision: what was proposed, on what evidence, who decided, what came of it."""

    async def read(desk: Desk) -> Story | None:
        return await read_story(desk.store, action)

    told = at_desk(read, as_json=as_json)
    if told is None and (elsewhere := at_desk(lambda desk: _kept_in(desk, action), as_json=as_json)):
        fail(_whereabouts(action, elsewhere), as_json=as_json, kind="pruned")
    if told is None:
        fail(f"There is no record of {action}.", as_json=as_json, kind="unknown_action")
    if as_json:
        show(document(told))
        return
    for chapter in chapters(told):
        say(f"\n{chapter.title}")
        grid = _grid()
        for line in chapter.lines:
            grid.add_row(_cell(line.label), _cell(line.text))
        _OUT.print(grid)
    say("\nOn the record")
    grid = _grid()
    for each in told.trail:
        number = "not numbered yet" if each.number is None else f"leaf {each.number}"
        grid.add_row(moment(each.at), f"{_cell(trail_line(each))} ({number}, {each.leaf})")
    _OUT.print(grid)


async def _kept_in(desk: Desk, action: str) -> tuple[Pruning, ...]:
    since = made_at(action)
    return () if since is None else await kept_in(desk.store, since)


def _whereabouts(action: str, prunings: tuple[Pruning, ...]) -> str:
    """The first bundle that can have it; its records may go on in those after."""
    first = prunings[0]
    return (
        f"There is no record of {action} here. What is as old was taken out by {first.by} at {timestamp(first.at)}: "
        f"look with gate audit verify {first.bundle} --story {action} (SHA-256 {first.bundle_sha256})."
    )


def document(told: Story) -> dict[str, Any]:
    """The story for programs: times in RFC 3339, lengths of time in seconds, every digest whole."""
    record = told.record
    return {
        "action": record.id,
        "status": record.status.value,
        "created_at": timestamp(record.created_at),
        "decided_at": timestamp(record.decided_at) if record.decided_at is not None else None,
        "decided_by": record.decided_by,
        "took_sec": _plain(told.took),
        "agent": {
            "id": record.agent.id,
            "name": record.agent.name,
            "team": record.agent.team,
            "owner": record.agent.owner,
        },
        "input_sha256": told.input_sha256,
        "proposal": _plain(record.proposal),
        "facts": [_plain(each) for each in told.facts],
        "policy": {
            "decision": record.verdict.decision.value,
            "rule": record.verdict.rule,
            "reason": record.verdict.reason,
            "trigger": record.verdict.trigger,
            "version": record.verdict.policy_version,
            "digest": record.version.policy_digest,
        },
        "plan": _plain(record.plan),
        "asked": list(record.asked),
        "reassignments": _plain(record.reassignments),
        "versions": [
            {**_plain(told_of), "payload": _plain(version.payload)}
            for told_of, version in zip(told.versions, record.versions, strict=True)
        ],
        "votes": [_plain(each) for each in told.ballots],
        "rejection": _plain(record.rejection),
        "note": record.decision_note,
        "emergency": _plain(record.emergency),
        "grants": [_plain(each) for each in told.permits],
        "taken_back": record.grants_revoked,
        "outcome": _plain(record.outcome),
        "shredded": _plain(record.shredded),
        "records": [_plain(each) for each in told.trail],
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    match value:
        case Masked():
            return str(value)
        case Enum():
            return value.value
        case datetime():
            return timestamp(value)
        case timedelta():
            return round(value.total_seconds(), 3)
        case dict():
            return {str(key): _plain(held) for key, held in value.items()}
        case frozenset() | set():
            return sorted(_plain(each) for each in value)
        case tuple() | list():
            return [_plain(each) for each in value]
        case _:
            return value


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=22, max_width=34, overflow="fold")
    grid.add_column(overflow="fold")
    return grid


def _cell(text: str) -> str:
    """Text of others as it may stand in a terminal: no control characters, nothing read as markup."""
    return visible(text, newlines=True).replace("[", "\\[")
